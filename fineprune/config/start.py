"""The start of TensorFlow: a few seconds, and without a word."""

from __future__ import annotations

import logging
import os
import sys


def load_tensorflow() -> None:
    """Import TensorFlow and Keras 2 while standard error is closed.

    What TensorFlow's compiled parts write there as they load obeys no log level.
    """
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    sys.stderr.flush()
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import tf_keras  # noqa: F401
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
