"""What a sweep leaves behind in Python: `fineprune.sweep()` returns it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
import tf_keras as keras
from matplotlib.figure import Figure

from fineprune import names
from fineprune.errors import ConfigError
from fineprune.goodnet import GoodNet
from fineprune.report.curve import curve
from fineprune.sweeping import budgets
from fineprune.sweeping.run import Sweep


@dataclass(frozen=True)
class Result:
    """A finished sweep. A budget is given as it was to the sweep, or as it stands in `chosen`: 0.04 or "4 %"."""

    sweep: Sweep
    title: str

    def __repr__(self) -> str:
        return f"<{self.title}: {len(self.table) - 1} steps; {', '.join(self._points)}>"

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a step, from the untouched BadNet on: the columns of `performance.csv`."""
        return self.sweep.table.copy()

    @cached_property
    def chosen(self) -> pd.DataFrame:
        """One row a budget: the step that it leads to, how much is pruned there, and the rates, DER included.

        `reached` says whether a step falls by the budget; where none does, the row is that of the last. Rates of
        fine-tuned nets stand beside the others, as `clean_test/finetuned_accuracy`.
        """
        rows = {
            text: {names.REACHED: self.sweep.chosen.get(point) is not None}
            | self.sweep.at(self.sweep.points[point])
            | names.tuned(self.sweep.tuned_at(point))
            for text, point in self._points.items()
        }
        table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("budget")
        return table.astype({"step": int, "pruned": int, "total": int})

    @cached_property
    def aftermath(self) -> pd.DataFrame:
        """What became of each net, before and after each stage of `aftermath`: the columns of `aftermath.csv`."""
        return self.sweep.aftermath

    def pruned(self, budget: float | str) -> keras.Model:
        """The pruned net at `budget`. Raises ConfigError where the sweep has no such budget."""
        return self.sweep.nets[names.net_at(names.PRUNED, self._point(budget))]

    def finetuned(self, budget: float | str) -> keras.Model:
        """What fine-tuning made of it. Raises ConfigError where the sweep has no such budget, or did not fine-tune."""
        point = self._point(budget)
        if point not in self.sweep.tuned:
            raise ConfigError('expected a sweep that fine-tunes, got one without: sweep with finetune="clean"')
        return self.sweep.nets[names.net_at(names.TUNED[names.PRUNED], point)]

    def goodnet(self, budget: float | str) -> GoodNet:
        """The GoodNet that the BadNet makes with the pruned net at `budget`."""
        return GoodNet(self.sweep.nets[names.BADNET], self.pruned(budget))

    def plot(self) -> Figure:
        """Clean accuracy and ASR against how much is pruned: the picture `curve.png` of a run folder."""
        return curve(self.sweep, self.title)

    @property
    def _points(self) -> dict[str, str]:
        """The points of the sweep, by what a person calls them."""
        return {budgets.text(point): point for point in self.sweep.points}

    def _point(self, budget: Any) -> str:
        wanted = budgets.fraction(budget)
        if isinstance(wanted, int | float):
            wanted = budgets.text(budgets.name(wanted))
        if wanted not in self._points:
            raise ConfigError(
                f"expected a budget of this sweep, one of {', '.join(self._points)}, got {budget!r}: name one of those"
            )
        return self._points[wanted]
