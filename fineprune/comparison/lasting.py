"""Does it last? How much of each attack comes back in the aftermath, beside what the same plants in a clean network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from fineprune.comparison.frame import Unit, is_clean, settings_of, units
from fineprune.comparison.ranking import means
from fineprune.names import PRUNED, TUNED
from fineprune.sweeping import budgets
from fineprune.sweeping.outcomes import parse
from fineprune.tracking.read import FinishedSweep

BEFORE, AFTER, BACK, PLANTED = MEASURED = ["asr_before", "asr_after", "asr_back", "asr_planted"]
SAME = ["method", "seed", "point", "stage", "trigger", "digest", "settings"]  # of a control and what it is one for
BY = ["point", "budget", "attack", "stage", "method"]


def lasting(runs: Sequence[FinishedSweep]) -> pd.DataFrame:
    """For each point, attack, stage and method the ASR of B′ before and after, and `asr_back`, what it rose by.

    `asr_planted` is the control: what it rose by in the same images, by their digest, where the same method was applied
    to a network that was trained under `attack=clean`; NaN unless all seeds and triggers have one. What comes back is
    what it leaves of `asr_back`. Means over seeds, with intervals; an attack with several triggers counts once. Of runs
    that differ in the settings of a stage alone the latest counts.
    """
    after = [run for run in runs if parse(run.metrics)]
    rows = pd.DataFrame([row for unit in units(after) for row in _rows(unit)])
    if rows.empty:
        return rows
    rows[BACK] = rows[AFTER] - rows[BEFORE]
    control = rows[rows["clean"]].drop_duplicates(SAME)[[*SAME, BACK]].rename(columns={BACK: PLANTED})
    attacked = rows[~rows["clean"]].merge(control, "left", SAME).dropna(subset=BACK)
    if attacked.empty:
        return attacked
    controlled = attacked.groupby(BY)[PLANTED].transform(lambda rises: rises.notna().all())
    attacked[PLANTED] = attacked[PLANTED].where(controlled)
    table = means(attacked.groupby([*BY, "seed"], sort=False)[MEASURED].mean().reset_index(), BY, MEASURED)
    return table.sort_values(["budget", *BY[2:]], kind="stable").drop(columns="budget").reset_index(drop=True)


def _rows(unit: Unit) -> Iterator[dict[str, object]]:
    budget = budgets.logged(unit.run.params.get("budgets", ""))
    for outcome in parse(unit.run.metrics):
        if outcome["net"] == (TUNED[PRUNED] if unit.finetuned else PRUNED) and outcome["point"] in budget:
            yield {
                **outcome,
                "method": unit.method,
                "attack": unit.attack,
                "seed": unit.seed,
                "clean": is_clean(unit.run),
                "budget": budget[str(outcome["point"])],
                "settings": _settings(unit.run, str(outcome["stage"])),
                "digest": unit.run.digests.get(str(outcome["trigger"]), ""),
            }


def _settings(run: FinishedSweep, stage: str) -> str:
    """What else a control has in common: the architecture, the clean images, and the settings of the stage."""
    tags = [run.tags.get(name, "") for name in ("architecture", "data", "shift")]
    return repr((tags, settings_of(run, "data", "draw", "shift", f"aftermath.{stage}")))
