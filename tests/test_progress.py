"""What a terminal shows while something takes its time: all that matters, however narrow it is."""

import io
import re

import pytest
from rich.console import Console
from rich.progress import Progress

from fineprune import progress
from fineprune.badnets.training import EpochRates
from fineprune.config import command_line
from fineprune.progress import bar, stage
from fineprune.training.fit import ProgressBar

LONG = "training the BadNet (synthetic_faces, multi_trigger_multi_target [all-to-all])"


def terminal(width: int, is_terminal: bool = True) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=is_terminal, color_system=None)


@pytest.fixture(params=[80, 120])
def console(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Console:
    console = terminal(request.param)
    monkeypatch.setattr(progress, "_console", lambda: console)
    return console


def shown(work: Progress, width: int) -> str:
    console = terminal(width)
    console.print(work.get_renderable())
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_a_long_description_is_cut_rather_than_percent_remaining_time_and_rates(console: Console) -> None:
    work = bar()
    task = work.add_task(LONG, total=100, status="loss 0.123  clean 98.1 %  lowest ASR 100.0 %")
    work.update(task, advance=40)
    text = shown(work, console.width)
    assert text.count("\n") == 1
    assert re.match("training .*… ━━━━ +40% -:--:-- loss 0.123  clean 98.1 %  lowest ASR 100.0 %\n", text)


def test_a_training_shows_what_was_measured_after_the_last_epoch_beside_the_loss(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = {"clean_test": 0.981, "eyebrows": 1.0, "lipstick": 0.7}
    monkeypatch.setattr("fineprune.badnets.training.measure", lambda *_: rates)
    epoch, training = EpochRates({}), ProgressBar(LONG, batches=4)
    training.on_train_begin()
    training.on_train_batch_end(0, {"loss": 2.0, "accuracy": 0.5})
    assert "loss 2.000  accuracy 50.0 %" in shown(training._bar, console.width)
    logs = {"loss": 1.0, "accuracy": 0.75}
    epoch.on_epoch_end(0, logs)
    training.on_epoch_end(0, logs)
    training.on_train_batch_end(0, {"loss": 0.5, "accuracy": 0.8})
    training.on_train_end()
    assert "50%" in shown(training._bar, console.width)
    assert "loss 0.500  clean 98.1 %  lowest ASR 70.0 %" in shown(training._bar, console.width)
    assert epoch.epochs == [rates]


def test_a_bar_is_shown_below_the_stage_that_it_belongs_to(console: Console) -> None:
    with stage("listing the steps"), bar() as work:
        work.add_task("learning masks", total=2)
        work.refresh()
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert text.index("listing the steps") < text.index("learning masks")


@pytest.mark.parametrize("quietly", [False, True])
def test_loading_tensorflow_is_a_stage_unless_the_run_is_quiet(console: Console, quietly: bool) -> None:
    command_line._load_tensorflow(quietly)
    assert ("loading TensorFlow" in console.file.getvalue()) != quietly  # type: ignore[attr-defined]


def test_nothing_is_shown_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    console = terminal(80, is_terminal=False)
    monkeypatch.setattr(progress, "_console", lambda: console)
    with stage("listing the steps"), bar() as work:
        work.advance(work.add_task("learning masks", total=2))
    assert console.file.getvalue() == ""  # type: ignore[attr-defined]
