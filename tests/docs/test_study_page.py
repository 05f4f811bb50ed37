"""The studies' pages say what was measured: their tables are those that the kept results make."""

from pathlib import Path

import pytest
import study_tables

SCIENCE = Path(__file__).parents[2] / "docs" / "science"


@pytest.mark.parametrize("architecture", ["resnet", "deepid"])
def test_its_tables_are_made_of_the_results(architecture: str) -> None:
    expected = study_tables.results(study_tables.STUDY / architecture)
    assert expected in (SCIENCE / "study.md").read_text(), f"python docs/tooling/study_tables.py prints:\n{expected}"


@pytest.mark.parametrize("data", ["cifar10", "gtsrb"])
def test_so_are_those_of_other_peoples_networks(data: str) -> None:
    expected = study_tables.on_networks(study_tables.THIRD_PARTY, data)
    assert expected.count("\n") > 10
    assert expected in (SCIENCE / "third_party.md").read_text(), f"docs/tooling/study_tables.py prints:\n{expected}"
