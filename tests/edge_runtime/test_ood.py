"""The gate against SciPy's Mahalanobis distance and a hand-computed probability."""

from __future__ import annotations

import base64
import json
import struct

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from scipy.special import expit

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.ood import BothGates, LogisticGate, OneClassGate, ood_from_dict, ood_to_dict

ONE = ood_to_dict(OneClassGate(np.zeros(1), np.eye(1), 1.0))


def test_the_distance_is_the_mahalanobis_distance():
    rng = np.random.default_rng(0)
    training = rng.normal(size=(200, 5)) @ rng.normal(size=(5, 5))
    mean, inverse = training.mean(0), np.linalg.inv(np.cov(training, rowvar=False))
    gate = OneClassGate(mean, np.linalg.cholesky(inverse).T, 3.0)
    read = ood_from_dict(json.loads(json.dumps(ood_to_dict(gate))))
    for features in rng.normal(size=(20, 5)) * 3:
        expected = mahalanobis(features, mean, inverse)
        assert gate.score(features) == pytest.approx(expected)
        assert gate.passes(features) == (expected <= 3)
        assert read.score(features) == pytest.approx(expected, rel=2e-3)  # float16


def test_the_card_is_read_as_its_description_says():
    """W = [[1, -2, 4], [0, .5, 2]], by hand: from the diagonal on, divided by the scale 4, as float16."""
    triangle = base64.b64encode(struct.pack("<5e", 0.25, -0.5, 1, 0.125, 0.5)).decode()
    content = {
        "kind": "one-class",
        "mean": [1, 0, 0],
        "directions": 2,
        "scale": 4,
        "triangle": triangle,
        "threshold": 3,
    }
    gate = ood_from_dict(content)
    np.testing.assert_array_equal(gate.whitening, [[1, -2, 4], [0, 0.5, 2]])
    assert gate.score(np.array([2.0, 1.0, 0.5])) == pytest.approx(np.hypot(1 - 2 + 2, 0.5 + 1))


def test_the_logistic_gate_is_the_logistic_function():
    gate = ood_from_dict({"kind": "logistic", "weights": [2.0, -1.0], "bias": 0.5, "threshold": 0.5})
    assert gate.score(np.array([1.0, 1.0])) == pytest.approx(expit(1.5))
    assert gate.score(np.array([-4000.0, 0.0])) == 0  # no overflow on the way
    assert gate.passes(np.array([0.0, 0.5]))  # exactly one half
    assert not gate.passes(np.array([0.0, 0.51]))


@pytest.mark.parametrize(
    "gate",
    [
        OneClassGate(np.zeros(2), np.eye(2), 1.0),
        LogisticGate(np.ones(2), 0.0, 0.5),
        BothGates((LogisticGate(np.zeros(2), 0.0, 0.5), OneClassGate(np.zeros(2), np.eye(2), 1.0))),
    ],
    ids=["one-class", "logistic", "both"],
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
        {**ONE, "mean": [0, 0]},
        {**ONE, "mean": ["a"]},
        {**ONE, "threshold": 0},
        {**ONE, "threshold": float("inf")},
        {**ONE, "triangle": "!" * 10_000},
        {**ONE, "scale": float("inf")},
        {**ONE, "mean": [float("nan")]},
        {**ONE, "triangle": "ADwAPA=="},
        {**ONE, "directions": 2},
        {"kind": "logistic", "weights": [1], "bias": 0, "threshold": 1.5},
        {"kind": "logistic", "weights": [1], "bias": None, "threshold": 0.5},
        [],
        {"kind": "both"},
        {"kind": "both", "gates": []},
        {"kind": "both", "gates": [1]},
        {"kind": "both", "gates": [ONE, {"kind": "both", "gates": [ONE]}]},
        {"kind": "both", "gates": [ONE, {"kind": "neural", "threshold": 1}]},
    ],
)
def test_a_gate_that_cannot_be_followed_is_refused(content):
    with pytest.raises(FreezenetError, match=r"^An OOD gate of .* is required in the card\. Got: ") as caught:
        ood_from_dict(content)
    assert len(str(caught.value)) < 300


def test_both_pass_what_each_passes():
    near = OneClassGate(np.zeros(2), np.eye(2), 2.0)
    left = LogisticGate(np.array([-1.0, 0.0]), 0.0, 0.5)
    both = BothGates((near, left))
    read = ood_from_dict(json.loads(json.dumps(ood_to_dict(both))))
    for gate in (both, read):
        assert gate.passes(np.array([-1.0, 0.0]))
        assert not gate.passes(np.array([1.0, 0.0]))  # the logistic gate refuses
        assert not gate.passes(np.array([-3.0, 0.0]))  # the one-class gate refuses
        assert not gate.passes(np.array([np.nan, 0.0]))
