"""What a sweep leaves behind: a run folder, and a table on the terminal."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from io import StringIO
from math import isnan
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from fineprune import names
from fineprune.data.split import CLEAN_TEST, CLEAN_VALID
from fineprune.files import csv, save_model, write_json, write_text
from fineprune.report import headline, tables
from fineprune.report.channels import channels
from fineprune.report.curve import PRINT, SCREEN, curve, layer_bars, save_figure
from fineprune.report.pictures import failures
from fineprune.report.records import SUMMARY, Record, now
from fineprune.report.terminal import console
from fineprune.sweeping import budgets
from fineprune.sweeping.metrics import of_net
from fineprune.sweeping.plan import Plan
from fineprune.sweeping.run import Sweep

NEVER = "†"


def write(sweep: Sweep, folder: Path, title: str, about: Mapping[str, Any]) -> list[Path]:
    """Write the tables, the pictures, the nets of each point and, last, `summary.json` to `folder`; return them all."""
    texts = {"performance.csv": csv(sweep.table), "layers.csv": csv(sweep.layers)}
    texts |= {"aftermath.csv": csv(sweep.aftermath)} if sweep.outcomes else {}
    texts["table.txt"] = printed(sweep)
    # A PDF takes longer than all else of a picture: there is one of what goes into papers.
    figures = {
        "curve": (curve(sweep, title), PRINT),
        "channels": (channels(sweep), SCREEN),
        "failures": (failures(sweep), SCREEN),
        "layers": (layer_bars(sweep.layers), SCREEN),
    }
    nets = {f"{name}.h5": net for name, net in sweep.nets.items() if name != names.BADNET}
    for name, text in texts.items():
        write_text(folder / name, text)
    pictures = [
        file.name
        for name, (figure, formats) in figures.items()
        if figure is not None
        for file in save_figure(figure, folder / name, formats)
    ]
    for name, net in nets.items():
        save_model(net, folder / name)
    write_json(folder / SUMMARY, summary(sweep, about))
    return [folder / name for name in (*texts, *pictures, *nets, SUMMARY)]


def summary(sweep: Sweep, about: Mapping[str, Any]) -> dict[str, Any]:
    """`about`, the data with its digests, the untouched BadNet's rates, and those at each budget.

    What the BadNet is called stands under `network`, since its rates stand under `badnet`.
    """
    entries: list[dict[str, Any]] = [
        {"budget": budget, "name": name, "reached": row is not None, **_at_point(sweep, name)}
        for budget, (name, row) in zip(sweep.plan.budgets, sweep.chosen.items(), strict=True)
    ]
    return {
        **{"network" if key == names.BADNET else key: value for key, value in about.items()},
        "splits": {name: {"images": len(split), "digest": split.digest} for name, split in sweep.plan.splits.items()},
        "prunes": tables.edited(sweep.plan.steps[-1]),
        "ranked_at": dict(sweep.plan.ranked_at),
        **sweep.costs,
        "doubts": list(sweep.plan.doubts),
        "badnet": sweep.at(0),
        "budgets": entries,
    } | ({budgets.END: _at_point(sweep, budgets.END)} if budgets.END in sweep.points else {})


def _at_point(sweep: Sweep, point: str) -> dict[str, Any]:
    files = {f"{net}_net": _file(net, point) for net in _nets_at(sweep, point)}
    return files | sweep.at(sweep.points[point]) | names.tuned(sweep.tuned_at(point))


def _nets_at(sweep: Sweep, point: str) -> list[str]:
    tuned = [names.TUNED[names.PRUNED]] if point in sweep.tuned else []
    return [names.PRUNED, *tuned]


def _file(net: str, point: str) -> str:
    return f"{names.net_at(net, point)}.h5"


def results(sweep: Sweep) -> dict[str, float]:
    """The rates of B, as `badnet/sunglasses/asr`, and at each point, as `at_2_percent/sunglasses/goodnet_asr`; the
    headline, as `asr_at_2_percent`; what became of each net; and what the parts took."""
    metrics = {names.cost(of, part): value for of, parts in sweep.costs.items() for part, value in parts.items()}
    for split, badnet in of_net(sweep.at(0), names.PRUNED).items():
        metrics |= {str(names.Rate(split, names.BADNET, rate)): value for rate, value in badnet.items()}
    for point, row in sweep.points.items():
        rates = sweep.at(row) | names.tuned(sweep.tuned_at(point))
        metrics |= {names.at(point, key): float(value) for key, value in rates.items() if key not in names.COUNTS}
    for name, first in sweep.chosen.items():
        metrics[names.at(name, names.REACHED)] = float(first is not None)
    for outcome in sweep.outcomes:
        metrics |= outcome.metrics()
    unread = [name for name, rate in names.rates(metrics).items() if _is_unread(rate, sweep.plan.data.splits)]
    return {name: value for name, value in metrics.items() if name not in unread} | headline.metrics(sweep)


def _is_unread(rate: names.Rate, splits: Collection[str]) -> bool:
    """Whether a rate says what others do: that on the judging images beside that on test images, the BadNet's DER."""
    judging = rate.split == CLEAN_VALID and CLEAN_TEST in splits
    return judging or (rate.net == names.BADNET and rate.rate == names.DER)


