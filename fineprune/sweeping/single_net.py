"""One pruned net, measured beside its BadNet and the GoodNet that they make."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import tf_keras as keras

from fineprune.badnets.source import BadNet, read_network, shape_of
from fineprune.errors import ConfigError
from fineprune.evaluation.predict import predict
from fineprune.goodnet import GoodNet
from fineprune.names import BADNET, GOODNET, PRUNED
from fineprune.sweeping import metrics

NETS = {BADNET: "B", PRUNED: "B′", GOODNET: "GoodNet"}

Rates = Mapping[str, Mapping[str, Mapping[str, float]]]


def read_pruned(path: str, architecture: str, badnet: BadNet) -> keras.Model:
    """The pruned net in the file `path`; raises ModelError unless it has the images and classes of the BadNet."""
    if not badnet.data.splits:
        raise ConfigError("expected images to evaluate on, got none: set data.clean_test, data.poisoned.NAME or both")
    pruned = read_network(path, architecture, shape_of(badnet.data))
    GoodNet(badnet.network.model, pruned)
    return pruned


def rates(badnet: BadNet, pruned: keras.Model) -> Rates:
    """For each of `badnet`, `pruned` and `goodnet`, the rates on every split of the data, by split and rate."""
    for name, split in badnet.data.splits.items():
        badnet.network.check_takes(split, name)
    before: dict[str, float] = {}
    after: dict[str, float] = {}
    for name, split in badnet.data.splits.items():
        badnet_labels, pruned_labels = predict(badnet.network.model, split), predict(pruned, split)
        for table, labels in ((before, badnet_labels), (after, pruned_labels)):
            table |= metrics.rates(name, split, name in badnet.data.poisoned, badnet_labels, labels)
    effect = metrics.defence_effectiveness(pd.DataFrame([before, after])).iloc[1]
    after |= {str(rate): float(value) for rate, value in effect.items()}
    return {
        BADNET: metrics.of_net(before, PRUNED),
        PRUNED: metrics.of_net(after, PRUNED),
        GOODNET: metrics.of_net(after, GOODNET),
    }
