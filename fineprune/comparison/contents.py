"""Everything that a comparison reports, computed once for the files, the page and the terminal."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial

import pandas as pd
from matplotlib.figure import Figure

import fineprune
from fineprune.comparison import areas, figures, ranking
from fineprune.comparison.figure_style import looks, svg
from fineprune.comparison.frame import PRICE, tidy
from fineprune.comparison.lasting import lasting
from fineprune.comparison.removal import ASR, Bar, removal
from fineprune.comparison.sensitivity import sensitivity, strips
from fineprune.comparison.verdict import Verdict, verdicts
from fineprune.names import FRACTION_PRUNED, UNTOUCHED
from fineprune.report.palette import Look
from fineprune.sweeping.budgets import END
from fineprune.tracking.read import FinishedSweep

RUN = ["method", "attack", "seed", "data", "run"]
ASRS = [ASR, f"{ASR}_low", f"{ASR}_high"]


@dataclass(frozen=True)
class Drawing:
    """A picture to be drawn on demand: its file's name, its title, and `alt`, its text alternative.

    `attack` is the one that it is about, if it is about one.
    """

    name: str
    title: str
    alt: str
    draw: Callable[[], Figure]
    attack: str = ""

    @cached_property
    def svg(self) -> str:
        """As SVG for a light background."""
        return svg(self.draw)


@dataclass(frozen=True)
class Comparison:
    """Finished sweeps side by side; `source` says which they are.

    `bar` says when a backdoor counts as removed, `command` how this comparison is made again.
    """

    runs: Sequence[FinishedSweep]
    source: str
    bar: Bar = field(default_factory=Bar)
    command: str = ""

    @cached_property
    def results(self) -> pd.DataFrame:
        """The tidy frame; see `frame.COLUMNS`."""
        return tidy(self.runs)

    @cached_property
    def counts(self) -> list[str]:
        """How much is compared: runs, methods, attacks and seeds, as `8 runs`."""
        counted = {name: self.results[name].nunique() for name in ("method", "attack", "seed")}
        numbers = {"run": len(self.runs)} | counted
        return [f"{number} {name}{'' if number == 1 else 's'}" for name, number in numbers.items()]

    @cached_property
    def removal(self) -> pd.DataFrame:
        """Where the backdoor is gone: a row for each method, attack and point."""
        return removal(self.results, self.bar)

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """The answer at each point."""
        return verdicts(self.results, self.bar)

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables that have rows, by the name of their files; rates are fractions in [0, 1]."""
        pairs = [verdict.tests.pairs.assign(point=verdict.point) for verdict in self.verdicts]
        tables = {
            "runs": self.results[self.results["method"] != UNTOUCHED][RUN].drop_duplicates(),
            "removal": self.removal,
            "ranking": ranking.overall(self.results),
            "attacks": ranking.per_attack(self.results),
            "pairs": pd.concat(pairs, ignore_index=True) if pairs else pd.DataFrame(),
            "areas": areas.mean_areas(areas.areas(self.runs, self.results)),
            "sensitivity": sensitivity(self.results),
            "aftermath": lasting(self.runs),
            "oracles": ranking.oracles(self.results),
            "unattacked": ranking.unattacked(self.results),
            "not_applicable": ranking.not_applicable(self.results),
        }
        return {name: table for name, table in tables.items() if len(table)}

    @cached_property
    def about(self) -> dict[str, str]:
        """What was compared, with which version, when, and by which command; empty where that is not known."""
        tags = {name: sorted({run.tags.get(name, "") for run in self.runs}) for name in ("data", "architecture")}
        return {name: ", ".join(filter(None, values)) for name, values in tags.items()} | {
            "version": fineprune.__version__,
            "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            "command": self.command,
        }

    @cached_property
    def answers(self) -> list[Verdict]:
        """The verdicts at budgets; those at the last step only where no run has a budget."""
        return [verdict for verdict in self.verdicts if verdict.point != END] or self.verdicts

    @property
    def headline(self) -> Verdict:
        """The verdict at the middle budget."""
        return self.answers[len(self.answers) // 2]

    def matrix(self, point: str) -> pd.DataFrame:
        """Of each method and attack at `point` the GoodNet's ASR, its `price`, and whether it `removed` the backdoor.

        BadNets without a backdoor come last: there, only the price counts.
        """
        parts = [self.tables[name] for name in ("removal", "unattacked") if name in self.tables]
        parts = [table[table["point"] == point] for table in parts]
        rows = pd.concat(parts, ignore_index=True).fillna({"removed": False, "weak": False})
        return rows[["attack", "method", "oracle", "control", "weak", "removed", *ASRS, PRICE, "seeds"]]

    @cached_property
    def looks(self) -> dict[str, Look]:
        """How each method is drawn in every picture; the methods with the highest DER have a colour of their own."""
        means = self.results.groupby("method")[ranking.SCORE].mean()
        return looks([str(method) for method in means.sort_values(ascending=False, kind="stable").index])

    @cached_property
    def matrices(self) -> list[Drawing]:
        """What each method leaves of each attack, a picture for each budget."""
        return [
            Drawing(
                f"matrix_{answer.point}",
                f"At {answer.name}",
                f"ASR of the GoodNet at {answer.name}, a row for each method, a column for each attack",
                partial(self._draw_matrix, answer.point),
            )
            for answer in self.answers
        ]

    def _draw_matrix(self, point: str) -> Figure:
        rows = self.matrix(point).dropna(subset=[ASR])
        before = rows[rows["method"] == UNTOUCHED]
        untouched = {str(attack): float(asr) for attack, asr in zip(before["attack"], before[ASR], strict=True)}
        return figures.matrix(rows[rows["method"] != UNTOUCHED], untouched, set(rows.loc[rows["weak"], "attack"]))

    @cached_property
    def trade_offs(self) -> list[Drawing]:
        """Clean accuracy against ASR, a picture for each attack."""
        table = self.tables.get("attacks", pd.DataFrame(columns=["attack"]))
        scale = figures.accuracy_scale(table)
        return [
            Drawing(
                f"trade_off_{number}_{_slug(str(attack))}",
                f"Under {attack}",
                f"Clean accuracy against attack success rate under {attack}; the table by attack has the figures.",
                partial(figures.trade_off, rows, self.looks, scale),
                str(attack),
            )
            for number, (attack, rows) in enumerate(table.groupby("attack", sort=False), 1)
        ]

    @cached_property
    def curves(self) -> list[Drawing]:
        """Clean accuracy and ASR against the fraction pruned, or what else strategies go by, in pictures of their own.

        A picture for each attack, with a line for each method, then a picture for each method under several attacks,
        with a line for each attack.
        """
        attacks = self.results.loc[self.results["trigger"] != "", "attack"].unique()
        pictures: list[tuple[str, str, dict[str, list[pd.DataFrame]], Mapping[str, Look], str]] = []
        for amount in figures.amounts(self.runs):
            by_attack = {
                str(attack): figures.steps_by_method(self.results, self.runs, attack, amount) for attack in attacks
            }
            by_method = {
                name: {attack: lines[name] for attack, lines in by_attack.items() if name in lines}
                for name in self.looks
            }
            by = "" if amount == FRACTION_PRUNED else f", by {amount}"
            pictures += [
                (attack, f"Under {attack}{by}", lines, self.looks, amount) for attack, lines in by_attack.items()
            ]
            pictures += [
                ("", f"{name}{by}", lines, looks(list(lines)), amount)
                for name, lines in by_method.items()
                if len(lines) > 1
            ]
        return [
            Drawing(
                f"curves_{number}_{_slug(title)}",
                title,
                f"Clean accuracy and attack success rate against {_against(amount)}; lines: {', '.join(lines)}.",
                partial(figures.curves, lines, shown, amount),
                attack,
            )
            for number, (attack, title, lines, shown, amount) in enumerate((each for each in pictures if each[2]), 1)
        ]

    @cached_property
    def strips(self) -> list[Drawing]:
        """How much the settings of methods matter, a picture for each budget at which some ran with several."""
        table = self.tables.get("sensitivity", pd.DataFrame(columns=["point"]))
        return [
            Drawing(
                f"sensitivity_{answer.point}",
                f"At {answer.name}",
                f"DER of each method at {answer.name} with each of its settings; the table has the figures.",
                partial(strips, rows),
            )
            for answer in self.answers
            if len(rows := table[table["point"] == answer.point])
        ]

    @cached_property
    def ranks(self) -> dict[str, Drawing]:
        """Average ranks and critical differences, by point, where there are at least three methods and two blocks."""
        return {
            verdict.point: Drawing(
                f"ranks_{verdict.point}",
                "Average ranks",
                "; ".join(f"{method}: {rank:.2f}" for method, rank in verdict.tests.ranks.items())
                + f"; critical difference: {verdict.tests.critical_difference:.2f}",
                partial(figures.critical_differences, verdict.tests, self.looks),
            )
            for verdict in self.verdicts
            if pd.notna(verdict.tests.critical_difference)
        }


def _against(amount: str) -> str:
    return "the fraction pruned" if amount == FRACTION_PRUNED else amount.replace("_", " ")


def _slug(name: str) -> str:
    """`name` as part of a file's name: letters, digits and underscores."""
    return re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")[:60]
