"""From finished sweeps to one tidy frame: a row for each method, run, point and trigger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fineprune import names
from fineprune.attacks.clean import Clean
from fineprune.comparison.curves import regret
from fineprune.data.split import CLEAN_TEST
from fineprune.identity import decides
from fineprune.names import FRACTION_PRUNED, GOODNET, PRUNED, REACHED, UNTOUCHED, Rate, column
from fineprune.strategy import NOTHING
from fineprune.sweeping import budgets
from fineprune.tracking.read import FinishedSweep

CLEAN_RATES = [(GOODNET, names.ACCURACY), (GOODNET, names.FALSE_POSITIVE_RATE), (PRUNED, names.ACCURACY)]
ATTACK_RATES = [
    (GOODNET, names.ASR),
    (GOODNET, names.DETECTION_RATE),
    (GOODNET, names.DER),
    (PRUNED, names.ASR),
    (PRUNED, names.ROBUST_ACCURACY),
    (PRUNED, names.DER),
]
BADNET_RATES = [
    (names.BADNET, names.ACCURACY),
    (names.BADNET, names.ASR),
    (names.BADNET, names.ROBUST_ACCURACY),
]
PRICE, REGRET = "price", "regret"
MEASURED = [
    FRACTION_PRUNED,
    REACHED,
    PRICE,
    REGRET,
    *(column(*rate) for rate in (*CLEAN_RATES, *ATTACK_RATES)),
    *names.COSTS,
    *(column(*rate) for rate in BADNET_RATES),
]
COLUMNS = {
    "method": "strategy, with `+ fine-tuning` for the fine-tuned net; settings in brackets where they differ",
    "attack": "the attack, or the BadNet where it came from a file; settings in brackets where they differ",
    "seed": "of the run",
    "point": "`2_percent`: the first step at which clean_valid accuracy had fallen by 2 points, else the last step",
    "budget": "the fall of clean_valid accuracy that the point stands for, a fraction; infinite at the last step",
    "trigger": "the poisoned split; empty where there is none",
    "strategy": "the strategy alone",
    "plain": "the method without settings in brackets",
    "changed": "those of its settings that are not the defaults",
    "finetuned": "whether `pruned` and `goodnet` are those after fine-tuning",
    "oracle": "whether the strategy uses poisoned images",
    "control": "whether the method is there to be beaten: untouched, fine-tuning alone, random channels, small kernels",
    "needs": "what the strategy uses: nothing, images, labelled images or poisoned images",
    "not_applicable": "why the strategy cannot work on this network; then nothing is measured; else empty",
    "run": "identifier of the MLflow run",
    "data": "name of the data",
    "classes": "number of the network's classes",
    "fraction_pruned": "share of the channels or weights that are pruned, in [0, 1]",
    "reached": "whether a step falls by the budget; where none does, the last step, within the budget, is reported",
    "price": "the fall of clean test accuracy from the untouched BadNet to the GoodNet, a fraction",
    "regret": "the GoodNet's ASR less the smallest of any step at the same price; not of fine-tuned nets",
    "goodnet_…, pruned_…, badnet_…": "rates of the GoodNet, of B′ and of the untouched BadNet, fractions in [0, 1]",
    "seconds": "what the strategy took, and fine-tuning (of the nets of all points) where `finetuned`; not measuring",
    "forward_passes": "images that these sent forward through the network, over the clean validation images",
    "backward_passes": "the same backward",
}
FLAGS = ["finetuned", "oracle", "control"]
UNIT = ["method", "attack", "seed"]
SETTINGS = ["plain", "changed"]


def tidy(runs: Sequence[FinishedSweep]) -> pd.DataFrame:
    """One row for each method, run, point and trigger; `COLUMNS` says what the columns hold.

    A run with fine-tuning covers two methods: its fine-tuned nets, and the same nets only pruned. For the latter, a run
    without fine-tuning is preferred, since its budgets are judged by more images. Of runs with the same method, attack
    and seed the latest counts. Each attack and seed has the untouched BadNet as a method too, at every point.
    """
    rows = [
        {name: getattr(unit, name) for name in [*UNIT, *SETTINGS]} | row
        for unit in units(runs)
        for row in _rows(unit.run, unit.finetuned)
    ]
    columns = [*[name for name in COLUMNS if "…" not in name and name not in MEASURED], *MEASURED]
    measured = pd.DataFrame(rows).reindex(columns=columns).astype(dict.fromkeys(FLAGS, bool))
    return _with_untouched(measured)


@dataclass(frozen=True)
class Unit:
    """One method under one attack with one seed: the `run` that has it, of its nets those `finetuned` or those not.

    `plain` is the method without settings in brackets, `changed` those of its settings that are not the defaults.
    """

    method: str
    attack: str
    seed: int
    plain: str
    changed: str
    run: FinishedSweep
    finetuned: bool


def units(runs: Sequence[FinishedSweep]) -> list[Unit]:
    """What each of `runs` stands for; `tidy` says which one counts where several have the same."""
    parts = [(run, finetuned) for run in runs for finetuned in _finetuned(run)]
    strategies = pd.Series([_method(run, finetuned) for run, finetuned in parts])
    subjects = pd.Series([_subject(run) for run, _ in parts])
    methods = pd.DataFrame(
        {
            "part": range(len(parts)),
            "method": distinguish(strategies, pd.DataFrame([_method_settings(*part) for part in parts])),
            "attack": distinguish(subjects, pd.DataFrame([_subject_settings(run) for run, _ in parts])),
            "seed": [int(run.params["seed"]) for run, _ in parts],
            "shared": [_tunes(run) and not finetuned for run, finetuned in parts],
            "plain": strategies,
            "changed": [_changed(run, finetuned) for run, finetuned in parts],
        }
    )
    latest = methods.sort_values("shared", kind="stable").drop_duplicates(UNIT).sort_values(UNIT)
    return [Unit(*(row[name] for name in [*UNIT, *SETTINGS]), *parts[row["part"]]) for row in latest.to_dict("records")]


def _with_untouched(results: pd.DataFrame) -> pd.DataFrame:
    """`results` after rows that stand for the BadNet itself, at each point that any run of it has."""
    place = [*UNIT[1:], "point", "trigger"]
    badnets = results[results["not_applicable"] == ""].drop_duplicates(place)
    rows = badnets.assign(method=UNTOUCHED, plain=UNTOUCHED, changed="", strategy=names.NO_PRUNING, needs=NOTHING)
    rows[FLAGS] = False, False, True
    rows[[FRACTION_PRUNED, PRICE, column(GOODNET, names.FALSE_POSITIVE_RATE), *names.COSTS]] = 0.0
    rows[[REACHED, REGRET]] = np.nan
    for net, rate in (*CLEAN_RATES[::2], *ATTACK_RATES):
        rows[column(net, rate)] = rows.get(column(names.BADNET, rate), np.nan)
    attacked = rows["trigger"] != ""
    rated = rows[[column(names.BADNET, rate) for rate in (names.ACCURACY, names.ASR)]].notna().all(axis=1)
    rows.loc[rated, [column(GOODNET, names.DER), column(PRUNED, names.DER)]] = 0.5  # nothing falls
    rows.loc[attacked, column(GOODNET, names.DETECTION_RATE)] = 0.0
    pruned = results[(results["strategy"] != names.NO_PRUNING) | results["finetuned"]]
    return pd.concat([rows, pruned], ignore_index=True)


def is_clean(run: FinishedSweep) -> bool:
    """Whether the network never had a backdoor, so that what a trigger does to it is no attack."""
    return run.tags.get("attack") == Clean.name


def _tunes(run: FinishedSweep) -> bool:
    return run.tags.get("finetune", "none") != "none"


def _finetuned(run: FinishedSweep) -> list[bool]:
    if "not_applicable" in run.tags:
        return [_tunes(run)]
    return [False, True] if _tunes(run) else [False]


def _method(run: FinishedSweep, finetuned: bool) -> str:
    tuning = run.tags.get(names.TUNING, names.FINE_TUNING) if finetuned else ""
    return names.method(run.tags.get("strategy", "unknown"), tuning)


def _subject(run: FinishedSweep) -> str:
    return names.subject(*(run.tags.get(tag, names.GIVEN) for tag in ("attack", "badnet")))


def _method_settings(run: FinishedSweep, finetuned: bool) -> dict[str, str]:
    tuning = {"finetune": run.tags["finetune"]} | settings_of(run, "finetune") if finetuned else {}
    held_out = {"held_out": run.params["held_out"]} if "held_out" in run.params else {}
    return tuning | settings_of(run, "strategy") | held_out


def _changed(run: FinishedSweep, finetuned: bool) -> str:
    """Which settings of the method are not its defaults, as the run says; those of fine-tuning only if `finetuned`."""
    settings = run.tags.get(names.CHANGED, "").split()
    return " ".join(name for name in settings if finetuned or not name.startswith("finetune."))


def _subject_settings(run: FinishedSweep) -> dict[str, str]:
    tags = {name: run.tags[name] for name in ("data", "badnet", "architecture", "shift") if name in run.tags}
    return tags | settings_of(run, "attack", "badnet", "data", "draw", "shift")


def settings_of(run: FinishedSweep, *groups: str) -> dict[str, str]:
    """The settings of `groups` that can change a result; a seed that follows the run's is `seed`, whichever it is."""
    return {
        name: "seed" if name.endswith(".seed") and value == run.params["seed"] else value
        for name, value in sorted(run.params.items())
        if name.startswith(tuple(f"{group}." for group in groups)) and decides(name) and not name.endswith("._target_")
    }


