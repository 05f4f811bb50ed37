"""The study's page says what the study measured: its tables are those that the kept results make."""

from pathlib import Path

import pytest
import study_tables

PAGE = Path(__file__).parents[2] / "docs" / "science" / "study.md"


@pytest.mark.parametrize("architecture", ["resnet", "deepid"])
def test_its_tables_are_made_of_the_results(architecture: str) -> None:
    expected = study_tables.results(study_tables.STUDY / architecture)
    assert expected in PAGE.read_text(), f"python docs/tooling/study_tables.py prints:\n{expected}"
