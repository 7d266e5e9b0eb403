"""A small untrained network with a branch, for tests that are about the file and not about the answers."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from freezenet.convert.converter import Converter
from freezenet.convert.ptq.calibration import Calibration
from freezenet.edge_runtime.images.preprocess import PreprocessSpec


@pytest.fixture(scope="session")
def small_pixels() -> np.ndarray:
    """Images (12, 32, 32) uint8 that differ in brightness, so that the scores do."""
    rng = np.random.default_rng(0)
    return (rng.random((12, 32, 32)) * np.linspace(40, 255, 12)[:, None, None]).astype(np.uint8)


@pytest.fixture(scope="session")
def small(small_pixels) -> Converter:
    """A converter of: convolution, depthwise, branch and addition, pooling, softmax."""
    keras.utils.set_random_seed(3)
    image = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", name="first")(image)
    x = keras.layers.ReLU(6.0, name="first_relu")(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = start = keras.layers.ReLU(6.0, name="depthwise_relu")(x)
    x = keras.layers.Conv2D(8, 1, name="point")(x)
    x = keras.layers.Add(name="add")([start, x])
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(image, keras.layers.Dense(3, activation="softmax", name="scores")(x))
    return Converter(model, Calibration(small_pixels, ()).representative(PreprocessSpec(size=(32, 32))))
