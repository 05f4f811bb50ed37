"""The control: nothing is pruned, which separates what fine-tuning does from what pruning does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fineprune.data.split import Split
from fineprune.network.network import Network
from fineprune.network.step import Step
from fineprune.strategy import NOTHING, Strategy


class NoPruning(Strategy):
    """One step that keeps everything."""

    needs, control = NOTHING, True

    def steps(self, network: Network, clean: Split, **oracle: Any) -> Iterator[Step]:
        yield Step()
