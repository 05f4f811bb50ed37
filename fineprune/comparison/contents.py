"""Everything that a comparison tells, computed once: for the files, the page and the terminal."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import pandas as pd
from matplotlib.figure import Figure

from fineprune.comparison import areas, figures, ranking
from fineprune.comparison.frame import tidy
from fineprune.comparison.plots import colours, svg
from fineprune.comparison.ranking import END
from fineprune.comparison.verdict import Verdict, verdicts
from fineprune.logged import Finished


@dataclass(frozen=True)
class Drawing:
    """A picture that has yet to be drawn: its file's name, its title, and `alt`, what it says in words."""

    name: str
    title: str
    alt: str
    draw: Callable[[], Figure]

    @cached_property
    def light(self) -> str:
        """As SVG for light paper."""
        return svg(self.draw, "light")

    @cached_property
    def dark(self) -> str:
        """As SVG for dark paper."""
        return svg(self.draw, "dark")


@dataclass(frozen=True)
class Comparison:
    """Finished sweeps side by side; `source` says which they are."""

    runs: Sequence[Finished]
    source: str

    @cached_property
    def results(self) -> pd.DataFrame:
        """The tidy frame; see `frame.COLUMNS`."""
        return tidy(self.runs)

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """The answer at each point."""
        return verdicts(self.results)

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables that have rows, by the name of their files; rates are fractions in [0, 1]."""
        pairs = [found.tests.pairs.assign(point=found.point) for found in self.verdicts]
        every = {
            "ranking": ranking.overall(self.results),
            "attacks": ranking.per_attack(self.results),
            "pairs": pd.concat(pairs, ignore_index=True) if pairs else pd.DataFrame(),
            "areas": areas.mean_areas(areas.areas(self.runs, self.results)),
            "oracles": ranking.oracles(self.results),
            "unattacked": ranking.unattacked(self.results),
            "not_applicable": ranking.not_applicable(self.results),
        }
        return {name: table for name, table in every.items() if len(table)}

    @cached_property
    def answers(self) -> list[Verdict]:
        """The verdicts at budgets; what stood at the last step answers only where no budget was reached."""
        return [found for found in self.verdicts if found.point != END] or self.verdicts

    @cached_property
    def shades(self) -> dict[str, str]:
        """The colour of each method in every picture; those of the highest DER have one of their own."""
        means = self.results.groupby("method")[ranking.SCORE].mean()
        return colours([str(method) for method in means.sort_values(ascending=False, kind="stable").index])

    @cached_property
    def trade_offs(self) -> list[Drawing]:
        """Clean accuracy against ASR, a picture an attack."""
        table = self.tables.get("attacks", pd.DataFrame(columns=["attack"]))
        return [
            Drawing(
                f"trade_off_{number}_{_slug(str(attack))}",
                f"Under {attack}",
                f"Clean accuracy against attack success rate under {attack}; the table by attack has the figures.",
                partial(figures.trade_off, rows, self.shades),
            )
            for number, (attack, rows) in enumerate(table.groupby("attack", sort=False), 1)
        ]

    @cached_property
    def curves(self) -> list[Drawing]:
        """Clean accuracy and ASR against the fraction pruned.

        A picture an attack, with a line a method, then a picture a method that met several attacks, with a line each.
        """
        attacks = self.results.loc[self.results["trigger"] != "", "attack"].unique()
        swept = {str(attack): figures.swept(self.results, self.runs, attack) for attack in attacks}
        by_method = {
            name: {attack: swept[attack][name] for attack in swept if name in swept[attack]} for name in self.shades
        }
        pictures = [(f"Under {attack}", lines, self.shades) for attack, lines in swept.items() if lines]
        pictures += [(name, lines, colours(list(lines))) for name, lines in by_method.items() if len(lines) > 1]
        return [
            Drawing(
                f"curves_{number}_{_slug(title)}",
                title,
                f"Clean accuracy and attack success rate against the fraction pruned; lines: {', '.join(lines)}.",
                partial(figures.curves, lines, shades),
            )
            for number, (title, lines, shades) in enumerate(pictures, 1)
        ]

    @cached_property
    def ranks(self) -> dict[str, Drawing]:
        """Average ranks and critical differences, by point, of the points with three methods and two blocks."""
        return {
            found.point: Drawing(
                f"ranks_{found.point}",
                "Average ranks",
                "; ".join(f"{method}: {rank:.2f}" for method, rank in found.tests.ranks.items())
                + f"; critical difference: {found.tests.critical_difference:.2f}",
                partial(figures.critical_differences, found.tests, self.shades),
            )
            for found in self.verdicts
            if pd.notna(found.tests.critical_difference)
        }


def _slug(name: str) -> str:
    """`name` as a file's name may be: letters, digits and underscores."""
    return re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")[:60]
