"""Against statsmodels-free references: SciPy's exact binomial interval, and patients drawn from a distribution that is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from freezenet.benchmarks.localize.ranks import (
    largest_share,
    least_answers,
    least_patients,
    patients_to_settle,
    rank_for,
    sensitivity_interval,
)


@pytest.mark.parametrize(("share", "least"), [(0.95, 19), (0.9, 9), (0.5, 1), (0.99, 99)])
def test_the_least_number_of_patients(share, least):
    assert least_patients(share) == least
    assert rank_for(share, least) == least
    assert rank_for(share, least - 1) > least - 1
    assert largest_share(least) == pytest.approx(share)


def test_the_interval_is_that_of_clopper_and_pearson():
    for found, patients in ((19, 19), (57, 60), (1, 3), (0, 4)):
        exact = binomtest(found, patients).proportion_ci(0.95, method="exact")
        assert sensitivity_interval(found, patients) == pytest.approx((exact.low, exact.high))


@pytest.mark.parametrize("patients", [25, 60])
def test_the_true_sensitivity_lies_inside_although_the_threshold_was_chosen_on_the_same_patients(patients):
    """Scores of a normal distribution, whose share above a threshold is known."""
    rank = rank_for(0.9, patients)
    low, high = sensitivity_interval(rank, patients)
    drawn = np.sort(np.random.default_rng(0).normal(size=(20_000, patients)), axis=1)[:, ::-1]
    true = norm.sf(drawn[:, rank - 1])
    assert np.mean((true >= low) & (true <= high)) >= 0.95
    assert true.mean() == pytest.approx(rank / (patients + 1), abs=0.002)
    assert true.mean() >= 0.9 - 0.002


def test_how_many_would_settle_it():
    needed = patients_to_settle(0.9, 0.05)
    assert sensitivity_interval(rank_for(0.9, needed), needed)[0] >= 0.85
    assert sensitivity_interval(rank_for(0.9, needed // 2), needed // 2)[0] < 0.85
    assert least_answers(0.02) == 49