def _rows(run: FinishedSweep, finetuned: bool) -> Iterator[dict[str, Any]]:
    row = {
        "strategy": run.tags.get("strategy", "unknown"),
        "finetuned": finetuned,
        "oracle": run.tags.get("oracle") == "true",
        "control": run.tags.get("control") == "true",
        "needs": run.tags.get("needs", ""),
        "classes": pd.to_numeric(run.tags.get("classes", ""), errors="coerce"),
        "not_applicable": run.tags.get("not_applicable", ""),
        "run": run.id,
        "data": run.tags.get("data", ""),
        "point": "",
        "budget": np.nan,
        "trigger": "",
    }
    if row["not_applicable"]:
        yield row
        return
    rates = names.rates(run.metrics).values()
    measured = [rate.split for rate in rates if (rate.net, rate.rate) == (names.BADNET, names.ASR)]
    triggers = [] if is_clean(run) else measured
    for point, budget in budgets.logged(run.params.get("budgets", "")).items():
        for trigger in triggers or [""]:
            yield (
                row
                | {"point": point, "budget": budget, "trigger": trigger}
                | _costs(run, finetuned)
                | _rates(run, finetuned, point, trigger)
            )


def _costs(run: FinishedSweep, finetuned: bool) -> dict[str, float]:
    parts = ["strategy", "finetuning"] if finetuned else ["strategy"]
    return {of: sum(run.metrics.get(names.cost(of, part), np.nan) for part in parts) for of in names.COSTS}


