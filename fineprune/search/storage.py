"""Where Optuna keeps the trials of a search, so that several processes share them and the next goes on with them."""

from __future__ import annotations

import re
import sqlite3
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from fineprune.errors import ConfigError, TrackingError, line, plain

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import RDBStorage
    from sqlalchemy import URL

SQLITE = "sqlite:///"
# The only @ is that behind the user: another, or one in a query, would make a host of what belongs to a password.
ADDRESS = re.compile(r"(postgresql|mysql|mariadb)(\+\w+)?://(?=.)([^@?]*@)?[^@\s/]*(/[^@]*)?")
LIBPQ = ("postgresql", "postgresql+psycopg", "postgresql+psycopg2")
HEARTBEAT, SILENCE = 10, 60  # seconds between signs of life, and after which a trial elsewhere is taken for killed
PATIENCE = 60  # seconds for another process to leave an SQLite file alone
CONNECTING = 10  # seconds for a server to answer
ATTEMPTS = 3  # at making the tables, which processes that begin at once get into each other's way with
# What attributes of a study stand for that say nothing to a reader.
UNSHOWN = {"space": "the ranges", "sweep": "the network, images, code and settings", "code": "the code that judges"}


class Storage:
    """Optuna's storage at the address `url`. Raises ConfigError unless it is one, TrackingError if none is there."""

    def __init__(self, url: str) -> None:
        file = url.removeprefix(SQLITE)
        self._file = Path(file).absolute() if file and file != url else None
        self._address = _parsed(url) if self._file is None else _of_file(self._file)
        self._shown = plain(url) if self._file else _without_user(self._address)

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
                if (before := study.user_attrs.get(key, value)) != value:
                    had, got = (f"{UNSHOWN[key]} of", "others") if key in UNSHOWN else (f"{key} {before}, as", value)
                    raise ConfigError(
                        f"expected the search grid={name} to have {had} when it began, got {got}: set another "
                        "grid=NAME, or none"
                    )
                study.set_user_attr(key, value)
        return study

    @contextmanager
    def translated_errors(self, *others: type[Exception]) -> Iterator[None]:
        """Turn the errors of a database, and `others`, into a TrackingError of one line."""
        try:
            yield
        except (*_errors(), *others) as reason:
            raise TrackingError(
                f"expected a storage of Optuna's at {self._shown}, got: {self._said(reason)}; set tune.storage"
            ) from reason

    @contextmanager
    def warned_of_silence(self) -> Iterator[None]:
        """Have a warning of one line where Optuna's thread that sends signs of life ends by an error of the database.

        Python prints the traceback of a thread, and so what SQLAlchemy says of the address.
        """
        before, errors = threading.excepthook, _errors()

        def warn(about: threading.ExceptHookArgs) -> None:
            if about.exc_value is None or not isinstance(about.exc_value, errors):
                before(about)
                return
            said = self._said(about.exc_value)
            print(f"warning: other processes may take this trial for killed, got: {said}", file=sys.stderr, flush=True)

        threading.excepthook = warn
        try:
            yield
        finally:
            threading.excepthook = before

    def _said(self, reason: BaseException) -> str:
        """What a database or its driver says, with *** for users and passwords."""
        text = str(_cause(reason))
        query = [value for key, value in self._address.query.items() if re.search("user|pass", key)]
        for secret in filter(None, [self._address.password, *query]):
            text = text.replace(str(secret), "***")
        if self._address.username:
            text = re.sub(rf"(?<!\w){re.escape(self._address.username)}(?!\w)", "***", text)
        return line(re.sub(r"""(user|role) (["'])[^"']*\2""", r"\1 \2***\2", text))

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
        address = self._address.render_as_string(hide_password=False)
        how = {"poolclass": NullPool, "connect_args": {"timeout": PATIENCE} if self._file else {}}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return RDBStorage(
                address.replace("{", "{{").replace("}", "}}"),  # Optuna fills in what stands in braces
                how,
                heartbeat_interval=HEARTBEAT,
                grace_period=SILENCE,
                heartbeat_stale_trial_callback=lambda study, trial: study.enqueue_trial(trial.params),
            )


def _parsed(url: str) -> URL:
    """The address of a server. Raises ConfigError, which quotes no more of it than how it begins, where it is none."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    with suppress(ArgumentError, ValueError):  # of a port that is no number
        if ADDRESS.fullmatch(url):
            made = make_url(url)
            waiting = {"connect_timeout": str(CONNECTING)} if made.drivername in LIBPQ else {}
            return made.set(query={**waiting, **made.query})
    begins = re.split("[:@?]", url)[0]
    raise ConfigError(
        "expected tune.storage to be sqlite:///FILE or a database's address, such as postgresql+psycopg://HOST/NAME, "
        "with %40 for @ and %3F for ? in a user or a password, got "
        f"'{plain(begins)}{'' if begins == url else '…'}': set one of these"
    )


def _of_file(file: Path) -> URL:
    from sqlalchemy import URL

    return URL.create("sqlite", database=str(file))


def _without_user(address: URL) -> str:
    """`address` for a terminal, without its query, where passwords may stand too."""
    from sqlalchemy import URL

    bare = URL.create(address.drivername, host=address.host, port=address.port, database=address.database)
    return plain(str(bare).replace("://", "://***@" if address.username or address.password else "://", 1))


def _errors() -> tuple[type[Exception], ...]:
    """Those by which a database fails."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    return SQLAlchemyError, StorageInternalError, sqlite3.Error


def _cause(reason: BaseException) -> BaseException:
    """What a library's error began with: SQLAlchemy's own quote the statement."""
    while reason.__cause__ is not None:
        reason = reason.__cause__
    return reason