def budget_tags(sweep: Sweep) -> dict[str, str]:
    """For each budget how much is pruned at it, and whether it was never reached."""
    return {
        f"at_{name}": _share(sweep.at(sweep.points[name])) + ("" if row else ", not reached")
        for name, row in sweep.chosen.items()
    }


def with_datasets(record: Record, plan: Plan) -> Record:
    """`record` with the images that the sweep measures, and those that the strategy and fine-tuning see."""
    datasets = {
        name: {"digest": split.digest, "images": len(split), "shape": list(split.shape)}
        for name, split in plan.splits.items()
    }
    return replace(record, datasets=datasets)


def with_results(record: Record, sweep: Sweep, files: Sequence[Path]) -> Record:
    """`record` with all results of the sweep and the files that it wrote."""
    steps = sweep.full_table.drop(columns=list(names.COUNTS))
    nets = {_file(net, point): row for point, row in sweep.points.items() for net in _nets_at(sweep, point)}
    return replace(
        record,
        ended=now(),
        tags={**record.tags, names.AMOUNT: sweep.plan.steps[0].amount_name, **budget_tags(sweep)},
        note=note(sweep),
        metrics=results(sweep),
        steps={str(name): [None if isnan(value) else value for value in values] for name, values in steps.items()},
        files=[file.name for file in files if file.name not in nets],
        nets=nets,
    )


def note(sweep: Sweep) -> str:
    """The table of rates in Markdown, for the log."""
    table = _table(sweep)
    table.box, table.pad_edge, table.caption = box.MARKDOWN, True, None
    text = StringIO()
    console(file=text, width=200).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines() if line.strip())


def show(sweep: Sweep, screen: Console) -> None:
    """Print B, and, at each budget, B′ and the GoodNet, pruned alone and fine-tuned; and what became of B′."""
    screen.print(_table(sweep))
    if sweep.outcomes:
        screen.print(tables.aftermath_table(sweep.outcomes))
    for table in tables.layer_tables(sweep.layers):
        screen.print(table)


def printed(sweep: Sweep) -> str:
    """What `show` prints, on 80 columns."""
    file = StringIO()
    show(sweep, console(file=file, width=80))
    return file.getvalue()


def _table(sweep: Sweep) -> Table:
    table = tables.rates_table("budget", "pruned", "net")
    places = list(dict.fromkeys(sweep.plan.ranked_at.values()))
    ranked = f", ranked at {tables.in_short(places)}" if places else ""
    table.caption = f"\npruned: {tables.edited(sweep.plan.steps[-1])}{ranked}"
    tables.add(table, ("0 %", "0", "B"), _rates(sweep, sweep.at(0), names.PRUNED))
    if None in sweep.chosen.values():
        table.caption = f"{table.caption}\n{NEVER} never reached: the last step"
    for name, row in sweep.points.items():
        point, budget = sweep.at(row), budgets.text(name) + (NEVER if sweep.chosen.get(name, row) is None else "")
        tables.add(table, (budget, _share(point), "B′"), _rates(sweep, point, names.PRUNED))
        if goodnet := _rates(sweep, point, names.GOODNET):  # clean_valid alone says nothing of it
            tables.add(table, ("", "", "GoodNet"), goodnet)
        if tuned := sweep.tuned_at(name):
            tables.add(table, ("", "tuned", "B′"), _rates(sweep, tuned, names.PRUNED))
            if goodnet := _rates(sweep, tuned, names.GOODNET):
                tables.add(table, ("", "", "GoodNet"), goodnet)
    return tables.finished(table, sweep.plan.data.splits)


def _share(point: Mapping[str, float]) -> str:
    """How much is pruned: a count for fewer than 1000 units, else the share."""
    if not point["total"]:
        return "nothing"
    if point["total"] < 1000:
        return f"{point['pruned']:.0f}/{point['total']:.0f}"
    return f"{point[names.FRACTION_PRUNED]:.1%}"


def _rates(sweep: Sweep, point: Mapping[str, float], net: str) -> dict[str, dict[str, float]]:
    """The rates of one net, `pruned` or `goodnet`, by split and rate; clean_valid only without clean_test."""
    rates = of_net(point, net)
    if CLEAN_TEST in rates:
        rates.pop(CLEAN_VALID, None)
    return rates
