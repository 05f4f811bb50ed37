"""The control: nothing is pruned, so that what fine-tuning alone does can be told from what pruning does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fineprune.strategy import Step, Strategy

if TYPE_CHECKING:
    from fineprune.network import Network
    from fineprune.splits import Split


class NoPruning(Strategy):
    """One step that keeps everything."""

    def steps(self, network: Network, clean: Split) -> Iterator[Step]:
        yield Step({})
