"""Training whatever a paper asks for: any loss, of any variables, down or up."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import isfinite

import numpy as np
import tensorflow as tf
import tf_keras as keras

from fineprune.errors import ConfigError, DataError
from fineprune.progress import bar

Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
Watch = Callable[[int, float], object]


class Patience:
    """A watch that ends a training after more than `steps` steps in a row whose loss is no better.

    Better is what is below `share` times the lowest loss before.
    """

    def __init__(self, steps: int, share: float) -> None:
        self._steps, self._share, self._lowest, self._waited = steps, share, np.inf, 0

    def __call__(self, number: int, loss: float) -> bool:
        better = loss < self._share * self._lowest
        self._lowest, self._waited = (loss, 0) if better else (self._lowest, self._waited + 1)
        return self._waited > self._steps


class Training:
    """Steps of an optimizer that change `variables` so that `loss` falls, or rises with `ascend`; compiled once.

    `loss` is the paper's equation: a scalar from the images, (n, H, W, C), and labels, (n,), of a batch. It decides
    whether the network is in training mode, and may take inner steps, such as the search for a perturbation.
    `after` runs after each step, to put a norm right for instance; variables with a constraint need none. Both are
    compiled.
    """

    def __init__(
        self,
        loss: Loss,
        variables: Sequence[tf.Variable],
        optimizer: keras.optimizers.Optimizer,
        *,
        ascend: bool = False,
        after: Callable[[], object] | None = None,
    ) -> None:
        optimizer.build(variables)

        def step(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            # The tape watches these alone: what does not depend on them costs, and counts, no pass backward.
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(variables)
                value = loss(images, labels)
                objective = -value if ascend else value
            found = zip(tape.gradient(objective, variables), variables, strict=True)
            # Among replicas, of which there are none: TensorFlow would keep the graph for ever.
            optimizer.apply_gradients(found, skip_gradients_aggregation=True)
            if after is not None:
                after()
            return value

        self._step = tf.function(step)

    def run(self, batches: tf.data.Dataset, what: str, watch: Watch | None = None) -> None:
        """One step a batch, up to the last, or until `watch` returns true.

        `watch` is called after each step, with the number of steps so far and the loss; it is not compiled. `what`
        names the work on the progress bar. Raises DataError where the images cannot be read, and ConfigError once the
        loss is not finite.
        """
        step = self._step.get_concrete_function(*batches.element_spec)
        mean = 0.0
        with bar() as progress, unwrap_data_errors():
            task = progress.add_task(what, total=len(batches))
            for number, batch in enumerate(batches, start=1):
                value = float(step(*batch))
                if not isfinite(value):
                    raise ConfigError(
                        f"expected {what} to keep its loss finite, got {value} in step {number}: set a lower learning "
                        "rate"
                    )
                mean += (value - mean) / number
                progress.update(task, advance=1, status=f"loss {mean:.3f}")
                if watch is not None and watch(number, value):
                    break


def train(
    loss: Loss,
    variables: Sequence[tf.Variable],
    batches: tf.data.Dataset,
    optimizer: keras.optimizers.Optimizer,
    *,
    what: str,
    ascend: bool = False,
    after: Callable[[], object] | None = None,
    watch: Watch | None = None,
) -> None:
    """A `Training` that is run once."""
    Training(loss, variables, optimizer, ascend=ascend, after=after).run(batches, what, watch)


@contextmanager
def unwrap_data_errors() -> Iterator[None]:
    """Raise a DataError as it is, where TensorFlow has wrapped it into an error of its own."""
    try:
        yield
    except tf.errors.OpError as error:
        if reason := re.search(rf"{DataError.__name__}: (expected .*)", error.message):
            original = DataError(reason[1])
            raise original from None
        raise
