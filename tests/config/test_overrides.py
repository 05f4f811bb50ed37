"""What a user enters on the command line: what is taken as it was meant, and what is refused in one line of ours."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from settings import compose, listed

import fineprune
from fineprune.config.instantiate import flat, instantiate
from fineprune.config.overrides import readable
from fineprune.config.setup import named, save_settings
from fineprune.data import Data, sources
from fineprune.data.scaling import Scaling
from fineprune.data.split import Split
from fineprune.errors import ConfigError
from fineprune.tracking import Tracking

ROOT = Path(__file__).parents[2]
NAMES = [
    "my net.h5",
    "net (1).h5",
    "netz_ü.h5",
    "net,v2.h5",
    "it's.h5",
    "a=b.h5",
    "net[1].h5",
    'say "hi".h5',
    "a\\b'.h5",
]
TINY = ["data.identities=2", "data.train=1", "data.clean_valid=1", "data.clean_test=1"]


ENTER = """
import contextlib, io, json, sys
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from fineprune.config import command_line

def entered(config, arguments):
    def job(settings, folder):
        handed.update(OmegaConf.to_container(settings, throw_on_missing=True))
    handed, printed, status = {}, io.StringIO(), 0
    sys.argv = [config, *arguments, "hydra.run.dir=out"]
    with contextlib.redirect_stderr(printed):
        try:
            command_line.run(job, config, "folder" if config == "publish" else None, tensorflow=False)
        except SystemExit as ended:
            status = ended.code
    GlobalHydra.instance().clear()
    return status, printed.getvalue(), handed

