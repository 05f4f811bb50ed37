"""What comes back, beside what is planted in a network that never had the backdoor."""

import io
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from sweeps import sweep

from fineprune.comparison import Comparison, lasting, tidy
from fineprune.comparison.output import html_page, terminal
from fineprune.tracking.read import FinishedSweep

PLACE = "aftermath/2_percent"


def retuned(asrs: tuple[float, float], net: str = "pruned", digest: str = "d", **about: Any) -> FinishedSweep:
    run = sweep(**about)
    before, after = asrs
    rates = {"asr_before": before, "asr_after": after, "accuracy_before": 0.9, "accuracy_after": 0.8}
    metrics = {
        **run.metrics,
        "asr_at_2_percent": 0.1,
        **{f"{PLACE}/{net}/retuning/patch/{name}": rate for name, rate in rates.items()},
    }
    return FinishedSweep(run.id, run.tags, run.params, metrics, run.steps, {"patch": digest})


def clean(asrs: tuple[float, float], **about: Any) -> FinishedSweep:
    """A run on a network that never had a backdoor, on which the trigger's images are measured."""
    return retuned(asrs, attack="clean", triggers={"patch": 0.01}, **about)


def test_what_comes_back_and_its_control_by_hand() -> None:
    runs = [retuned((0.1, 0.9)), retuned((0.2, 0.6), seed=1), clean((0.0, 0.3)), clean((0.0, 0.1), seed=1)]
    (row,) = lasting(runs).to_dict("records")
    assert (row["attack"], row["method"], row["stage"], row["seeds"]) == ("patch", "ours", "retuning", 2)
    rates = [row[name] for name in ("asr_before", "asr_after", "asr_back", "asr_planted")]
    assert rates == pytest.approx([0.15, 0.75, 0.6, 0.2])


@pytest.mark.parametrize("other", [{"digest": "other"}, {"seed": 1}, {"strategy": "theirs"}])
def test_a_control_is_of_the_same_images_seed_and_method(other: dict[str, Any]) -> None:
    (row,) = lasting([retuned((0.1, 0.9)), clean((0.0, 0.3), **other)]).to_dict("records")
    assert row["asr_back"] == pytest.approx(0.8) and np.isnan(row["asr_planted"])


@pytest.mark.parametrize(
    "other", [{"params": {"aftermath.retuning.poisoned": "50"}}, {"tags": {"architecture": "deepid"}}]
)
def test_a_control_is_of_the_same_stage_and_architecture(other: dict[str, Any]) -> None:
    (row,) = lasting([retuned((0.1, 0.9)), clean((0.0, 0.3), **other)]).to_dict("records")
    assert np.isnan(row["asr_planted"])


def test_controls_of_some_seeds_are_none() -> None:
    """Else what comes back on all seeds would stand beside what is planted on one."""
    (row,) = lasting([retuned((0.0, 0.8)), retuned((0.0, 0.4), seed=1), clean((0.0, 0.7))]).to_dict("records")
    assert row["asr_back"] == pytest.approx(0.6) and np.isnan(row["asr_planted"])


def test_a_later_run_without_a_stage_takes_nothing_away() -> None:
    (row,) = lasting([sweep(), retuned((0.1, 0.9))]).to_dict("records")
    assert row["asr_after"] == pytest.approx(0.9)


def test_the_fine_tuned_net_is_a_method_of_its_own() -> None:
    table = lasting([retuned((0.1, 0.9), net="finetuned", finetune="clean")])
    assert table["method"].tolist() == ["ours + fine-tuning"]


def test_an_asr_that_falls_further_is_negative_and_so_may_its_interval_be() -> None:
    (row,) = lasting([retuned((0.5, after), seed=seed) for seed, after in enumerate((0.3, 0.4))]).to_dict("records")
    assert row["asr_back"] == pytest.approx(-0.15)
    assert row["asr_back_low"] == pytest.approx(-0.15 - 0.05 * 12.7062, abs=1e-4)


def test_a_clean_network_is_attacked_by_nothing_though_a_trigger_is_measured_on_it() -> None:
    results = tidy([clean((0.0, 0.3))])
    assert set(results["trigger"]) == {""}
    assert lasting([clean((0.0, 0.3))]).empty and lasting([sweep()]).empty


def test_the_page_and_the_terminal_show_it() -> None:
    comparison = Comparison([retuned((0.1, 0.9)), clean((0.0, 0.3))], "test")
    assert 'id="lasting"' in html_page.render(comparison)
    written = io.StringIO()
    terminal.show(comparison, Console(file=written, width=80))
    assert "patch retuning ours 10.0 90.0 80.0 30.0" in " ".join(written.getvalue().split())
