"""The gate against SciPy's Mahalanobis distance, by its pass rate, and on real images."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score

from freezenet.edge_runtime.ood import ood_from_dict, ood_to_dict
from freezenet.train.frozen.cut import articulation_layer, split_model
from freezenet.train.network.model import build_model
from freezenet.train.ood.one_class import MOST_DIRECTIONS, fit_gate, trunk_features
from freezenet.train.recipes.recipe import load_recipe


def correlated(count: int, channels: int = 6, seed: int = 0) -> np.ndarray:
    mixing = np.random.default_rng(99).normal(size=(channels, channels))
    return np.random.default_rng(seed).normal(size=(count, channels)) @ mixing + 3


def test_the_distance_is_mahalanobis_under_the_shrunk_covariance():
    train = correlated(300)
    gate = fit_gate(train, correlated(100, seed=1))
    inverse = np.linalg.inv(LedoitWolf().fit(train).covariance_)
    for features in correlated(10, seed=2):
        assert gate.score(features) == pytest.approx(mahalanobis(features, train.mean(0), inverse))


def test_images_like_the_validation_images_pass():
    gate = fit_gate(correlated(500), correlated(80, seed=1))
    passed = np.mean([gate.passes(one) for one in correlated(3000, seed=2)])
    assert passed > 0.985
    assert not any(gate.passes(one) for one in correlated(100, seed=3) + 30)


def test_a_feature_that_never_varies_does_not_break_it():
    train = np.column_stack([correlated(100), np.zeros(100)])
    gate = fit_gate(train, np.column_stack([correlated(50, seed=1), np.zeros(50)]))
    assert np.isfinite(gate.threshold)
    assert gate.passes(train[0])


def test_many_features_are_read_in_few_directions():
    gate = fit_gate(correlated(200, channels=100), correlated(50, channels=100, seed=1))
    assert gate.whitening.shape == (MOST_DIRECTIONS, 100)


def test_the_card_holds_the_same_gate():
    for channels in (6, 100):
        gate = fit_gate(correlated(300, channels), correlated(80, channels, seed=1))
        read = ood_from_dict(json.loads(json.dumps(ood_to_dict(gate))))
        for features in correlated(20, channels, seed=2):
            assert read.score(features) == pytest.approx(gate.score(features), rel=2e-3)


@pytest.fixture(scope="module")
def network():
    recipe = load_recipe("phantoms", ("image_size=64",))
    keras.utils.set_random_seed(0)
    return build_model(recipe, ("a", "b"), "none"), recipe


def test_features_are_the_mean_of_the_trunks_tensor_cached_or_not(network):
    model, recipe = network
    pixels = np.random.default_rng(0).integers(0, 256, (70, 64, 64), dtype=np.uint8)
    prefix, _ = split_model(model, articulation_layer(model))
    tensors = np.concatenate(
        [np.asarray(prefix(recipe.preprocess.normalized(pixels[start : start + 35]))) for start in (0, 35)]
    )
    expected = tensors.mean((1, 2))
    np.testing.assert_allclose(trunk_features(model, pixels, recipe), expected, atol=1e-5)
    np.testing.assert_allclose(trunk_features(model, pixels, recipe, tensors), expected, atol=1e-5)


def test_without_a_frozen_part_the_last_feature_map_is_read():
    recipe = load_recipe("phantoms", ("image_size=64", "freeze_fraction=0", "cache=none"))
    model = build_model(recipe, ("a", "b"), "none")
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64), dtype=np.uint8)
    assert trunk_features(model, pixels, recipe).shape == (3, model.get_layer("pool").input.shape[-1])


def test_what_is_frozen_up_to_the_pooling_is_pooled_already():
    recipe = load_recipe("phantoms", ("image_size=64", "freeze_fraction=1", "pooling=max"))
    model = build_model(recipe, ("a", "b"), "none")
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64), dtype=np.uint8)
    cached = np.asarray(keras.Model(model.input, model.get_layer("pool").output)(recipe.preprocess.normalized(pixels)))
    np.testing.assert_allclose(trunk_features(model, pixels, recipe), cached, atol=1e-6)
    np.testing.assert_array_equal(trunk_features(model, pixels, recipe, cached), cached)


def test_real_chest_x_rays_are_told_from_other_pictures(shared):
    """ImageNet features of a narrow network; no image of the other kind takes part in the fit."""
    recipe = load_recipe("mobile-freezenet", ("alpha=0.35", "image_size=96"))
    model = build_model(recipe, ("a", "b"), str(shared / "weights" / "mobilenet_v2_imagenet_0.35_224_no_top.h5"))
    chests = sorted((shared / "data" / "cxr").rglob("*.jpg"))[::4]
    others = [path for path in sorted((shared / "data" / "not-cxr").rglob("*")) if path.suffix in (".jpg", ".png")]

    def features(paths):
        return trunk_features(model, np.stack([recipe.preprocess.pixels(path) for path in paths]), recipe)

    order = np.random.default_rng(0).permutation(len(chests))
    train, validation, test = (features([chests[n] for n in part]) for part in np.split(order, [150, 220]))
    gate = fit_gate(train, validation)
    near, far = ([gate.score(one) for one in part] for part in (test, features(others)))
    assert roc_auc_score([0] * len(near) + [1] * len(far), near + far) > 0.98
    assert np.mean(np.array(near) <= gate.threshold) > 0.95
