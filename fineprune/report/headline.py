"""A sweep in a few figures: at each budget the rates of the GoodNet that a defender would end up with."""

from __future__ import annotations

from statistics import mean

from fineprune import names
from fineprune.data.split import CLEAN_TEST, CLEAN_VALID
from fineprune.names import ACCURACY, ASR, DER, GOODNET, PRUNED
from fineprune.sweeping import budgets
from fineprune.sweeping.metrics import of_net
from fineprune.sweeping.run import Sweep


def rates(sweep: Sweep, point: str) -> dict[str, float]:
    """Accuracy on clean_test, and ASR and DER as means over triggers, of the GoodNet at `point`, fine-tuned if any is.

    What was not measured is absent.
    """
    by_split = of_net(sweep.tuned_at(point) or sweep.at(sweep.points[point]), GOODNET)
    clean = [measured for name, measured in by_split.items() if name == CLEAN_TEST]
    measured = {ACCURACY: clean, ASR: list(by_split.values()), DER: list(by_split.values())}
    values = {rate: [split[rate] for split in splits if rate in split] for rate, splits in measured.items()}
    return {rate: mean(each) for rate, each in values.items() if each}


def metrics(sweep: Sweep) -> dict[str, float]:
    """The same at each point, as `asr_at_2_percent`, so that runs under unlike attacks share a column."""
    return {names.headline(rate, point): value for point in sweep.points for rate, value in rates(sweep, point).items()}


def text(sweep: Sweep) -> str:
    """Clean accuracy and ASR at the middle budget, as `clean 93.87, ASR 99.93 at 4 %`."""
    point = list(sweep.points)[len(sweep.points) // 2]
    figures = rates(sweep, point)
    if ACCURACY not in figures:
        pruned = of_net(sweep.tuned_at(point) or sweep.at(sweep.points[point]), PRUNED)
        figures[ACCURACY] = pruned[CLEAN_VALID][ACCURACY]
    shown = [
        f"{word} {100 * figures[rate]:.2f}" for rate, word in ((ACCURACY, "clean"), (ASR, "ASR")) if rate in figures
    ]
    return f"{', '.join(shown)} at {budgets.text(point)}"
