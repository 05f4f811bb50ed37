"""What things are called, made and taken apart in one place."""

import pytest

from fineprune import names
from fineprune.names import Rate

RATES = {
    "clean_test/pruned_accuracy": Rate("clean_test", "pruned", "accuracy"),
    "hat/goodnet_detection_rate": Rate("hat", "goodnet", "detection_rate"),
    "at_2_percent/hat/goodnet_asr": Rate("hat", "goodnet", "asr", "2_percent"),
    "at_end/hat/finetuned_goodnet_der": Rate("hat", "finetuned_goodnet", "der", "end"),
    "at_end/hat/finetuned_robust_accuracy": Rate("hat", "finetuned", "robust_accuracy", "end"),
    "badnet/clean_test/accuracy": Rate("clean_test", "badnet", "accuracy"),
    # A split may have the name of something else.
    "at_2_percent/pruned_asr": Rate("at_2_percent", "pruned", "asr"),
    "badnet/pruned_asr": Rate("badnet", "pruned", "asr"),
    "goodnet_asr/goodnet_asr": Rate("goodnet_asr", "goodnet", "asr"),
    "../a\nb/pruned_asr": Rate("../a\nb", "pruned", "asr"),
}


@pytest.mark.parametrize("name", RATES)
def test_the_name_of_a_rate_is_read_as_it_was_written(name: str) -> None:
    assert Rate.parse(name) == RATES[name]
    assert str(RATES[name]) == name


@pytest.mark.parametrize(
    "name", ["fraction_pruned", "at_2_percent/fraction_pruned", "seconds/strategy", "hat/asr", "der"]
)
def test_what_is_no_rate(name: str) -> None:
    assert Rate.parse(name) is None


def test_a_rate_after_fine_tuning() -> None:
    assert str(Rate("hat", "pruned", "asr").tuned()) == "hat/finetuned_asr"
    assert str(Rate("hat", "goodnet", "asr", "end").tuned()) == "at_end/hat/finetuned_goodnet_asr"


def test_a_badnet_that_nobody_knows_the_attack_of_goes_by_its_name() -> None:
    assert (names.subject("patch", "trained"), names.subject(names.GIVEN, "csaw_lab")) == ("patch", "csaw_lab")


def test_methods_and_variants() -> None:
    assert (names.titled("patch", "all-to-all"), names.titled("patch", "")) == ("patch (all-to-all)", "patch")
    plain, tuned, otherwise = (names.method("ours", tuning) for tuning in ("", "fine-tuning", "FT-SAM"))
    assert (plain, tuned, otherwise) == ("ours", "ours + fine-tuning", "ours + FT-SAM")
    assert (names.tunes(plain), names.tunes(tuned), names.tunes(f"{tuned} (a=1)")) == (False, True, True)
    assert names.tunes(otherwise)
    assert names.untuned(f"{tuned} (a=1)") == "ours (a=1)"
    for another in (otherwise, f"{tuned}, not held"):
        assert names.untuned(another) == another  # drawn as a method of its own


def test_a_run_is_called_by_what_tells_it_from_others_first() -> None:
    assert names.run("channel_activation", "patch", 3, "faces") == "channel_activation · patch · 3 · faces"
