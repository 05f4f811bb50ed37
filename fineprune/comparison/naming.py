"""Names that say what they differ in, and no more."""

from __future__ import annotations

import pandas as pd


def told_apart(names: pd.Series[str], settings: pd.DataFrame) -> pd.Series[str]:
    """`names` (n,), of which those that are alike, but whose rows of `settings` are not, say in brackets what differs.

    Of the settings, in their order, those that tell more rows apart than the ones before them do:
    `patch` with a poison rate of 0.1 and of 0.01 becomes `patch (attack.poison_rate=0.1)` and `patch (…=0.01)`.
    """
    found = names.copy()
    for _, rows in settings.fillna("unset").groupby(names):
        kept: list[str] = []
        told = 1
        for setting in map(str, rows):
            groups = rows.groupby([*kept, setting]).ngroups
            if groups > told:
                kept, told = [*kept, setting], groups
        if kept:
            texts = rows[kept].apply(lambda row: ", ".join(f"{name}={value}" for name, value in row.items()), axis=1)
            found.loc[rows.index] = names.loc[rows.index] + " (" + texts + ")"
    return found
