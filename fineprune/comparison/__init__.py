"""Comparing: from many finished sweeps to an answer, and how sure it is.

`frame` makes the tidy frame, `ranking` the means and intervals, `statistics` the tests, `verdict` the sentences,
`figures` the pictures, `page` the report, `terminal` the screen. `Comparison` is all of it.
"""

from fineprune.comparison.areas import area
from fineprune.comparison.contents import Comparison
from fineprune.comparison.frame import COLUMNS, tidy
from fineprune.comparison.ranking import contest, overall, per_attack
from fineprune.comparison.statistics import test
from fineprune.comparison.verdict import verdicts

__all__ = ["COLUMNS", "Comparison", "area", "contest", "overall", "per_attack", "test", "tidy", "verdicts"]
