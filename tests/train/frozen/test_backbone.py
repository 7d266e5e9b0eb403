"""The frozen backbone computed by Keras and by XNNPACK: the same features for any number of images."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from freezenet.train.frozen.backbone import XNNPACK_FROM, FrozenBackbone, backbone_features, choose_engine
from freezenet.train.frozen.cut import find_cut, split_model
from freezenet.train.network.model import build_model
from freezenet.train.recipes.recipe import Recipe, load_recipe

RECIPE = Recipe(alpha=0.35, image_size=96, freeze_fraction=0.3)


@pytest.fixture(scope="module")
def frozen() -> keras.Model:
    keras.utils.set_random_seed(0)
    model = build_model(RECIPE, ("A", "B"), "none")
    rng = np.random.default_rng(0)
    for layer in model.layers:  # statistics as after a training, so that fusing them changes something
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, offset, mean, variance = layer.get_weights()
            layer.set_weights([rng.uniform(0.8, 1.5, gamma.shape), rng.normal(0, 0.2, offset.shape),
                               rng.normal(0, 0.2, mean.shape), rng.uniform(0.2, 1, variance.shape)])  # fmt: skip
    return split_model(model, find_cut(model))[0]


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (37, 96, 96), np.uint8)


@pytest.fixture(scope="module")
def runners(frozen) -> dict[str, FrozenBackbone]:
    return {
        engine: FrozenBackbone(frozen, RECIPE.preprocess, engine=engine, threads=2) for engine in ("keras", "xnnpack")
    }


@pytest.mark.parametrize("engine", ["keras", "xnnpack"])
def test_features_are_the_models_output(frozen, pixels, runners, engine):
    found = runners[engine](pixels)
    x = np.repeat((pixels.astype(np.float32)[..., None] - 128) / 127.5, 3, -1)
    expected = np.asarray(frozen(x, training=False))
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    assert np.abs(expected).max() > 0.1  # something to compare
    assert np.abs(found - expected).max() < 1e-4


def test_the_number_of_images_does_not_matter(pixels, runners):
    for run in runners.values():
        whole = run(pixels)
        for count in (1, 8, 33):
            np.testing.assert_allclose(run(pixels[:count]), whole[:count], atol=1e-5)


def test_conversion_leaves_the_network_as_it_was(frozen, pixels):
    weights = frozen.get_weights()
    FrozenBackbone(frozen, RECIPE.preprocess, engine="xnnpack", threads=1)(pixels[:1])
    assert all((a == b).all() for a, b in zip(weights, frozen.get_weights(), strict=True))
    assert find_cut(frozen) is not None


def test_engine():
    assert choose_engine(XNNPACK_FROM - 1, has_gpu=False) == "keras"
    assert choose_engine(XNNPACK_FROM, has_gpu=False) == "xnnpack"
    assert choose_engine(10**6, has_gpu=True) == "keras"


@pytest.fixture(scope="module")
def network():
    recipe = load_recipe("phantoms", ("image_size=64",))
    keras.utils.set_random_seed(0)
    return build_model(recipe, ("a", "b"), "none"), recipe


def test_features_are_the_mean_of_the_backbones_tensor_cached_or_not(network):
    model, recipe = network
    pixels = np.random.default_rng(0).integers(0, 256, (70, 64, 64), dtype=np.uint8)
    prefix, _ = split_model(model, find_cut(model))
    tensors = np.concatenate(
        [np.asarray(prefix(recipe.preprocess.normalized(pixels[start : start + 35]))) for start in (0, 35)]
    )
    expected = tensors.mean((1, 2))
    np.testing.assert_allclose(backbone_features(model, pixels, recipe.preprocess), expected, atol=1e-5)
    np.testing.assert_allclose(backbone_features(model, pixels, recipe.preprocess, cached=tensors), expected, atol=1e-5)


def test_without_a_frozen_part_the_last_feature_map_is_read():
    recipe = load_recipe("phantoms", ("image_size=64", "freeze_fraction=0", "cache=none"))
    model = build_model(recipe, ("a", "b"), "none")
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64), dtype=np.uint8)
    assert backbone_features(model, pixels, recipe.preprocess).shape == (3, model.get_layer("pool").input.shape[-1])


def test_what_is_frozen_up_to_the_pooling_is_pooled_already():
    recipe = load_recipe("phantoms", ("image_size=64", "freeze_fraction=1", "pooling=max"))
    model = build_model(recipe, ("a", "b"), "none")
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64), dtype=np.uint8)
    cached = np.asarray(keras.Model(model.input, model.get_layer("pool").output)(recipe.preprocess.normalized(pixels)))
    np.testing.assert_allclose(backbone_features(model, pixels, recipe.preprocess), cached, atol=1e-6)
    np.testing.assert_array_equal(backbone_features(model, pixels, recipe.preprocess, cached=cached), cached)


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"], indirect=True)
def test_a_backbone_in_mixed_precision_is_converted_in_float32(precision, frozen, pixels):
    keras.config.set_dtype_policy(precision)
    try:
        model = build_model(RECIPE, ("A", "B"), "none")
    finally:
        keras.config.set_dtype_policy("float32")
    mixed, _ = split_model(model, find_cut(model))
    mixed.set_weights(frozen.get_weights())
    runs = [FrozenBackbone(mixed, RECIPE.preprocess, engine=engine, threads=1) for engine in ("xnnpack", "keras")]
    expected = FrozenBackbone(frozen, RECIPE.preprocess, engine="keras", threads=1)(pixels)
    exact, rounded = (run(pixels) for run in runs)
    assert exact.dtype == rounded.dtype == np.float32
    assert np.abs(exact - expected).max() < 1e-4
    assert 1e-4 < np.abs(rounded - expected).max() < 1  # 11 or 8 bits: near, and not the same
    assert mixed.layers[1].compute_dtype == precision.removeprefix("mixed_")
