"""Where Optuna keeps the trials of a search, so that several processes share them and the next goes on with them."""

from __future__ import annotations

import re
import sqlite3
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from fineprune.errors import ConfigError, TrackingError, line, plain

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import RDBStorage
    from sqlalchemy import URL

SQLITE = "sqlite:///"
ADDRESS = re.compile(rf"{SQLITE}.|(postgresql|mysql|mariadb)(\+\w+)?://.")
HEARTBEAT, SILENCE = 10, 60  # seconds between signs of life, and after which a trial elsewhere is taken for killed
PATIENCE = 60  # seconds for another process to leave an SQLite file alone
ATTEMPTS = 3  # at making the tables, which processes that begin at once get into each other's way with


class Storage:
    """Optuna's storage at the address `url`. Raises ConfigError unless it is one, TrackingError if none is there."""

    def __init__(self, url: str) -> None:
        if not ADDRESS.match(url):
            raise ConfigError(
                "expected tune.storage to be sqlite:///FILE or a database's address, such as "
                f"postgresql+psycopg://HOST/NAME, got '{plain(url)}': set one of these"
            )
        self.url = url
        self._file = Path(url.removeprefix(SQLITE)).absolute() if url.startswith(SQLITE) else None

    def check(self) -> None:
        """Raise TrackingError unless the database can be reached; of a file that is not there yet nothing is made."""
        from sqlalchemy import create_engine

        with self.translated_errors(ImportError):  # of the database's driver
            if self._file is None:
                engine = create_engine(self._address)
                engine.connect().close()
                engine.dispose()
            elif self._file.exists():
                with closing(sqlite3.connect(self._file, timeout=PATIENCE)) as store:
                    store.execute("SELECT count(*) FROM sqlite_master")

    def study(self, name: str, about: Mapping[str, Any]) -> Study:
        """The study of that name, to be maximised, made if it is missing, and with the attributes `about`.

        Raises ConfigError where there is one whose attributes are others.
        """
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with self.translated_errors(RuntimeError):  # the tables of another Optuna
            study = optuna.create_study(
                storage=self._open(), study_name=name, direction="maximize", load_if_exists=True
            )
            for key, value in about.items():
                if study.user_attrs.get(key, value) != value:
                    raise ConfigError(
                        f"expected the search grid={name} to have {key} {study.user_attrs[key]}, as when it began, got "
                        f"{value}: set another grid=NAME, or none"
                    )
                study.set_user_attr(key, value)
        return study

    @contextmanager
    def translated_errors(self, *others: type[Exception]) -> Iterator[None]:
        """Turn the errors of a database, and `others`, into a TrackingError of one line."""
        from optuna.exceptions import StorageInternalError
        from sqlalchemy.exc import SQLAlchemyError

        errors: tuple[type[Exception], ...] = (SQLAlchemyError, StorageInternalError, sqlite3.Error, *others)
        try:
            yield
        except errors as reason:
            raise TrackingError(
                f"expected a storage of Optuna's at {plain(self.url)}, got: {line(_cause(reason))}; set tune.storage"
            ) from reason

    @property
    def _address(self) -> str | URL:
        return self.url if self._file is None else f"{SQLITE}{self._file}"

    def _open(self) -> RDBStorage:
        from sqlalchemy.exc import SQLAlchemyError

        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self._file.with_suffix(".lock")):
                return self._made()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._made()
            except SQLAlchemyError:
                if attempt == ATTEMPTS:
                    raise
                time.sleep(attempt)
        raise AssertionError  # not reached

    def _made(self) -> RDBStorage:
        from optuna.exceptions import ExperimentalWarning
        from optuna.storages import RDBStorage
        from sqlalchemy.pool import NullPool

        # Connections are closed after each use: none is left open, or found dead after a long trial.
        how = {"poolclass": NullPool, "connect_args": {"timeout": PATIENCE} if self._file else {}}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return RDBStorage(
                str(self._address),
                how,
                heartbeat_interval=HEARTBEAT,
                grace_period=SILENCE,
                heartbeat_stale_trial_callback=lambda study, trial: study.enqueue_trial(trial.params),
            )


def _cause(reason: BaseException) -> BaseException:
    """What a library's error began with: SQLAlchemy's own quote the statement."""
    while reason.__cause__ is not None:
        reason = reason.__cause__
    return reason