def _rates(run: FinishedSweep, finetuned: bool, point: str, trigger: str) -> dict[str, float]:
    metrics = {name: names.at(point, name) for name in (FRACTION_PRUNED, REACHED)}
    for split, rates in ((CLEAN_TEST, CLEAN_RATES), (trigger, ATTACK_RATES)):
        for net, rate in rates:
            measured = Rate(split, net, rate, point)
            metrics[column(net, rate)] = str(measured.tuned() if finetuned else measured)
    for net, rate in BADNET_RATES:
        metrics[column(net, rate)] = str(Rate(CLEAN_TEST if rate == names.ACCURACY else trigger, net, rate))
    row = {name: run.metrics.get(metric, np.nan) for name, metric in metrics.items()}
    row[PRICE] = row[column(names.BADNET, names.ACCURACY)] - row[column(GOODNET, names.ACCURACY)]
    row[REGRET] = np.nan if finetuned else regret(run, point)
    return row


def distinguish(names: pd.Series[str], settings: pd.DataFrame) -> pd.Series[str]:
    """`names` (n,); where equal names have different rows of `settings`, with what differs added in brackets.

    A setting is added, in their order, if it distinguishes more rows than those before it:
    `patch` with a poison rate of 0.1 and of 0.01 becomes `patch (attack.poison_rate=0.1)` and `patch (…=0.01)`.
    """
    distinct = names.copy()
    for _, rows in settings.fillna("unset").groupby(names):
        chosen: list[str] = []
        count = 1
        for setting in map(str, rows):
            groups = rows.groupby([*chosen, setting]).ngroups
            if groups > count:
                chosen, count = [*chosen, setting], groups
        if chosen:
            texts = rows[chosen].apply(lambda row: ", ".join(f"{name}={value}" for name, value in row.items()), axis=1)
            distinct.loc[rows.index] = names.loc[rows.index] + " (" + texts + ")"
    return distinct
