"""What a search found, where its storage is gone by then."""

import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fineprune.errors import TrackingError
from fineprune.search.result import Found
from fineprune.search.storage import Storage


def test_a_storage_that_is_gone_at_the_end_is_one_line(tmp_path: Path) -> None:
    storage = Storage(f"sqlite:///{tmp_path}/optuna.db")
    study = storage.study("mine", {})
    with sqlite3.connect(tmp_path / "optuna.db") as store:
        store.execute("drop table trials")
    search: Any = SimpleNamespace(asked=SimpleNamespace(storage=storage))
    with pytest.raises(TrackingError, match=r"^expected a storage of Optuna's at .*, got: no such table: trials; set"):
        Found(search, study)
