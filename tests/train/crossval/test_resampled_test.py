"""The corrected resampled t-test by hand, and against SciPy's where there is nothing to correct."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from freezenet.train.crossval.resampled_test import corrected_resampled_test


def test_by_hand():
    # Five folds of 80 / 20: mean .02, variance .0001, error sqrt((1/5 + 1/4) * .0001) = .0067082, t = 2.98142 with 4 degrees:
    # p = .04063 (two-sided); half an interval 2.776445 * .0067082 = .018625
    found = corrected_resampled_test([0.01, 0.02, 0.03, 0.01, 0.03], 0.25)
    assert found.mean == pytest.approx(0.02)
    assert found.p == pytest.approx(0.04063, abs=2e-4)
    assert (found.low, found.high) == pytest.approx((0.001375, 0.038625), abs=1e-5)


def test_without_shared_training_images_it_is_the_paired_test():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.9, 0.02, 12), rng.normal(0.89, 0.02, 12)
    theirs = stats.ttest_rel(a, b)
    found = corrected_resampled_test(a - b, 0.0)
    interval = theirs.confidence_interval(0.95)
    assert found.p == pytest.approx(theirs.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_the_correction_makes_less_certain():
    differences = [0.01, 0.02, 0.015, 0.02, 0.01]
    assert corrected_resampled_test(differences, 0.25).p > corrected_resampled_test(differences, 0.0).p


def test_false_alarms_are_as_many_as_promised():
    """Under no difference with folds of correlation n_test / (n_test + n_train), as the correction assumes, 5 % are below .05."""
    rng = np.random.default_rng(1)
    folds, ratio = 10, 1 / 9
    shared = ratio / (1 + ratio)
    draws = np.sqrt(shared) * rng.normal(size=(4000, 1)) + np.sqrt(1 - shared) * rng.normal(size=(4000, folds))
    alarms = np.mean([corrected_resampled_test(one, ratio).p < 0.05 for one in draws])
    assert alarms == pytest.approx(0.05, abs=0.012)


def test_equal_recipes():
    found = corrected_resampled_test([0.0, 0.0, 0.0], 0.25)
    assert (found.mean, found.low, found.high, found.p) == (0, 0, 0, 1)
    assert corrected_resampled_test([0.1, 0.1, 0.1], 0.25).p == 0
