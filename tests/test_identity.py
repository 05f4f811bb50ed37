"""Which code decides a result: all that it imports, but for comments, docstrings and what only reports."""

import re
from pathlib import Path

import pytest

from fineprune.attacks import MultiTriggerMultiTarget, Patch
from fineprune.badnets import trained
from fineprune.config import identity as of
from fineprune.identity import Source, code, decides, installed

ROOT = Path(__file__).parents[1]
TRAINED = ("fineprune.badnets.architectures", "fineprune.badnets.training", Patch.__module__)


def edited(**changes: str) -> Source:
    """The sources with text put at the end of some modules, whose dots are written as two underscores."""
    more = {name.replace("__", "."): text for name, text in changes.items()}

    def source(module: str) -> str | None:
        text = installed(module)
        return more.get(module) if text is None else text + more.get(module, "")

    return source


def run(strategy: str, source: Source = installed) -> tuple[str, str]:
    """The code of a run that trains nothing: what measures, and the strategy."""
    measuring = code("fineprune.sweeping.run", within=of.MEASURING, source=source)
    assert source(f"strategies.{strategy}")
    return measuring, code(f"strategies.{strategy}", source=source)


def training(source: Source = installed) -> str:
    return code(*TRAINED, within=trained.TRAINING, source=source)


@pytest.mark.parametrize("text", ["\n# a remark\n", '\n"""A remark."""\n', "\n\n\n"])
def test_comments_docstrings_and_blank_lines_do_not_count(text: str) -> None:
    modules = (
        "strategies__controls__none",
        "fineprune__sweeping__metrics",
        "fineprune__attacks__base",
        "fineprune__network__step",
    )
    source = edited(**dict.fromkeys(modules, text))
    assert (run("controls.none", source), training(source)) == (run("controls.none"), training())


def test_a_docstring_reworded_does_not_count() -> None:
    def source(module: str) -> str | None:
        text = installed(module)
        return text and text.replace("One step that keeps everything.", "Reworded.").replace('"""From ', '"""Of ')

    assert run("controls.none", source) == run("controls.none")


@pytest.mark.parametrize(
    "module",
    [
        "strategies__rankings__new",
        "strategies__weights__magnitude_dense",
        "fineprune__training__fit",
        "fineprune__report__run_folder",
        "fineprune__comparison__frame",
        "fineprune__tracking__publish",
        "fineprune__config__setup",
        "fineprune__untrusted__limits",
        "fineprune__badnets__trained",
    ],
)
def test_a_run_does_not_depend_on_other_strategies_reports_or_training_that_it_does_without(module: str) -> None:
    assert run("rankings.channel_activation", edited(**{module: "\nx = 1\n"})) == run("rankings.channel_activation")


@pytest.mark.parametrize(
    ("module", "strategy"),
    [
        ("strategies__rankings__channel_activation", "rankings.channel_activation"),
        ("fineprune__strategy", "rankings.channel_activation"),
        ("fineprune__network__network", "rankings.channel_activation"),
        ("fineprune__evaluation__rounding", "rankings.channel_activation"),
        ("fineprune__sweeping__budgets", "rankings.channel_activation"),
        ("fineprune__sweeping__metrics", "rankings.channel_activation"),
        ("fineprune__data__split", "rankings.channel_activation"),
        ("fineprune__goodnet", "rankings.channel_activation"),
        ("fineprune__training__sparsity", "weights.magnitude_dense"),
        ("fineprune__training__fit", "weights.magnitude_dense"),
    ],
)
@pytest.mark.slow
def test_a_run_depends_on_its_strategy_and_on_what_measures_it(module: str, strategy: str) -> None:
    assert run(strategy, edited(**{module: "\nx = 1\n"})) != run(strategy)


@pytest.mark.parametrize(
    "part",
    [
        "attacks__base",
        "attacks__patch",
        "attacks__poisoning",
        "badnets__architectures",
        "badnets__pruning_aware",
        "badnets__training",
        "data__split",
        "training__fit",
    ],
)
def test_a_badnet_depends_on_all_that_trains_it(part: str) -> None:
    assert training(edited(**{f"fineprune__{part}": "\nx = 1\n"})) != training()


@pytest.mark.parametrize("part", ["attacks__warp", "evaluation__rounding", "sweeping__metrics", "badnets__cards"])
def test_a_badnet_does_not_depend_on_other_attacks_nor_on_what_measures_it(part: str) -> None:
    assert training(edited(**{f"fineprune__{part}": "\nx = 1\n"})) == training()


def test_an_attack_depends_on_the_triggers_that_it_is_made_of() -> None:
    attack = MultiTriggerMultiTarget.__module__
    for part in ("attacks__faces", "attacks__lipstick"):
        assert code(attack, source=edited(**{f"fineprune__{part}": "\nx = 1\n"})) != code(attack)


@pytest.mark.parametrize(
    "text",
    [
        "import mine.helper",
        "from mine import helper",
        "from mine.helper import f",
        "from . import helper",
        "from .helper import f",
        "def g():\n    from mine.helper import f",
    ],
)
def test_a_strategy_from_elsewhere_depends_on_its_own_package(text: str) -> None:
    def source(helper: str) -> Source:
        return {"mine": "", "mine.strategy": text, "mine.helper": helper, "mine.other": helper}.get

    assert code("mine.strategy", source=source("f = 1")) != code("mine.strategy", source=source("f = 2"))
    assert code("mine.strategy", source=source("f = 1")) == code("mine.strategy", source=source("f = 1  # one"))


def test_a_strategy_is_the_same_from_a_wheel() -> None:
    for part in ("controls.none", "weights.tsbd"):
        assert code(f"fineprune.strategies.{part}") == code(f"strategies.{part}") != code("fineprune.strategies")


def test_the_code_of_an_installed_strategy_counts_that_it_imports() -> None:
    module = "my_defence.strategy"
    assert code(module, source=edited(my_defence__idleness="\nx = 1\n")) != code(module)
    assert code(module, source=edited(my_defence__attack="\nx = 1\n")) == code(module)


@pytest.mark.parametrize("folder", ["strategies", "runners"])
def test_what_a_wheel_renames_imports_nothing_by_its_old_name(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        assert not re.search(r"^\s*(from|import) (conf|runners|strategies)\b", path.read_text(), re.MULTILINE), path


def test_where_things_lie_decides_nothing() -> None:
    places = ["tracking", "tracking.uri", "grid", "badnet.cache", "data.root"]
    assert not any(map(decides, places))
    assert all(map(decides, ["seed", "badnet.epochs", "data.name", "strategy.chunk", "budgets", "tracked"]))
