"""OOD gates against SciPy's Mahalanobis distance and scikit-learn's own pipeline, by their pass rates, and on real images."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from scipy.special import logit
from scipy.stats import norm
from sklearn.covariance import LedoitWolf
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from freezenet.edge_runtime.ood import ood_from_dict, ood_to_dict
from freezenet.train.frozen.backbone import backbone_features
from freezenet.train.network.model import build_model
from freezenet.train.ood.gates import MOST_DIRECTIONS, fit_logistic_gate, fit_one_class_gate
from freezenet.train.recipes.recipe import load_recipe


def correlated(count: int, channels: int = 6, seed: int = 0) -> np.ndarray:
    mixing = np.random.default_rng(99).normal(size=(channels, channels))
    return np.random.default_rng(seed).normal(size=(count, channels)) @ mixing + 3


def test_the_distance_is_mahalanobis_under_the_shrunk_covariance():
    train = correlated(300)
    gate = fit_one_class_gate(train, correlated(100, seed=1))
    inverse = np.linalg.inv(LedoitWolf().fit(train).covariance_)
    for features in correlated(10, seed=2):
        assert gate.score(features) == pytest.approx(mahalanobis(features, train.mean(0), inverse))


def test_images_like_the_validation_images_pass():
    gate = fit_one_class_gate(correlated(500), correlated(80, seed=1))
    passed = np.mean([gate.passes(one) for one in correlated(3000, seed=2)])
    assert passed > 0.985
    assert not any(gate.passes(one) for one in correlated(100, seed=3) + 30)


def test_a_feature_that_never_varies_does_not_break_it():
    train = np.column_stack([correlated(100), np.zeros(100)])
    gate = fit_one_class_gate(train, np.column_stack([correlated(50, seed=1), np.zeros(50)]))
    assert np.isfinite(gate.threshold)
    assert gate.passes(train[0])


def test_many_features_are_read_in_few_directions():
    gate = fit_one_class_gate(correlated(200, channels=100), correlated(50, channels=100, seed=1))
    assert gate.whitening.shape == (MOST_DIRECTIONS, 100)


def test_the_card_holds_the_same_gate():
    for channels in (6, 100):
        gate = fit_one_class_gate(correlated(300, channels), correlated(80, channels, seed=1))
        read = ood_from_dict(json.loads(json.dumps(ood_to_dict(gate))))
        for features in correlated(20, channels, seed=2):
            assert read.score(features) == pytest.approx(gate.score(features), rel=2e-3)


def test_real_chest_x_rays_are_told_from_other_pictures(shared):
    """ImageNet features of a narrow network; no image of the other kind takes part in the fit."""
    recipe = load_recipe("mobile-freezenet", ("alpha=0.35", "image_size=96"))
    model = build_model(recipe, ("a", "b"), str(shared / "weights" / "mobilenet_v2_imagenet_0.35_224_no_top.h5"))
    chests = sorted((shared / "data" / "cxr").rglob("*.jpg"))[::4]
    others = [path for path in sorted((shared / "data" / "not-cxr").rglob("*")) if path.suffix in (".jpg", ".png")]

    def features(paths):
        return backbone_features(model, np.stack([recipe.preprocess.pixels(path) for path in paths]), recipe.preprocess)

    order = np.random.default_rng(0).permutation(len(chests))
    train, validation, test = (features([chests[n] for n in part]) for part in np.split(order, [150, 220]))
    gate = fit_one_class_gate(train, validation)
    near, far = ([gate.score(one) for one in part] for part in (test, features(others)))
    assert roc_auc_score([0] * len(near) + [1] * len(far), near + far) > 0.98
    assert np.mean(np.array(near) <= gate.threshold) > 0.95


def spread(count: int, shift: float = 0.0, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(count, 5)) * [1, 10, 0.1, 3, 1] + 4 + shift * np.array([1, 5, 0, 0, 0])).astype(np.float32)


def test_folded_weights_give_the_probabilities_of_the_pipeline():
    train, negatives = spread(300), spread(40, 1.5, seed=1)
    gate = fit_logistic_gate(train, negatives, spread(80, seed=2))
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=10_000))
    pipeline.fit(np.concatenate([train, negatives]).astype(float), [1] * 300 + [0] * 40)
    shown = spread(50, 0.7, seed=3)
    expected = pipeline.predict_proba(shown.astype(float))[:, 1]
    assert [gate.score(one) for one in shown] == pytest.approx(expected.tolist(), abs=1e-6)
    read = ood_from_dict(json.loads(json.dumps(ood_to_dict(gate))))
    assert [read.score(one) for one in shown] == pytest.approx(expected.tolist(), abs=1e-4)
    assert read.threshold == gate.threshold


def test_the_threshold_is_the_quantile_of_the_validation_images():
    gate = fit_logistic_gate(spread(300), spread(40, 0.5, seed=1), spread(80, seed=2))
    log_odds = logit([gate.score(one) for one in spread(80, seed=2)])
    quantile = norm.ppf(0.001, log_odds.mean(), log_odds.std(ddof=1))
    assert quantile < 0
    assert logit(gate.threshold) == pytest.approx(quantile, rel=1e-4)


def test_nothing_is_refused_that_looks_more_like_a_chest_x_ray():
    gate = fit_logistic_gate(spread(300), spread(40, 20, seed=1), spread(80, seed=2))
    assert gate.threshold == 0.5
    assert all(gate.passes(one) for one in spread(500, seed=3))
    assert not any(gate.passes(one) for one in spread(100, 20, seed=4))


def test_few_negatives_weigh_as_much_as_many_chest_x_rays():
    """Balanced: twice the same negatives change nothing."""
    once = fit_logistic_gate(spread(300), spread(20, 1, seed=1), spread(80, seed=2))
    twice = fit_logistic_gate(spread(300), np.repeat(spread(20, 1, seed=1), 2, 0), spread(80, seed=2))
    shown = spread(30, 0.5, seed=3)
    assert [once.score(one) for one in shown] == pytest.approx([twice.score(one) for one in shown], abs=0.05)
