"""Figures write themselves, and the coverage of their intervals by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from freezenet.train.metrics.draws import patient_draws
from freezenet.train.metrics.figure import Figure, interval
from freezenet.train.metrics.matrices import subset_accuracy


def test_coverage():
    rng = np.random.default_rng(0)
    inside = 0
    for seed in range(200):
        right = rng.random(100) < 0.75
        draws = patient_draws([str(n) for n in range(100)], draws=400, seed=seed)
        low, high = interval(subset_accuracy(right, draws))
        inside += low <= 0.75 <= high
    # 95 % of 200 is 190; four standard deviations of the binomial are 12, and a percentile bootstrap is a bit narrow
    assert 175 <= inside <= 200


def test_figure_writes_itself():
    figure = Figure(0.92345678, 0.8814, 0.9561)
    assert str(figure) == f"{figure}" == "0.923 [0.881, 0.956]"
    assert f"{figure:+.2f}" == "+0.92 [+0.88, +0.96]"
    assert f"{figure.times(100):.1f %}" == "92.3 % [88.1, 95.6]"
    assert f"{Figure(-0.0, -0.01, 0.0).times(100):+.1f points}" == "+0.0 points [-1.0, +0.0]"
    assert figure.to_dict() == {"value": 0.923457, "low": 0.8814, "high": 0.9561}


def test_the_rest_of_a_share_turns_its_ends():
    rest = Figure(0.9, 0.8, 0.95).rest()
    assert (rest.value, rest.low, rest.high) == pytest.approx((0.1, 0.05, 0.2))
