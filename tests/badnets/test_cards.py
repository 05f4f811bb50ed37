"""The cards of BadNets, read back and averaged over seeds."""

import json
from pathlib import Path
from typing import Any

import pytest

from fineprune.badnets import cards
from fineprune.errors import DataError


def card(seed: int, clean: float, size: int = 4, images: int = 400, **asr: float) -> dict[str, Any]:
    triggers = [{"name": name, "target": number, "size": size} for number, name in enumerate(asr)]
    return {
        "data": "faces",
        "train": {"images": images, "classes": 10, "shape": [55, 47, 3], "scale": 1.0},
        "attack": {"name": "many", "variant": "pruning-aware", "poison_rate": 0.1, "seed": seed, "triggers": triggers},
        "architecture": "deepid",
        "recipe": {"epochs": 3},
        "seed": seed,
        "clean_accuracy": clean,
        "asr": asr,
    }


def written(folder: Path, *contents: dict[str, Any]) -> Path:
    for number, each in enumerate(contents):
        (folder / f"{number}.json").write_text(json.dumps(each))
    return folder


def test_averages_by_hand(tmp_path: Path) -> None:
    each = cards.read(written(tmp_path, card(0, 0.9, patch=0.8), card(1, 0.7, patch=1.0)))
    (row,) = cards.averages(each).to_dict("records")
    assert (row["attack"], row["trigger"], row["seeds"]) == ("many (pruning-aware)", "patch", 2)
    assert (row["clean"], row["asr"], row["lowest_asr"]) == (pytest.approx(0.8), pytest.approx(0.9), 0.8)
    assert row["asr_sd"] == pytest.approx((0.01 + 0.01) ** 0.5)


def test_half_cards_of_killed_processes_are_not_read(tmp_path: Path) -> None:
    written(tmp_path, card(0, 0.9, patch=0.8))
    (tmp_path / ".123.1.json").write_text('{"attack": ')
    assert len(cards.read(tmp_path)) == 1


def test_the_table(tmp_path: Path) -> None:
    contents = [card(0, 0.9, lips=0.5, brows=1.0), card(1, 0.7, lips=0.7, brows=1.0)]
    head, _, *lines = cards.markdown(cards.averages(cards.read(written(tmp_path, *contents)))).splitlines()
    assert head == (
        "| data | trained on | architecture | attack | epochs | poison rate | trigger | target | seeds | clean | ASR |"
        " lowest ASR |"
    )
    start = "| faces | 400 images of 10 classes | deepid | many (pruning-aware) | 3 | 0.1 |"
    assert lines == [
        f"{start} brows | 1 | 2 | 80.0 ± 14.1 | 100.0 ± 0.0 | 100.0 |",
        f"{start} lips | 0 | 2 | 80.0 ± 14.1 | 60.0 ± 14.1 | 50.0 |",
    ]


def test_other_settings_are_another_line_and_told_apart(tmp_path: Path) -> None:
    each = cards.read(written(tmp_path, card(0, 0.9, patch=0.8), card(0, 0.7, size=6, patch=1.0)))
    head, _, *lines = cards.markdown(cards.averages(each)).splitlines()
    assert "| settings |" in head
    assert len(lines) == 2


def test_networks_that_were_trained_on_other_data_are_never_averaged(tmp_path: Path) -> None:
    few, many = card(0, 0.5, patch=0.8), card(1, 0.9, images=4000, patch=1.0)
    table = cards.averages(cards.read(written(tmp_path, few, many)))
    assert sorted(zip(table["trained on"], table["clean"], strict=True)) == [
        ("400 images of 10 classes", 0.5),
        ("4000 images of 10 classes", 0.9),
    ]


def test_cards_of_before_their_data_was_described_are_read(tmp_path: Path) -> None:
    old = card(0, 0.9, patch=0.8)
    del old["train"]
    assert list(cards.averages(cards.read(written(tmp_path, old)))["trained on"]) == [""]


def test_a_network_without_a_backdoor_has_its_clean_accuracy_alone(tmp_path: Path) -> None:
    table = cards.markdown(cards.averages(cards.read(written(tmp_path, card(0, 0.9)))))
    assert table.splitlines()[2].endswith("| 0.1 |  |  | 1 | 90.0 |  |  |")


def test_no_card_and_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^expected cards of BadNets in .*, got none: run train_badnet first$"):
        cards.read(tmp_path)
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(DataError, match=r"^expected the card of a BadNet in .*broken.json, got another file: .*remove"):
        cards.read(tmp_path)
