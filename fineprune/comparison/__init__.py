"""Comparing: from many finished sweeps to an answer, and how sure it is.

`frame` makes the tidy frame, `ranking` the means and intervals, `statistics` the tests, `verdict` the sentences,
`figures` the pictures, `page` the report.
"""

from fineprune.comparison.contents import Comparison

__all__ = ["Comparison"]
