"""Thresholds against a search over all of them with scikit-learn's metrics."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, matthews_corrcoef

from freezenet.train.answers.thresholds import METRICS, best_threshold, choose_thresholds

REFERENCE = {"f1": lambda truth, said: f1_score(truth, said, zero_division=0), "matthews": matthews_corrcoef}


@given(
    rows=st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=2, max_size=40),
    metric=st.sampled_from(sorted(METRICS)),
)
@settings(deadline=None)
def test_no_threshold_between_observed_scores_or_at_half_is_better(rows, metric):
    scores, truth = np.array([one for one, _ in rows]) / 20, np.array([one for _, one in rows])
    found = best_threshold(scores, truth, METRICS[metric])
    values = np.unique(scores)
    tried = [0.5, *((values[1:] + values[:-1]) / 2).round(4)]
    assert found in tried
    if not truth.any():
        assert found == 0.5
        return
    reached = {one: REFERENCE[metric](truth, scores >= one) for one in tried}
    assert reached[found] == pytest.approx(max(reached.values()))
    nearer = [one for one in tried if abs(one - 0.5) < abs(found - 0.5) - 1e-9]
    assert all(reached[one] < reached[found] - 1e-9 for one in nearer)


def test_half_is_kept_where_it_is_as_good():
    scores, truth = np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True])
    for metric in METRICS.values():
        assert best_threshold(scores, truth, metric) == 0.5


def test_a_rare_label_gets_a_low_threshold():
    scores = np.array([0.01, 0.02, 0.03, 0.05, 0.2, 0.3])
    truth = np.array([False, False, False, False, True, True])
    assert best_threshold(scores, truth, METRICS["f1"]) == pytest.approx(0.125)


def test_each_label_has_its_own_and_one_without_images_keeps_half():
    scores = np.array([[0.9, 0.1, 0.3], [0.8, 0.3, 0.4], [0.6, 0.05, 0.9]])
    truth = np.array([[True, False, False], [True, True, False], [False, False, False]])
    np.testing.assert_allclose(choose_thresholds(scores, truth, "f1"), [0.7, 0.2, 0.5])


def test_differences_that_another_runtime_may_make_decide_nothing():
    truth = np.arange(40) % 2 == 1
    scores = 0.5089 + 1e-7 * truth
    assert best_threshold(scores, truth, METRICS["f1"]) == 0.5
    apart = np.where(truth, 0.3, 0.1) + 1e-7 * np.arange(40)
    assert best_threshold(apart, truth, METRICS["f1"]) == 0.2