json.dump([entered(*command) for command in json.load(sys.stdin)], sys.stdout)
"""


def enter(folder: Path, *commands: tuple[str, list[str]]) -> list[tuple[int, str, Any]]:
    """For each command, entered in `folder`, its exit status, what it prints, and the settings that its job gets."""
    done = subprocess.run(
        [sys.executable, "-c", ENTER],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        check=True,
    )
    return [tuple(ended) for ended in json.loads(done.stdout)]


@pytest.mark.slow
def test_a_path_is_taken_as_it_stands(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).touch()
    ended = enter(tmp_path, *(("sweep", ["badnet=h5", f"badnet.model={name}"]) for name in NAMES))
    assert [(status, printed, settings["badnet"]["model"]) for status, printed, settings in ended] == [
        (0, "", name) for name in NAMES
    ]


def test_a_comma_makes_a_grid_unless_it_is_in_the_name_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert readable(["-m", "badnet.model=a.h5,b.h5"]) == ["-m", "badnet.model=a.h5,b.h5"]
    (tmp_path / "a.h5,b.h5").touch()
    assert readable(["-m", "badnet.model=a.h5,b.h5"]) == ["-m", "badnet.model='a.h5,b.h5'"]


def test_what_hydra_can_read_stays_as_it_is() -> None:
    entered = ["strategy=anp", "budgets=[0.02,0.1]", "hydra.run.dir='a = b'", "data.clean_valid=null", "seed=3"]
    assert readable([*entered, "--config-dir", "mine", "--cfg", "job"]) == [*entered, *["--config-dir", "mine"], *CFG]
    assert readable(["-sc", "query=bash"]) == ["-sc", "query=bash"]


CFG = ["--cfg", "job"]


def test_a_plus_is_needed_nowhere_and_hurts_nowhere(tmp_path: Path) -> None:
    entered = ["data.poisoned.hat=hat.h5", "strategy=none", "seed=4"]
    signs = ("", "+", "++")
    for ended in enter(tmp_path, *(("sweep", ["data=h5", *(f"{sign}{one}" for one in entered)]) for sign in signs)):
        status, printed, settings = ended
        assert (status, printed) == (0, "")
        assert (settings["data"]["poisoned"], settings["seed"]) == ({"hat": "hat.h5"}, 4)
        assert settings["strategy"] == {"_target_": "strategies.controls.none.NoPruning"}
    assert readable(["+hydra.job.env_set.A=1"]) == ["+hydra.job.env_set.A=1"]


def test_a_value_alone_is_the_positional_setting(tmp_path: Path) -> None:
    (tmp_path / "a=b").mkdir()
    folders = ["outputs/it's", "a=b"]
    ended = enter(tmp_path, *(("publish", [folder]) for folder in folders))
    assert [(status, printed, settings["folder"]) for status, printed, settings in ended] == [
        (0, "", folder) for folder in folders
    ]


MISSPELT = "expected the name of a setting, got"
WRONG = {
    "stratgy=anp": f"{MISSPELT} 'stratgy': did you mean strategy? --help lists them",
    "+stratgy=anp": f"{MISSPELT} 'stratgy': did you mean strategy? --help lists them",
    "++stratgy=anp": f"{MISSPELT} 'stratgy': did you mean strategy? --help lists them",
    "strategy.chunks=3": f"{MISSPELT} 'strategy.chunks': did you mean strategy.chunk? --help lists them",
    "+strategy.chunks=3": f"{MISSPELT} 'strategy.chunks': did you mean strategy.chunk? --help lists them",
    "zzz=1": f"{MISSPELT} 'zzz': --help lists them",
    "schema=open_poisoned": f"{MISSPELT} 'schema': --help lists them",
    "strategy.epsilon=1": (
        "expected a setting of strategy=channel_activation, got 'strategy.epsilon': it is one of strategy=anp, cnp, "
        "fmp; set strategy too"
    ),
    "strategy=nonsense": f"expected strategy to be one of {listed('strategy')}, got 'nonsense': set one of those",
    "strategy=magnitude": (
        f"expected strategy to be one of {listed('strategy', 'magnitude_dense')}, got 'magnitude': did you mean "
        "strategy=magnitude_dense?"
    ),
    "finetune=null": f"expected finetune to be one of {listed('finetune')}, got 'null': set one of those",
    "tracking=false": "expected tracking to be one of mlflow, none, got 'false': set one of those",
    "architecture=1": f"expected architecture to be one of {listed('architecture')}, got '1': set one of those",
    "tracking=none.yaml": "expected tracking to be one of mlflow, none, got 'none.yaml': set one of those",
    "--multirun=3": (
        "expected flags that Hydra takes, got one that it does not, argument --multirun/-m: ignored explicit argument "
        "'3': --hydra-help lists them"
    ),
    "seed=1,2": (
        "expected one value of seed, got '1,2': add -m for a grid, write a list as 'seed=[1,2]', or text as "
        "seed=\"'1,2'\""
    ),
    "seed": "expected settings as KEY=VALUE, got 'seed': --help lists them",
    "=3": "expected settings as KEY=VALUE, got '=3': --help lists them",
    "~finetune": "expected settings as KEY=VALUE, got '~finetune': --help lists them",
    "--fast": "expected settings as KEY=VALUE, got '--fast': --help lists them",
    "badnet.model=netz_\udcfc.h5": (
        "expected settings in UTF-8, as files of settings are written, got 'badnet.model=netz_\\udcfc.h5': rename the "
        "file"
    ),
}


@pytest.mark.slow
def test_a_mistake_is_one_line_of_ours(tmp_path: Path) -> None:
    ended = enter(tmp_path, *(("sweep", [entered]) for entered in WRONG))
    expected = [(2, f"error: {line}\n", {}) for line in WRONG.values()]
    assert dict(zip(WRONG, ended, strict=True)) == dict(zip(WRONG, expected, strict=True))
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_no_file_can_have_is_a_setting_as_any() -> None:
    long = f"data.poisoned.{'p' * 300}=a.h5"
    assert readable([long]) == [long]


def test_a_choice_that_is_none_is_refused_in_a_grid_too() -> None:
    with pytest.raises(ConfigError, match=f"expected finetune to be one of {listed('finetune')}, got 'null'"):
        readable(["-m", "finetune=clean,null"])


def test_a_missing_setting_is_one_line_of_ours(tmp_path: Path) -> None:
    (ended,) = enter(tmp_path, ("publish", []))
    assert ended == (2, "error: expected folder, got none: set folder=VALUE; --help says what it is\n", {})


@pytest.mark.parametrize("scale", ["1/255", "1 / 255.0", "0.00392156862745098"])
def test_a_pixel_scale_may_be_a_fraction(scale: str) -> None:
    data: Data = instantiate(compose(*TINY, f"data.pixel_scale={scale}").data, Data)
    assert [split.scaling for split in data.splits.values()] == [Scaling(1 / 255)] * 2


def test_a_pixel_scale_may_be_a_fraction_in_a_file_of_settings_too() -> None:
    settings = OmegaConf.create("pixel_scale: 5/255")
    assert faces(settings.pixel_scale).scaling == Scaling(5 / 255)


@pytest.mark.parametrize("scale", [0, -1, 1e300, 1e-300, "0/255", "-1/255", "1/0", "1/2/3", True, "white"])
def test_any_other_pixel_scale_is_refused(scale: object) -> None:
    expected = "expected data.pixel_scale to be a number from 1e-6 to 1e6, such as 1 or 1/255, got "
    for make in (faces, lambda scale: sources.h5("a", scale)):
        with pytest.raises(ConfigError, match=expected):
            make(scale)


def faces(scale: object) -> Split:
    return sources.synthetic_faces("a", 2, 1, 1, 1, 0, scale).splits["clean_valid"]


@pytest.mark.parametrize(
    "entered",
    [
        ["tracking.uri=http://me:s3cret@host"],
        ["-m", "tracking.uri=http://me:s3cret@host", "seed=0,1"],
        ["-m", "tracking.uri=http://me:s3cret@host,http://host"],
        ["-m", "--config-dir=own", "tracking=named", "seed=0,1"],
        ["--config-dir=own", "tracking=named"],
    ],
)
@pytest.mark.slow
def test_a_password_among_the_settings_is_refused_before_anything_is_written(
    tmp_path: Path, entered: list[str]
) -> None:
    own = tmp_path / "own" / "tracking"
    own.mkdir(parents=True)
    (own / "named.yaml").write_text("experiment: a\nuri: postgresql://me:s3cret@host/db\n")
    ((status, printed, handed),) = enter(tmp_path, ("sweep", [*entered, "hydra.sweep.dir=out"]))
    assert (status, handed) == (2, {})
    assert printed.startswith("error: expected settings without passwords") and printed.count("\n") == 1
    assert "s3cret" not in printed
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


def test_a_password_in_the_environment_is_used_and_in_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:s3cret@host/db")
    settings = compose()
    save_settings(settings, tmp_path)
    assert flat(settings)["tracking.uri"] == "postgresql://***@host/db"
    assert "uri: postgresql://***@host/db\n" in (tmp_path / "config.yaml").read_text()
    assert "s3cret" in instantiate(settings.tracking, Tracking).uri


@pytest.mark.slow
def test_a_mistyped_file_of_one_s_own_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "own" / "tracking").mkdir(parents=True)
    tagged = b"!!python/object/apply:os.system ['touch pwned']"
    texts = [b"a: [", tagged, b"a: 1\n b: 2", b"a: 1\na: 2", b"\xff", b"a: " + b"[" * 3000, b"defaults: 5", b"a: *x"]
    for number, text in enumerate(texts):
        (tmp_path / "own" / "tracking" / f"mine_{number}.yaml").write_bytes(text)
    commands = [("sweep", ["--config-dir=own", f"tracking=mine_{number}"]) for number in range(len(texts))]
    for status, printed, handed in enter(tmp_path, *commands):
        assert (status, handed) == (2, {}), printed
        assert printed.startswith("error: ") and printed.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


@pytest.mark.parametrize(
    ("entered", "name"),
    [
        (["badnet=h5", "badnet.model=nets/suspect_3.h5"], "suspect_3"),
        (["badnet=h5", "badnet.weights=attack_result.pt"], "attack_result"),
        (["badnet=csaw_lab"], "csaw_lab"),
        (["badnet=trained"], "trained"),
    ],
)
def test_a_network_from_a_file_is_called_by_its_file(entered: list[str], name: str) -> None:
    assert named(compose(*entered).badnet, entered[0].partition("=")[2]) == name


def test_version_is_the_program_s(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "runners.sweep", "--version"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == fineprune.__version__
