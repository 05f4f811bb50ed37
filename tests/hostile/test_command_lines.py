"""Hundreds of plausible mistakes on the command line: each ends in one line and status 2, none in a traceback."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from nets import saved, tiny
from samples import pictures, write_h5
from settings import GROUPS

from fineprune.config.choices import choices
from fineprune.config.reference import groups, settings

ROOT = Path(__file__).parents[2]
Command = tuple[str, list[str]]

# What would train or sweep ends instead: as far as that, the settings were fit to be used.
ENTER = """
import contextlib, importlib, io, json, sys, warnings
import fineprune
import tf_keras
from hydra.core.global_hydra import GlobalHydra
from fineprune.badnets.trained import Trained
from fineprune.config import command_line, grids

class Fit(BaseException):
    pass

def fit(*_, **__):
    raise Fit

Trained.obtain = Trained.images = fit
importlib.import_module("fineprune.sweeping.run").run = importlib.import_module("runners.study").run = fit
importlib.import_module("fineprune.search.run").prepare = fit
runners = {name: getattr(importlib.import_module(f"runners.{name}"), name) for name in json.loads(sys.argv[1])}

def entered(runner, arguments):
    printed, status = io.StringIO(), 0
    sys.argv = [runner, *arguments]
    with contextlib.redirect_stderr(printed), contextlib.redirect_stdout(printed):
        try:
            command_line.run(runners[runner], runner, "folder" if runner == "publish" else None, tensorflow=False)
        except SystemExit as ended:
            status = ended.code
        except Fit:
            status = "fit"
        except BaseException as bug:
            status = repr(bug)[:300]
    GlobalHydra.instance().clear()
    grids.Multirun.begun = None
    return status, printed.getvalue()

json.dump([entered(*command) for command in json.load(sys.stdin)], sys.__stdout__)
"""

RUNNERS = ["sweep", "compare", "study", "tune", "badnets", "train_badnet", "evaluate", "predict", "publish"]
H5 = ["badnet=h5", "badnet.model=net.h5", "data=h5", "data.clean_valid=images.h5"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("entered")
    saved(tiny(), made / "net.h5")
    write_h5(made / "images.h5", pictures(12), [number % 5 for number in range(12)])
    (made / "text.h5").write_text("not HDF5")
    (made / "empty.h5").touch()
    (made / "folder").mkdir()
    return made


def enter(folder: Path, commands: list[Command]) -> list[tuple[Command, object, str]]:
    """Each command with its exit status, or how else it ended, and what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", ENTER, json.dumps(RUNNERS)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/none/mlflow.db"},
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        check=True,
    )
    return [(command, *ended) for command, ended in zip(commands, json.loads(done.stdout), strict=True)]


def check(ended: list[tuple[Command, object, str]]) -> None:
    """Every command ended in one line and status 2."""
    wrong = [
        (command, status, printed)
        for command, status, printed in ended
        if not (status == 2 and printed.startswith("error: ") and printed.count("\n") == 1)
    ]
    assert not wrong, "\n".join(f"{command}: {status}: {printed[-300:]!r}" for command, status, printed in wrong)


def misspelt(word: str, draw: Random) -> str:
    """`word` as hasty fingers write it."""
    place = draw.randrange(len(word))
    return draw.choice(
        [
            word[:place] + word[place + 1 :],
            word[:place] + word[place] + word[place:],
            word[: place + 1][::-1] + word[place + 1 :],
            word.replace("_", "-") + ("s" if "_" not in word else ""),
            word.upper(),
            f"{word}.yaml",
            f"{word} ",
        ]
    )


def wrong_choices(draw: Random) -> Iterator[Command]:
    for group in GROUPS:
        names = choices(group)
        odd = ["null", "true", "False", "1", "-0.5", "''", "../sweep", "a/b", "a b", "{a: 1}", "[1]"]
        typos = [misspelt(name, draw) for name in draw.sample(names, min(4, len(names)))]
        odd += ["[]", "{}"] if group != "aftermath" else []
        for value in [*odd, *(typo for typo in typos if typo.strip() not in names)]:
            yield "sweep", [f"{group}={value}"]


def wrong_keys(draw: Random) -> Iterator[Command]:
    for group in GROUPS:
        for name in choices(group):
            own = [setting.name for setting in settings(f"{group}/{name}")]
            for key in draw.sample(own, min(1, len(own))):
                others = [other for other in choices(group) if other != name]
                yield "sweep", [f"{group}={draw.choice(others)}", f"{misspelt(key, draw).strip()}x=1"]
    for runner in RUNNERS:
        for setting in settings(runner):
            yield runner, [f"{setting.name}s.x=1"]
        for group in groups(runner):
            yield runner, [f"{group.name}z=1"]
    for source, key in (
        *(("h5", key) for key in ("epochs", "batch_size", "learning_rate", "cache")),
        *(("trained", key) for key in ("model", "weights")),
    ):
        yield "sweep", [f"badnet={source}", f"badnet.{key}=1"]
    for source, key in (("h5", "identities"), ("synthetic_faces", "root"), ("csaw", "valid_share"), ("npz", "seed.a")):
        yield "sweep", [f"data={source}", f"data.{key}=1"]


