"""The cards of BadNets, read back and averaged over seeds."""

import json
from pathlib import Path
from typing import Any

import pytest

from fineprune import cards
from fineprune.errors import DataError


def card(seed: int, clean: float, size: int = 4, **asr: float) -> dict[str, Any]:
    triggers = [{"name": name, "target": number, "size": size} for number, name in enumerate(asr)]
    return {
        "data": "faces",
        "attack": {"name": "many", "variant": "pruning-aware", "poison_rate": 0.1, "seed": seed, "triggers": triggers},
        "architecture": "deepid",
        "recipe": {"epochs": 3},
        "seed": seed,
        "clean_accuracy": clean,
        "asr": asr,
    }


def written(folder: Path, *found: dict[str, Any]) -> Path:
    for number, each in enumerate(found):
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
    found = [card(0, 0.9, lips=0.5, brows=1.0), card(1, 0.7, lips=0.7, brows=1.0)]
    head, _, *lines = cards.markdown(cards.averages(cards.read(written(tmp_path, *found)))).splitlines()
    assert head == (
        "| data | attack | architecture | epochs | poison rate | trigger | target | seeds | clean | asr | lowest asr |"
    )
    start = "| faces | many (pruning-aware) | deepid | 3 | 0.1 |"
    assert lines == [
        f"{start} brows | 1 | 2 | 80.0 ± 14.1 | 100.0 ± 0.0 | 100.0 |",
        f"{start} lips | 0 | 2 | 80.0 ± 14.1 | 60.0 ± 14.1 | 50.0 |",
    ]


def test_other_settings_are_another_line_and_told_apart(tmp_path: Path) -> None:
    each = cards.read(written(tmp_path, card(0, 0.9, patch=0.8), card(0, 0.7, size=6, patch=1.0)))
    head, _, *lines = cards.markdown(cards.averages(each)).splitlines()
    assert "| settings |" in head
    assert len(lines) == 2


def test_a_network_without_a_backdoor_has_its_clean_accuracy_alone(tmp_path: Path) -> None:
    table = cards.markdown(cards.averages(cards.read(written(tmp_path, card(0, 0.9)))))
    assert table.splitlines()[2].endswith("| 0.1 |  |  | 1 | 90.0 |  |  |")


def test_no_card_and_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^expected cards of BadNets in .*, got none: run runners.train_badnet first$"):
        cards.read(tmp_path)
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(DataError, match=r"^expected the card of a BadNet in .*broken.json, got another file: .*remove"):
        cards.read(tmp_path)
