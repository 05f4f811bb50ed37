"""Where trials are kept: what is no such place, and what of its address is shown."""

import socket
import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from fineprune.errors import ConfigError, FinepruneError, TrackingError
from fineprune.search.storage import Storage

pytestmark = pytest.mark.slow

NOBODY = "127.0.0.1:1"  # where no server is


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("optuna.db", ConfigError, "expected tune.storage to be sqlite:///FILE or a database's address, such as "),
        ("sqlite:///", ConfigError, "got 'sqlite…': set one of these"),
        ("postgresql+psycopg://h:abc/x", ConfigError, "got 'postgresql+psycopg…': set one of these"),
        ("sqlite:///damaged.db", TrackingError, "at sqlite:///damaged.db, got: file is not a database; set tune.stor"),
        ("postgresql+psycopg://127.0.0.1:1/none", TrackingError, "got: connection failed: "),
        ("postgresql+nothing://127.0.0.1/none", TrackingError, "got: Can't load plugin: "),
    ],
)
def test_a_storage_that_is_none_is_said(
    url: str, error: type[Exception], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "damaged.db").write_text("not a database, and long enough to be taken for one" * 40)
    with pytest.raises(error) as said:
        Storage(url).check()
    assert message in str(said.value) and "\n" not in str(said.value)


def test_a_file_that_is_no_storage_of_optuna_s_is_said(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "optuna.db") as store:
        store.execute("create table studies (study_id integer)")
    with pytest.raises(
        TrackingError,
        match=r"^expected a .* at sqlite:///.*, got: table studies has no column named \w+; set tune.storage$",
    ):
        Storage(f"sqlite:///{tmp_path}/optuna.db").study("mine", {})


def test_checking_makes_no_file(tmp_path: Path) -> None:
    Storage(f"sqlite:///{tmp_path}/new/optuna.db").check()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+psycopg://bob:hush hush@{NOBODY}/x",
        f"postgresql+psycopg://bob:hu@sh@{NOBODY}/x",
        f"postgresql+psycopg://bob:hu@s/h@{NOBODY}/x",
        f"postgresql+psycopg://{NOBODY}/x?user=bob&password=hush&sslpassword=hush",
        f"postgresql+psycopg://{NOBODY}/x?user=bob&password=hu@sh",
        "postgresql+psycopg://bob:hush@h:abc/x",
        "postgres://bob:hush hush@h/x",
        "bob:hush@h/x",
    ],
)
def test_no_message_shows_a_password(url: str) -> None:
    with pytest.raises(FinepruneError) as said:
        Storage(url).check()
    assert not [part for part in ("hush", ":hu", "=hu", "sh@", "s/h", "'sh'") if part in str(said.value)]


def test_a_message_shows_server_and_database() -> None:
    with pytest.raises(TrackingError, match=rf"at postgresql\+psycopg://\*\*\*@{NOBODY}/x, got: connection failed: "):
        Storage(f"postgresql+psycopg://bob:hush@{NOBODY}/x?sslmode=disable").check()


@pytest.mark.parametrize("cause", ['FATAL: role "ann" does not exist', "Access denied for user 'ann'@'h' (p@ss, bob)"])
def test_what_a_server_says_of_users_and_passwords_is_not_shown(cause: str) -> None:
    storage = Storage("postgresql+psycopg://bob:p%40ss@h/x")
    with pytest.raises(TrackingError) as said, storage.translated_errors():
        raise OperationalError("select", {}, Exception()) from Exception(cause)
    assert not [secret for secret in ("ann", "p@ss", "bob") if secret in str(said.value)]


def test_a_file_may_have_any_name(tmp_path: Path) -> None:
    file = tmp_path / "what? {c} %40 #1" / "optuna.db"
    storage = Storage(f"sqlite:///{file}")
    storage.study("mine", {})
    storage.check()
    assert file.exists() and [path.name for path in tmp_path.iterdir()] == [file.parent.name]


def test_a_password_may_have_braces() -> None:
    with pytest.raises(TrackingError, match=r"at postgresql\+psycopg://\*\*\*@127.0.0.1:1/x, got: connection failed"):
        Storage(f"postgresql+psycopg://bob:{{c}}@{NOBODY}/x").study("mine", {})


def test_a_server_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fineprune.search.storage.CONNECTING", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        later = threading.Timer(20, silent.close)
        later.start()
        with pytest.raises(TrackingError, match="connection timeout expired"):
            Storage(f"postgresql+psycopg://127.0.0.1:{silent.getsockname()[1]}/x").check()
        later.cancel()


def test_a_sign_of_life_that_fails_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def beat(error: Exception) -> None:
        raise error from Exception("hush is wrong")

    storage, bug, bugs = Storage("postgresql+psycopg://bob:hush@h/x"), ValueError("a bug"), list[object]()
    monkeypatch.setattr("threading.excepthook", lambda about: bugs.append(about.exc_value))
    before = threading.excepthook
    with storage.warned_of_silence():
        for error in (OperationalError("insert", {}, Exception()), bug):
            thread = threading.Thread(target=beat, args=(error,))
            thread.start()
            thread.join()
    assert threading.excepthook is before and bugs == [bug]
    assert capsys.readouterr().err == "warning: other processes may take this trial for killed, got: *** is wrong\n"
