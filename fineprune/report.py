"""What a sweep leaves behind: a run folder, and a table on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from fineprune import budgets as falls
from fineprune import tables
from fineprune.files import write_json, write_text
from fineprune.metrics import CLEAN_TEST, CLEAN_VALID, of_net
from fineprune.model_files import save_model
from fineprune.pictures import failures
from fineprune.plots import anatomy_bars, curve, save_figure
from fineprune.records import STEPS, SUMMARY, Record, now
from fineprune.sweep import BADNET, END, Sweep

COUNTS = ("step", "pruned", "total")  # which compare between strategies only as fractions


def write(sweep: Sweep, folder: Path, title: str, about: Mapping[str, Any]) -> list[Path]:
    """Write the tables, the pictures, the nets of each point and, last, `summary.json` to `folder`; return them all."""
    texts = {"performance.csv": sweep.table.to_csv(index=False), "layers.csv": sweep.anatomy.to_csv(index=False)}
    figures = {
        "curve.png": curve(sweep, title),
        "failures.png": failures(sweep),
        "layers.png": anatomy_bars(sweep.anatomy),
    }
    nets = {f"{name}.h5": net for name, net in sweep.nets.items() if name != BADNET}
    for name, text in texts.items():
        write_text(folder / name, text)
    for name, figure in figures.items():
        save_figure(figure, folder / name)
    for name, net in nets.items():
        save_model(net, folder / name)
    write_json(folder / SUMMARY, summary(sweep, about))
    return [folder / name for name in (*texts, *figures, *nets, SUMMARY)]


def summary(sweep: Sweep, about: Mapping[str, Any]) -> dict[str, Any]:
    """`about`, the data with its digests, the untouched BadNet's rates, and those at each budget."""
    splits = {**sweep.plan.data.splits, "seen by strategy and fine-tuning": sweep.plan.seen}
    budgets: list[dict[str, Any]] = [
        {"budget": budget, "name": name, "reached": row is not None}
        for budget, (name, row) in zip(sweep.plan.budgets, sweep.chosen.items(), strict=True)
    ]
    return {
        **about,
        "splits": {name: {"images": len(split), "digest": split.digest} for name, split in splits.items()},
        "seconds": dict(sweep.seconds),
        "badnet": sweep.at(0),
        "budgets": [known | _at_point(sweep, known["name"]) for known in budgets],
    } | ({END: _at_point(sweep, END)} if END in sweep.points else {})


def _at_point(sweep: Sweep, point: str) -> dict[str, Any]:
    if point not in sweep.points:
        return {}
    found = {"pruned_net": f"pruned_{point}.h5", **sweep.at(sweep.points[point])}
    if point in sweep.tuned:
        found |= {"finetuned_net": f"finetuned_{point}.h5", **_tuned_names(sweep.tuned_at(point))}
    return found


def _tuned_names(rates: Mapping[str, float]) -> dict[str, float]:
    """`sunglasses/goodnet_asr` as `sunglasses/finetuned_goodnet_asr`, `sunglasses/pruned_asr` as `…/finetuned_asr`."""
    return {
        key.replace("/pruned_", "/finetuned_").replace("/goodnet_", "/finetuned_goodnet_"): v
        for key, v in rates.items()
    }


def results(sweep: Sweep) -> dict[str, float]:
    """The rates of B, as `badnet/sunglasses/asr`, and at each point, as `at_2_percent/sunglasses/goodnet_asr`."""
    found = {f"seconds/{part}": value for part, value in sweep.seconds.items()}
    found |= {f"badnet/{key.replace('pruned_', '')}": value for key, value in sweep.at(0).items() if "/pruned_" in key}
    for point, row in sweep.points.items():
        rates = sweep.at(row) | _tuned_names(sweep.tuned_at(point))
        found |= {f"at_{point}/{key}": float(value) for key, value in rates.items() if key not in COUNTS}
    return found


def budget_tags(sweep: Sweep) -> dict[str, str]:
    """For each budget how much it let be pruned, or that it was never reached."""
    return {f"at_{name}": "not reached" if row is None else _share(sweep.at(row)) for name, row in sweep.chosen.items()}


def completed(record: Record, sweep: Sweep, files: Sequence[Path]) -> Record:
    """`record` with all that the sweep found and wrote. Its steps are comparable between strategies."""
    places = (sweep.table["fraction_pruned"] * STEPS).round().astype(int)
    steps = sweep.full_table.drop(columns=list(COUNTS)).assign(step=places)
    point_of = {net: sweep.points[net.split("_", 1)[1]] for net in sweep.nets if net != BADNET}
    nets = {f"{net}.h5": int(places[row]) for net, row in point_of.items()}
    return replace(
        record,
        ended=now(),
        tags={**record.tags, **budget_tags(sweep)},
        note=note(sweep),
        metrics=results(sweep),
        steps={str(name): list(values) for name, values in steps.items()},
        files=[file.name for file in files if file.name not in nets],
        nets=nets,
    )


def note(sweep: Sweep) -> str:
    """The table of rates in Markdown, for the log."""
    table = _table(sweep)
    table.box, table.pad_edge, table.caption = box.MARKDOWN, True, None
    text = StringIO()
    Console(file=text, width=200).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines() if line.strip())


def show(sweep: Sweep, console: Console) -> None:
    """Print B, and, at each budget, B′ and the GoodNet, pruned alone and fine-tuned."""
    console.print(_table(sweep))
    console.print(tables.anatomy_table(sweep.anatomy))


def _table(sweep: Sweep) -> Table:
    table = tables.rates_table("budget", "pruned", "net")
    tables.add(table, ("0 %", "0", "B"), _rates(sweep, sweep.at(0), "pruned"))
    for name, row in sweep.chosen.items():
        if row is None:
            tables.add(table, (falls.text(name), "never", ""), {})
    for name, row in sweep.points.items():
        point = sweep.at(row)
        tables.add(table, (falls.text(name), _share(point), "B′"), _rates(sweep, point, "pruned"))
        tables.add(table, ("", "", "GoodNet"), _rates(sweep, point, "goodnet"))
        if tuned := sweep.tuned_at(name):
            tables.add(table, ("", "tuned", "B′"), _rates(sweep, tuned, "pruned"))
            tables.add(table, ("", "", "GoodNet"), _rates(sweep, tuned, "goodnet"))
    return table


def _share(point: Mapping[str, float]) -> str:
    """How much is pruned: of few units their number, of many, such as weights, the share."""
    if not point["total"]:
        return "nothing"
    if point["total"] < 1000:
        return f"{point['pruned']:.0f}/{point['total']:.0f}"
    return f"{point['fraction_pruned']:.1%}"


def _rates(sweep: Sweep, point: Mapping[str, float], net: str) -> dict[str, dict[str, float]]:
    """The rates of one net, `pruned` or `goodnet`, by split and rate; of the clean splits the one that judges."""
    found = of_net(point, net)
    if CLEAN_TEST in found:
        found.pop(CLEAN_VALID, None)
    return found
