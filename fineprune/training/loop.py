"""Training whatever a paper asks for: any loss, of any variables, down or up."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import tensorflow as tf
import tf_keras as keras

from fineprune.errors import DataError
from fineprune.progress import bar

Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
Watch = Callable[[int, float], object]

_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """The mean cross-entropy, in nats, of labels, (n,), and scores before a softmax, (n, classes)."""
    return _entropy(labels, logits)


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
            with tf.GradientTape() as tape:
                value = loss(images, labels)
                objective = -value if ascend else value
            optimizer.apply_gradients(zip(tape.gradient(objective, variables), variables, strict=True))
            if after is not None:
                after()
            return value

        self._step = tf.function(step)

    def run(self, batches: tf.data.Dataset, what: str, watch: Watch | None = None) -> None:
        """One step a batch. `watch` follows each, with the number of steps so far and its loss; what is true ends it.

        It is not compiled. `what` names the work on the progress bar. Raises DataError where the images cannot be read.
        """
        step = self._step.get_concrete_function(*batches.element_spec)
        mean = 0.0
        with bar() as progress, unwrap_data_errors():
            task = progress.add_task(what, total=len(batches))
            for number, batch in enumerate(batches, start=1):
                value = float(step(*batch))
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