QUOTING = [
    *("seed='", 'seed="', "strategy='anp", "budgets=[0.1", "budgets=[0.1]]", "budgets=0.1]", "budgets=[0.1,,0.2]"),
    *("budgets={0.1}", "budgets=(0.1)", "budgets='[0.1]'", "data.poisoned.a b=x", "data.poisoned.=x", "=", "==", ""),
    *(" ", "strategy", "strategy=anp,", "strategy=,", "+", "++", "~", "~seed", "~strategy", "~strategy.chunk"),
    *("seed=$(date)", "seed=${oc.env:NOPE}", "seed=${nothing}", "seed=${seed}", "seed=${", "seed=???", "seed:3"),
    *("seed 3", "–seed=3", "seed=3\nstrategy=anp", "seed=\x1b[31m", "seed=ü", "séed=3", "seed=1,2", "seed=range(1,3)"),
    *("seed=glob(*)", "strategy=glob(*)", "strategy@x=anp", "strategy@=anp", "@strategy=anp", "seed@a=3", "a.b.c=1"),
    *("strategy.=1", ".seed=1", "seed.=1", "strategy..chunk=1", "strategy.chunk.=1", "strategy[chunk]=1", "seed=[1"),
    *("strategy._target_=os.system", "+strategy._target_=os.system", "strategy={_target_: os.system}"),
    *(
        "strategy._partial_=true",
        "+strategy._args_=[1]",
        "hydra.nothing=1",
        "+hydra.job=1",
        "hydra=1",
        "hydra/launcher=x",
    ),
    *("hydra.run.dir=[1]", "hydra.job.chdir=x", "hydra.mode=x", "hydra.run=1"),
]
FLAGS = [
    *(["--seed=3"], ["--seed", "3"], ["-s", "3"], ["--strategy", "anp"], ["-x"], ["--verbose"], ["--dry-run"], ["-"]),
    *(["--cfg=nothing"], ["--cfg"], ["--info=nothing"], ["--config-name=nothing"], ["--config-name", "../x"]),
    *(["--config-path=nowhere"], ["--config-dir=nowhere"], ["--config-dir=net.h5"], ["--resolve"]),
    *(["--experimental-rerun"], ["-m", "--fast"], ["--", "seed=x"], ["--multirun=3"]),
    *(["seed=x", "--fast", "strategy=anp"], ["-c", "nothing"], ["-p"], ["-cn"], ["-cd"], ["--version=1"], ["--shell"]),
]


def test_wrong_choices(folder: Path) -> None:
    check(enter(folder, list(wrong_choices(Random(0)))))  # noqa: S311


def test_wrong_keys(folder: Path) -> None:
    check(enter(folder, list(wrong_keys(Random(1)))))  # noqa: S311


def test_odd_quoting_and_unknown_flags(folder: Path) -> None:
    commands = [[entered] for entered in QUOTING] + FLAGS
    check(enter(folder, [("sweep", command) for command in commands]))


PATHS = [
    "nowhere.h5",
    "folder",
    "",
    ".",
    "/",
    "/dev/null",
    "~/none.h5",
    "text.h5",
    "empty.h5",
    "images.h5/a",
    "a\0b.h5",
    "x" * 5000,
]


def test_bad_paths(folder: Path) -> None:
    keys = ["badnet.model", "data.clean_valid", "data.poisoned.hat", "data.root"]
    entered = [("sweep", [*H5, f"{key}={path}"]) for key in keys for path in PATHS if (key, path) not in FINE]
    entered += [("evaluate", [*H5, f"pruned={path}"]) for path in PATHS]
    entered += [("evaluate", [*H5, f"goodnet={path}"]) for path in PATHS]
    entered += [("predict", ["badnet.model=net.h5", "pruned=net.h5", f"images={path}"]) for path in PATHS]
    entered += [("publish", [path]) for path in PATHS if path != "/"]  # which has runs of whoever else tests here
    entered += [("sweep", ["data=image_folder", f"data.root={path}"]) for path in PATHS]
    entered += [("sweep", [*H5, f"data={kind}", f"data.clean_valid={path}"]) for kind in ("npz",) for path in PATHS]
    check(enter(folder, entered))


FINE = {("data.root", path) for path in ("", ".")}
