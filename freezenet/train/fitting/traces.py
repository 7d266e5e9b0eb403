"""What TensorFlow would keep of a finished training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def forgotten_traces() -> Iterator[None]:
    """Forget at the end which custom gradients were registered inside.

    TensorFlow registers one for each training step that it traces (in `all_reduce`, which Keras calls also on a single device) and
    never drops it; through it all variables of the network and of its optimizer would stay in memory, some 40 MB a training.
    Other backends have no such register.
    """
    if keras.backend.backend() != "tensorflow":
        yield
        return
    from tensorflow.python.framework import ops

    registered = ops.gradient_registry._registry
    before = set(registered)
    try:
        yield
    finally:
        for name in set(registered) - before:
            if name.startswith("CustomGradient"):  # not those of an operation that was imported meanwhile
                del registered[name]
