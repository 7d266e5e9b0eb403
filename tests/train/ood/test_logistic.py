"""The logistic gate against scikit-learn's own pipeline, and its threshold against SciPy's quantile."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import logit
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from freezenet.edge_runtime.ood import ood_from_dict, ood_to_dict
from freezenet.train.ood.logistic import fit_logistic_gate


def features(count: int, shift: float = 0.0, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(count, 5)) * [1, 10, 0.1, 3, 1] + 4 + shift * np.array([1, 5, 0, 0, 0])).astype(np.float32)


def test_folded_weights_give_the_probabilities_of_the_pipeline():
    train, negatives = features(300), features(40, 1.5, seed=1)
    gate = fit_logistic_gate(train, negatives, features(80, seed=2))
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=10_000))
    pipeline.fit(np.concatenate([train, negatives]).astype(float), [1] * 300 + [0] * 40)
    shown = features(50, 0.7, seed=3)
    expected = pipeline.predict_proba(shown.astype(float))[:, 1]
    assert [gate.score(one) for one in shown] == pytest.approx(expected.tolist(), abs=1e-6)
    read = ood_from_dict(json.loads(json.dumps(ood_to_dict(gate))))
    assert [read.score(one) for one in shown] == pytest.approx(expected.tolist(), abs=1e-4)
    assert read.threshold == gate.threshold


def test_the_threshold_is_the_quantile_of_the_validation_images():
    gate = fit_logistic_gate(features(300), features(40, 0.5, seed=1), features(80, seed=2))
    log_odds = logit([gate.score(one) for one in features(80, seed=2)])
    quantile = norm.ppf(0.001, log_odds.mean(), log_odds.std(ddof=1))
    assert quantile < 0
    assert logit(gate.threshold) == pytest.approx(quantile, rel=1e-4)


def test_nothing_is_refused_that_looks_more_like_a_chest_x_ray():
    gate = fit_logistic_gate(features(300), features(40, 20, seed=1), features(80, seed=2))
    assert gate.threshold == 0.5
    assert all(gate.passes(one) for one in features(500, seed=3))
    assert not any(gate.passes(one) for one in features(100, 20, seed=4))


def test_few_negatives_weigh_as_much_as_many_chest_x_rays():
    """Balanced: twice the same negatives change nothing."""
    once = fit_logistic_gate(features(300), features(20, 1, seed=1), features(80, seed=2))
    twice = fit_logistic_gate(features(300), np.repeat(features(20, 1, seed=1), 2, 0), features(80, seed=2))
    shown = features(30, 0.5, seed=3)
    assert [once.score(one) for one in shown] == pytest.approx([twice.score(one) for one in shown], abs=0.05)
