"""The command `fineprune`: the same as `python -m runners.NAME`, whatever folders the user has."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commands import RUNNERS, Ended, run

COMMANDS = ["sweep", "compare", "study", "tune", "badnets", "train-badnet", "evaluate", "predict", "convert", "publish"]
HEAVY = {"tensorflow", "tf_keras", "mlflow", "h5py", "pandas", "matplotlib", "rich"}
# As an installer writes it.
SCRIPT = f"#!{sys.executable}\nimport sys\nfrom fineprune.runners.console import main\nsys.exit(main())\n"
COMPLETE = """
eval "$(fineprune -sc install=bash)"
COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=($1) COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
hydra_bash_completion 2>/dev/null
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """With the command on the path."""
    script = tmp_path_factory.mktemp("bin") / "fineprune"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    paths = os.pathsep.join([str(script.parent), os.environ["PATH"]])
    return os.environ | {"PATH": paths, "PYTHONPATH": str(RUNNERS)}


def call(environment: dict[str, str], folder: Path, *command: str) -> Ended:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return Ended(done.returncode, done.stdout, done.stderr)


def test_alone_it_lists_the_commands_a_line_each(environment: dict[str, str], tmp_path: Path) -> None:
    alone, helped = (call(environment, tmp_path, "fineprune", *arguments) for arguments in ([], ["--help"]))
    assert alone == helped
    assert (alone.status, alone.err) == (0, "")
    lines = [line.split() for line in alone.out.splitlines() if line.startswith("  ")]
    assert [words[0] for words in lines] == COMMANDS
    assert lines[0][1:] == "Prune a BadNet step by step and measure every step".split()


@pytest.mark.parametrize("arguments", [(), ("sweep", "--help")])
def test_the_list_and_the_help_of_a_command_load_nothing_heavy(
    environment: dict[str, str], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    traced = call(environment | {"PYTHONPROFILEIMPORTTIME": "1"}, tmp_path, "fineprune", *arguments)
    modules = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in traced.err.splitlines() if "|" in line}
    assert "fineprune" in modules
    assert not modules & (HEAVY | {"hydra", "numpy"})


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_its_runner(environment: dict[str, str], tmp_path: Path, command: str) -> None:
    ours = call(environment, tmp_path, "fineprune", command, "--cfg=job", *SETTINGS.get(command, []))
    theirs = run(tmp_path, command.replace("-", "_"), "--cfg=job", *SETTINGS.get(command, []))
    assert (ours.status, ours.err) == (0, "")
    assert ours == theirs


SETTINGS = {"publish": ["folder=a"], "predict": ["images=a"], "convert": ["out=a.h5"]}


def test_an_unknown_command_is_one_line(environment: dict[str, str], tmp_path: Path) -> None:
    ended = call(environment, tmp_path, "fineprune", "swep", "seed=1")
    assert ended.status == 2
    assert ended.err == (
        f"error: expected a command, one of {', '.join(COMMANDS)}, got 'swep': did you mean fineprune sweep?\n"
    )


@pytest.fixture
def hiding(tmp_path: Path) -> Path:
    """A folder whose own packages have the names of the program's."""
    for name in ("conf", "runners", "strategies"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    return tmp_path


def test_folders_of_the_user_hide_nothing_from_it(environment: dict[str, str], hiding: Path) -> None:
    ended = call(environment, hiding, "fineprune", "badnets", "hydra.run.dir=out")
    assert ended.err.startswith("error: expected cards of BadNets in models, got none")


def test_nor_settings_and_strategies_from_python_m(hiding: Path) -> None:
    """A folder `runners` would: Python looks for what it is to run where the user is."""
    shutil.rmtree(hiding / "runners")
    ended = run(hiding, "sweep", "tracking=none", "budgets=[2]", "hydra.run.dir=out")
    assert ended.err.startswith("error: expected budgets to be ")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("fineprune tr", ["train-badnet"]),
        ("fineprune sweep strat", ["strategy=", "strategy."]),
        ("fineprune sweep strategy=m", ["strategy=magnitude_dense", "strategy=mmbm"]),
        ("fineprune train-badnet attack=s", ["attack=sinusoidal", "attack=sunglasses"]),
        ("fineprune sweep strategy=anp strategy.it", ["strategy.iterations="]),
        ("fineprune swep strat", [""]),
    ],
)
def test_bash_completes_commands_choices_and_settings(
    environment: dict[str, str], tmp_path: Path, line: str, words: list[str]
) -> None:
    ended = call(environment, tmp_path, "bash", "--norc", "-c", COMPLETE, "bash", line)
    assert sorted(ended.out.splitlines()) == sorted(words)


def test_completion_loads_nothing_heavy(environment: dict[str, str], tmp_path: Path) -> None:
    asked = environment | {"COMP_LINE": "fineprune sweep strategy=", "PYTHONPROFILEIMPORTTIME": "1"}
    traced = call(asked, tmp_path, "fineprune", "-sc", "query=bash")
    assert "strategy=anp" in traced.out.split()
    modules = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in traced.err.splitlines() if "|" in line}
    assert not modules & HEAVY
