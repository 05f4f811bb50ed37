"""Each error says what was expected, what was received and what to do; docs/reference/errors.md tells of every kind."""

import ast
import os
import re
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import hydra.errors
import pytest

from fineprune import errors
from fineprune.config import command_line
from fineprune.untrusted.vetting import vet

ROOT = Path(__file__).parents[2]
KINDS = [
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, Warning)
]
VALUE = "\x00"  # stands for whatever is filled in


def text(node: ast.expr) -> str:
    """A message as it stands in the source, VALUE for each part that is filled in."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(map(text, node.values))
    return VALUE


def raised() -> Iterator[tuple[str, str]]:
    """Where an error of ours is raised, and its message."""
    for package in ("fineprune", "strategies", "runners"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                    made = ast.unparse(node.exc.func)
                    if made in (*KINDS, "error") and node.exc.args:
                        yield f"{path.relative_to(ROOT)}:{node.lineno}", text(node.exc.args[0])


RAISED = dict(raised())


@pytest.mark.parametrize("where", RAISED)
def test_a_message_has_its_three_parts(where: str) -> None:
    expected, got, then = r"(expected |\x00 )", r"got ?", r"[:;?] ?.*\w"
    assert re.search(f"^{expected}.*{got}.+{then}", RAISED[where], re.DOTALL), RAISED[where]
    assert "\n" not in RAISED[where]


def listed() -> Iterator[tuple[str, str]]:
    """The kinds of errors and the examples in docs/reference/errors.md; warnings are no errors."""
    kind = ""
    for line in (ROOT / "docs" / "reference" / "errors.md").read_text().splitlines():
        if line.startswith("## "):
            kind = line.removeprefix("## ").partition(":")[0]
        elif kind != "Warnings" and line.startswith("|") and (example := re.match(r"\|[^|]*\| `(.*?)` \|", line)):
            yield kind, example[1]


def test_every_kind_of_error_is_listed() -> None:
    assert {kind for kind, _ in listed()} == set(KINDS)


@pytest.mark.parametrize(("kind", "example"), list(listed()))
def test_an_example_is_what_the_program_says(kind: str, example: str) -> None:
    for where, message in RAISED.items():
        pattern = ".*".join(map(re.escape, message.split(VALUE)))
        # Where the beginning is filled in, what remains has to be told from other messages.
        if re.fullmatch(pattern, example) and len(message.replace(VALUE, "")) > 20:
            path, number = where.split(":")
            made = (ROOT / path).read_text().splitlines()[int(number) - 1]
            assert f"raise {kind}(" in made or "raise error(" in made
            return
    raise AssertionError(f"nothing says: {example}")


BROKEN = """
from fineprune.config import command_line
def job(settings, folder):
    raise ValueError("a\\x1b]0;b http://me:s3cret@host/")
