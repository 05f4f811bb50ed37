"""The tables of the studies' pages, from what `runners.compare` wrote: `results.csv` and `ranking.csv`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from reference_pages import table

DOCS = Path(__file__).parents[1]
STUDY = DOCS / "science" / "study"
THIRD_PARTY = STUDY / "third_party"
EXPERIMENTS = DOCS.parent / "conf" / "experiment"
BUDGET = "4_percent"
CLEAN = "clean"  # what networks without a backdoor were trained under


def results(folder: Path) -> str:
    """What each method leaves and costs at a budget of 4 %: the best DER, mean over attacks and seeds, first.

    Under each attack the GoodNet's ASR, mean over seeds; behind the DER its 95 % interval; then the price, mean over
    the attacks, and that of networks without a backdoor; seconds, and passes over the clean images.
    """
    rows = _at_budget(folder / "results.csv")
    attacks = sorted(set(rows["attack"]) - {CLEAN})
    attacked = rows[rows["attack"] != CLEAN].groupby("method").mean(numeric_only=True)
    asr = rows.pivot_table("goodnet_asr", "method", "attack")
    prices = rows[rows["attack"] == CLEAN].groupby("method")["price"].mean()
    ranked = _at_budget(folder / "ranking.csv").set_index("method").reindex(attacked.index)  # which no oracle is
    order = attacked.sort_values("goodnet_der", ascending=False).index
    lines = []
    for method in order:
        mean, rank = attacked.loc[method], ranked.loc[method]
        interval = " to ".join(_percent(rank[f"goodnet_der_{end}"]) for end in ("low", "high"))
        lines.append(
            [
                f"`{method}`" + (" (oracle)" if mean["oracle"] else ""),
                *(_percent(asr.loc[method, attack]) for attack in attacks),
                _percent(mean["goodnet_der"]) + ("" if mean["oracle"] else f" ({interval})"),
                _percent(mean["price"]),
                _percent(prices.get(method, float("nan"))),
                *(f"{mean[cost]:.1f}" for cost in ("seconds", "forward_passes", "backward_passes")),
            ]
        )
    return table(("method", *attacks, "DER", "price", "no backdoor", "s", "fwd", "bwd"), lines)


def on_networks(folder: Path, data: str) -> str:
    """What each method leaves of other people's networks on the images `data`: the best DER, mean over them, first.

    Of each network the GoodNet's clean accuracy and ASR at a budget of 4 %, or, marked, at the last step where none
    reaches it. Methods that were not tried on all networks stand last, without a DER.
    """
    rows = _at_budget(folder / "results.csv")
    rows = rows[rows["data"] == data].assign(network=lambda found: found["attack"].map(_presets()))
    rows["cell"] = [_cell(row) for _, row in rows.iterrows()]
    cells = rows.pivot(index="method", columns="network", values="cell").fillna("")
    ders = rows.pivot(index="method", columns="network", values="goodnet_der").mean(axis=1, skipna=False)
    order = ders.sort_values(ascending=False, na_position="last").index
    lines = [[f"`{method}`", *cells.loc[str(method)], _percent(ders[str(method)])] for method in order]
    return table(("method", *(f"`{network}`" for network in cells.columns), "DER"), lines)


def _cell(row: pd.Series[Any]) -> str:
    short = row["reached"] == 0 and row["strategy"] != "none"
    return f"{_percent(row['goodnet_accuracy'])}, {_percent(row['goodnet_asr'])}{'†' if short else ''}"


def _presets() -> dict[str, str]:
    """The presets of networks from files, by what their networks are called: the file without its ending."""
    presets = {file.stem: yaml.safe_load(file.read_text()).get("badnet", {}) for file in EXPERIMENTS.glob("*.yaml")}
    return {Path(badnet.get("weights") or badnet.get("model") or "").stem: name for name, badnet in presets.items()}


def _at_budget(file: Path) -> pd.DataFrame:
    rows = pd.read_csv(file)
    return rows[rows["point"] == BUDGET]


def _percent(rate: float) -> str:
    return "" if pd.isna(rate) else f"{100 * rate:.1f}"


if __name__ == "__main__":
    for architecture in ("resnet", "deepid"):
        print(f"\n### `{architecture}`\n\n{results(STUDY / architecture)}")
    for data in ("cifar10", "gtsrb"):
        print(f"\n### {data}\n\n{on_networks(THIRD_PARTY, data)}")
