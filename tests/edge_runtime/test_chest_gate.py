"""The gate against SciPy's Mahalanobis distance and a hand-computed probability."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from scipy.special import expit

from edge_runtime.chest_gate import LogisticGate, OneClassGate, gate_from_dict
from edge_runtime.errors import FreezenetError


def test_the_distance_is_the_mahalanobis_distance():
    rng = np.random.default_rng(0)
    training = rng.normal(size=(200, 5)) @ rng.normal(size=(5, 5))
    mean, inverse = training.mean(0), np.linalg.inv(np.cov(training, rowvar=False))
    content = {
        "kind": "one-class",
        "mean": mean.tolist(),
        "whitening": np.linalg.cholesky(inverse).T.tolist(),
        "threshold": 3.0,
    }
    gate = gate_from_dict(content)
    for features in rng.normal(size=(20, 5)) * 3:
        expected = mahalanobis(features, mean, inverse)
        assert gate.score(features.astype(np.float64)) == pytest.approx(expected)
        assert gate.passes(features) == (expected <= 3)


def test_the_logistic_gate_is_the_logistic_function():
    gate = gate_from_dict({"kind": "logistic", "weights": [2.0, -1.0], "bias": 0.5, "threshold": 0.5})
    assert gate.score(np.array([1.0, 1.0])) == pytest.approx(expit(1.5))
    assert gate.score(np.array([-4000.0, 0.0])) == 0  # no overflow on the way
    assert gate.passes(np.array([0.0, 0.5]))  # exactly one half
    assert not gate.passes(np.array([0.0, 0.51]))


@pytest.mark.parametrize(
    "gate",
    [OneClassGate(np.zeros(2), np.eye(2), 1.0), LogisticGate(np.ones(2), 0.0, 0.5)],
    ids=["one-class", "logistic"],
)
def test_nan_does_not_pass(gate):
    assert gate.passes(np.array([0.1, 0.1]))
    assert not gate.passes(np.array([np.nan, 0.1]))


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"kind": "one-class", "threshold": 1},
        {"kind": "neural", "threshold": 1},
        {"kind": "one-class", "mean": [0, 0], "whitening": [[1]], "threshold": 1},
        {"kind": "one-class", "mean": [0], "whitening": [[1]], "threshold": 0},
        {"kind": "one-class", "mean": ["a"], "whitening": [[1]], "threshold": 1},
        {"kind": "logistic", "weights": [1], "bias": 0, "threshold": 1.5},
        {"kind": "logistic", "weights": [1], "bias": None, "threshold": 0.5},
        [],
    ],
)
def test_a_gate_that_cannot_be_followed_is_refused(content):
    with pytest.raises(FreezenetError, match=r"^A gate of .* is required in the card\. Got: "):
        gate_from_dict(content)
