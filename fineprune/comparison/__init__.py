"""Comparing: from many finished sweeps to an answer, and how sure it is.

`frame` makes the tidy frame, `ranking` the means and intervals, `statistics` the tests, `areas` the areas under curves,
`removal` where the backdoor is gone, `lasting` whether it stays so, `verdict` the sentences. `Comparison`, in
`contents`, computes each of them once. `figures` draws them, `figure_style` says how that looks; `output` writes and
prints them.
"""

from fineprune.comparison.areas import area
from fineprune.comparison.contents import Comparison
from fineprune.comparison.frame import COLUMNS, tidy
from fineprune.comparison.lasting import lasting
from fineprune.comparison.ranking import contest, overall, per_attack
from fineprune.comparison.removal import Bar, removal
from fineprune.comparison.statistics import test
from fineprune.comparison.verdict import verdicts

__all__ = [
    "COLUMNS",
    "Bar",
    "Comparison",
    "area",
    "contest",
    "lasting",
    "overall",
    "per_attack",
    "removal",
    "test",
    "tidy",
    "verdicts",
]