command_line.run(job, "sweep", tensorflow=False)
"""


@pytest.mark.end_to_end
def test_a_bug_keeps_its_traceback_which_cannot_steer_the_terminal_either(tmp_path: Path) -> None:
    run = [sys.executable, "-c", BROKEN, "hydra.run.dir=out"]
    paths = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(run, cwd=tmp_path, env=paths, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stderr.endswith("ValueError: a\\x1b]0;b http://***@host/\n")
    assert "\x1b" not in done.stderr and "s3cret" not in done.stderr
    assert "error: " not in done.stderr


def test_a_bug_in_the_process_that_reads_first_is_told_as_one(tmp_path: Path) -> None:
    (tmp_path / "a.h5").touch()
    with pytest.raises(RuntimeError, match="KeyError: 'no such kind'"):
        vet("no such kind", tmp_path / "a.h5", errors.DataError, "images")


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGXCPU", "SIGABRT"])
def test_a_crash_of_the_process_that_reads_first_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "a.h5").touch()
    ended = subprocess.CompletedProcess([], -signal.Signals[name], "", "")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: ended)
    with pytest.raises(errors.DataError) as error:
        vet("images", tmp_path / "a.h5", errors.DataError, "images")
    assert str(error.value) == (
        f"expected {tmp_path / 'a.h5'} to be readable in 10 seconds and 1,073,741,824 bytes of memory, got "
        f"'{signal.strsignal(signal.Signals[name])}' from the process that tried: get another copy"
    )


@pytest.mark.parametrize(
    "error",
    [
        errors.ModelError("a\x1bb\nc"),
        OSError(2, "gone", "a\x1bb\nc"),
        hydra.errors.HydraException("a\x1bb\nc"),
    ],
)
def test_whatever_ends_a_command_cannot_steer_the_terminal(error: Exception) -> None:
    line = command_line._line(error)
    assert line is not None and line.isprintable()
    assert r"a\x1bb c" in line


def test_a_library_s_warning_cannot_steer_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    monkeypatch.setattr(sys, "argv", ["sweep", "--nonsense"])
    with pytest.raises(SystemExit):
        command_line.run(lambda *_: None, "sweep")
    assert warnings.formatwarning("a\x1bb\nc", UserWarning, "", 0) == "warning: a\\x1bb c\n"


def test_what_a_stranger_s_file_says_cannot_steer_the_terminal() -> None:
    assert errors.line("a\x1b[31m\n\tb\u202e" + "é" * 9) == r"a\x1b[31m b\u202e" + "é" * 9
    assert len(errors.line("x" * 10**6)) == 301


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at http://me:s3cret@host:1/x, got", "at http://***@host:1/x, got"),
        ("https://s3cret@host", "https://***@host"),
        ("postgresql+psycopg://me:s3/c@ret@host/db", "postgresql+psycopg://***@host/db"),
        ("sqlite+pysqlcipher://:s3cret@/a.db", "sqlite+pysqlcipher://***@/a.db"),
        ("mysql://host/db?user=a&password=s3cret&b=1", "mysql://host/db?user=a&password=***&b=1"),
        ("postgresql://host/db?sslpassword=s3cret&b=1", "postgresql://host/db?sslpassword=***&b=1"),
        ("http://host/?access_token=s3cret", "http://host/?access_token=***"),
        ("sqlite:////home/me@here/mlflow.db", "sqlite:////home/me@here/mlflow.db"),
        ("me@here and http://host:80/a", "me@here and http://host:80/a"),
    ],
)
def test_no_password_in_an_address_is_shown(text: str, shown: str) -> None:
    assert errors.plain(text) == errors.without_secrets(text) == shown


def test_markdown_shows_a_stranger_s_text_as_it_is() -> None:
    shown = errors.markdown("<b> a|b \\ `c` [d](javascript:e) [1, 2] _f_")
    assert shown == "&lt;b> a\\|b \\\\ \\`c\\` [d]\\(javascript:e) [1, 2] _f_"


STOPPED = """
import os, signal, sys, time
from fineprune.config import command_line
def job(settings, folder):
    first, *others = os.environ["SIGNAL"].split()
    try:
        os.kill(os.getpid(), signal.Signals[first])
        time.sleep(0.1)
    finally:
        for other in others:
            os.kill(os.getpid(), signal.Signals[other])
            time.sleep(0.1)
            print("tidied up")
command_line.run(job, "badnets", tensorflow=False)
"""


def obeying() -> None:
    """What a shell starts in the background ignores SIGINT, and hands that on."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(signal.Signals[name], signal.SIG_DFL)


def stopped(folder: Path, name: str, first: Callable[[], object] = obeying) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "SIGNAL": name}
    return subprocess.run(
        [sys.executable, "-c", STOPPED],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=first,
    )


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
@pytest.mark.slow
def test_a_signal_ends_a_command_with_a_status_of_its_own_and_leaves_nothing(
    tmp_path: Path, name: str, status: int
) -> None:
    done = stopped(tmp_path, name)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "stopped\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("names", "status"), [("SIGINT SIGTERM", 130), ("SIGTERM SIGHUP", 143)])
@pytest.mark.slow
def test_another_signal_does_not_keep_it_from_tidying_up(tmp_path: Path, names: str, status: int) -> None:
    done = stopped(tmp_path, names)
    assert (done.returncode, done.stdout, done.stderr) == (status, "tidied up\n", "stopped\n")


def test_a_signal_that_nohup_ignores_stays_ignored(tmp_path: Path) -> None:
    done = stopped(tmp_path, "SIGHUP", lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    assert (done.returncode, done.stderr) == (0, "")
