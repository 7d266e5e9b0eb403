"""A small untrained network with a branch, for tests that are about the file and not about the answers."""

from __future__ import annotations

from pathlib import Path

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


@pytest.fixture(scope="session")
def quantized(run, made_once) -> Path:
    """The MODELS folder of `run` with int8, int8-qat and mixed, in both profiles."""
    from freezenet.convert.models import convert
    from freezenet.convert.options import AcceptanceLimits, ConvertOptions, QatSettings, changed

    # Pruned, so that the start cannot be the best epoch, whatever this small net makes of the training.
    settings = changed(QatSettings(), ["epochs=2", "sparsity=0.25"])
    options = ConvertOptions(
        variants=("int8", "int8-qat", "mixed"),
        profiles=("edge", "app"),
        acceptance=False,
        # Whatever the small net lost to its integers, `mixed` accepts it.
        limits=AcceptanceLimits(f1_kept=0, recall_loss=1, agreement=0),
        qat=settings,
        debug_layers=True,
    )
    return made_once("quantized", lambda folder: convert(run, folder / "models", options=options)) / "models"
