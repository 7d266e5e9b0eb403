"""What a host program set for the whole process does not reach the work, and the work does not reach the host."""

from __future__ import annotations

import random

import keras
import numpy as np
import pytest

from freezenet.train.network.host_settings import own_settings


@pytest.fixture
def host():
    """A host with settings of its own; the test process gets Keras' defaults back."""
    keras.config.set_floatx("float64")
    keras.config.set_image_data_format("channels_first")
    keras.config.set_dtype_policy("mixed_float16")
    random.seed(5)
    np.random.seed(5)
    yield
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    keras.config.set_dtype_policy("float32")


def seen() -> tuple[str, str, str]:
    return keras.config.floatx(), keras.config.image_data_format(), keras.config.dtype_policy().name


@pytest.mark.parametrize("raises", [False, True])
def test_the_host_gets_back_what_it_had(host, raises):
    before = seen()
    expected = random.Random(5).random(), np.random.RandomState(5).random()
    try:
        with own_settings():
            assert seen() == ("float32", "channels_last", "float32")
            keras.utils.set_random_seed(1)
            keras.config.set_dtype_policy("bfloat16")
            if raises:
                raise RuntimeError("the work failed")
    except RuntimeError:
        assert raises
    assert seen() == before
    assert (random.random(), np.random.random()) == expected
