"""What Keras, NumPy and Python keep for a whole process: set for the work, given back to the host program afterwards."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import keras
import numpy as np


@contextlib.contextmanager
def own_settings() -> Iterator[None]:
    """Work with Keras' defaults and seeds of our own, and give the host its own back at the end, also where the block raises.

    A host may have chosen another dtype policy, float type, order of axes or distribution, and may draw random numbers itself.
    The seed of the backend alone cannot be read, so what the host draws from TensorFlow, JAX or PyTorch afterwards begins anew.
    Used as a decorator, too.
    """
    policy, distribution = keras.config.dtype_policy(), keras.distribution.distribution()
    floats, axes = keras.config.floatx(), keras.config.image_data_format()
    drawn, drawn_by_numpy = random.getstate(), np.random.get_state()
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_floatx(floats)
        keras.config.set_image_data_format(axes)
        keras.config.set_dtype_policy(policy)
        keras.distribution.set_distribution(distribution)
        random.setstate(drawn)
        np.random.set_state(drawn_by_numpy)
