"""Threads: one that prepares the next item, and one a core for matrix products."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

Item = TypeVar("Item")


@contextmanager
def prefetched(items: Iterable[Item]) -> Generator[Iterator[Item]]:
    """The same items, the next one fetched early by a thread, which ends with the context. Errors arrive as raised."""
    source = iter(items)
    with ThreadPoolExecutor(1) as thread:

        def fetched() -> Iterator[Item]:
            next_items = thread.submit(lambda: list(islice(source, 1)))
            while item := next_items.result():
                next_items = thread.submit(lambda: list(islice(source, 1)))
                yield item[0]

        yield fetched()


@contextmanager
def one_a_core() -> Generator[int]:
    """Keep each product of matrices to one thread, and yield how many threads may multiply at once.

    Threads that share a product wait for the slowest, several times over, as soon as another process wants a core:
    with work of their own they do not. The number is what BLAS found, the cores of this process or OMP_NUM_THREADS.
    """
    blas = ThreadpoolController().select(user_api="blas")
    cores = max((library["num_threads"] for library in blas.info()), default=1)
    with blas.limit(limits=1):
        yield cores
