"""One pruned net, measured beside its BadNet and the GoodNet that they make."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import tf_keras as keras
from rich.table import Table

from fineprune import metrics, tables
from fineprune.badnets import BadNet, read_network
from fineprune.errors import ConfigError
from fineprune.evaluation import predict
from fineprune.goodnet import GoodNet
from fineprune.network import Network

NETS = {"badnet": "B", "pruned": "B′", "goodnet": "GoodNet"}

Rates = Mapping[str, Mapping[str, Mapping[str, float]]]


def read_pruned(path: str, architecture: str, badnet: BadNet) -> keras.Model:
    """The pruned net in the file `path`; raises ModelError unless it has the images and classes of the BadNet."""
    if not badnet.data.splits:
        raise ConfigError("expected images to evaluate on, got none: set data.clean_test, data.poisoned.NAME or both")
    pruned = read_network(path, architecture, badnet.data)
    GoodNet(badnet.model, pruned)
    return pruned


def rates(badnet: BadNet, pruned: keras.Model) -> Rates:
    """For each of `badnet`, `pruned` and `goodnet`, the rates on every split of the data, by split and rate."""
    network = Network(badnet.model)
    for name, split in badnet.data.splits.items():
        network.check_takes(split, name)
    before: dict[str, float] = {}
    after: dict[str, float] = {}
    for name, split in badnet.data.splits.items():
        theirs, ours = predict(badnet.model, split), predict(pruned, split)
        for table, labels in ((before, theirs), (after, ours)):
            measured = metrics.rates(split, name in badnet.data.poisoned, theirs, labels)
            table |= {f"{name}/{rate}": value for rate, value in measured.items()}
    effect = metrics.defence_effectiveness(pd.DataFrame([before, after])).iloc[1]
    after |= {str(rate): float(value) for rate, value in effect.items()}
    return {
        "badnet": metrics.of_net(before, "pruned"),
        "pruned": metrics.of_net(after, "pruned"),
        "goodnet": metrics.of_net(after, "goodnet"),
    }


def table(rates: Rates) -> Table:
    """The same for a terminal: B, B′ and the GoodNet, a line for each clean split and attack."""
    shown = tables.rates_table("net")
    for net, name in NETS.items():
        tables.add(shown, (name,), rates[net])
    return shown
