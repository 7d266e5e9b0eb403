"""The frozen half computed by Keras and by XNNPACK: the same features for any number of images."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from freezenet.train.frozen.cut import articulation_layer, split_model
from freezenet.train.frozen.prefix import XNNPACK_FROM, PrefixRunner, choose_engine
from freezenet.train.network.model import build_model
from freezenet.train.recipes.recipe import Recipe

RECIPE = Recipe(alpha=0.35, image_size=96, freeze_fraction=0.3)


@pytest.fixture(scope="module")
def prefix() -> keras.Model:
    keras.utils.set_random_seed(0)
    model = build_model(RECIPE, ("A", "B"), "none")
    rng = np.random.default_rng(0)
    for layer in model.layers:  # statistics as after a training, so that folding them has something to fold
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, offset, mean, variance = layer.get_weights()
            layer.set_weights([rng.uniform(0.8, 1.5, gamma.shape), rng.normal(0, 0.2, offset.shape),
                               rng.normal(0, 0.2, mean.shape), rng.uniform(0.2, 1, variance.shape)])  # fmt: skip
    return split_model(model, articulation_layer(model))[0]


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (37, 96, 96), np.uint8)


@pytest.fixture(scope="module")
def runners(prefix) -> dict[str, PrefixRunner]:
    return {engine: PrefixRunner(prefix, RECIPE.preprocess, engine, 2) for engine in ("keras", "xnnpack")}


@pytest.mark.parametrize("engine", ["keras", "xnnpack"])
def test_features_are_the_models_output(prefix, pixels, runners, engine):
    found = runners[engine](pixels)
    x = np.repeat((pixels.astype(np.float32)[..., None] - 128) / 127.5, 3, -1)
    expected = np.asarray(prefix(x, training=False))
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    assert np.abs(expected).max() > 0.1  # something to compare
    assert np.abs(found - expected).max() < 1e-4


def test_the_number_of_images_does_not_matter(pixels, runners):
    for run in runners.values():
        whole = run(pixels)
        for count in (1, 8, 33):
            np.testing.assert_allclose(run(pixels[:count]), whole[:count], atol=1e-5)


def test_conversion_leaves_the_network_as_it_was(prefix, pixels):
    weights = prefix.get_weights()
    PrefixRunner(prefix, RECIPE.preprocess, "xnnpack", 1)(pixels[:1])
    assert all((a == b).all() for a, b in zip(weights, prefix.get_weights(), strict=True))
    assert articulation_layer(prefix) is not None


def test_engine():
    assert choose_engine(XNNPACK_FROM - 1, has_gpu=False) == "keras"
    assert choose_engine(XNNPACK_FROM, has_gpu=False) == "xnnpack"
    assert choose_engine(10**6, has_gpu=True) == "keras"
