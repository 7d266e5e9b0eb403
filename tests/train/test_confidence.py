"""Calibration on scores whose true calibration is known, and against a count by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.calibration import calibration_curve

from edge_runtime.decision import DecisionRule
from train.confidence import Confidence, abstention_threshold, best_temperature, calibration_error

#: Of a multi-class model, and of a multi-label model with three labels.
CLASSES = DecisionRule(("a", "b", "c", "d"))
LABELS = DecisionRule(("a", "b", "c"), thresholds=np.array([0.5, 0.3, 0.8]))


def sets(classes, count: int = 2) -> np.ndarray:
    """Label sets of class numbers."""
    return np.eye(count, dtype=bool)[classes]


def drawn(count: int, sharpness: float = 1.0, seed: int = 0):
    """Scores and truth where the truth is drawn from softmax(z): scores of sharpness * z are right at T = sharpness."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=2, size=(count, 4))
    chances = softmax(logits, axis=1)
    truth = (chances.cumsum(1) < rng.random(count)[:, None]).sum(1)
    return softmax(sharpness * logits, axis=1), np.eye(4, dtype=bool)[truth]


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_what_was_done_to_the_logits(sharpness):
    assert best_temperature(CLASSES, *drawn(20_000, sharpness)) == pytest.approx(sharpness, rel=0.05)


def test_few_images_without_an_error_do_not_sharpen_without_bound():
    scores = np.full((50, 4), 0.02)
    scores[:, 0] = 0.94
    assert 0.5 < best_temperature(CLASSES, scores, sets(np.zeros(50, int), 4)) < 1


def test_the_calibration_error_is_the_one_counted_by_hand():
    """Two bins: three images at .62, one of them right; one image at .9, right."""
    probabilities = np.array([[0.62, 0.38], [0.62, 0.38], [0.38, 0.62], [0.9, 0.1]])
    truth = sets([0, 1, 0, 0])
    expected = 3 / 4 * abs(1 / 3 - 0.62) + 1 / 4 * abs(1 - 0.9)
    assert calibration_error(CLASSES, probabilities, truth) == pytest.approx(expected)
    doubled = calibration_error(CLASSES, probabilities, truth, np.array([[1, 1, 1, 3], [1, 1, 1, 1]]))
    np.testing.assert_allclose(doubled, [3 / 6 * abs(1 / 3 - 0.62) + 3 / 6 * 0.1, expected])


def test_calibrated_scores_have_a_small_error_and_sharpened_ones_a_large_one():
    assert calibration_error(CLASSES, *drawn(20_000)) < 0.015
    assert calibration_error(CLASSES, *drawn(20_000, 3.0)) > 0.1
    scores, truth = drawn(5_000, 3.0)
    rule = replace(CLASSES, temperature=best_temperature(CLASSES, scores[:2500], truth[:2500]))
    found = Confidence.fit(rule, scores[:2500], truth[:2500], 0.1).measure(
        rule, scores[2500:], truth[2500:], list(map(str, range(2500)))
    )
    assert found["ece_after"]["value"] < 0.03 < found["ece_before"]["low"]


def test_the_threshold_keeps_the_risk_and_answers_as_much_as_it_may():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4], [0.55, 0.45]])
    truth = sets([0, 0, 0, 1, 0])
    assert abstention_threshold(CLASSES, probabilities, truth, 0.0) == pytest.approx(0.65)
    assert abstention_threshold(CLASSES, probabilities, truth, 0.2) == 0  # one of five is wrong
    assert abstention_threshold(CLASSES, probabilities, truth, 1.0) == 0


def test_images_of_equal_confidence_are_answered_together():
    probabilities = np.array([[0.9, 0.1]] * 3 + [[0.6, 0.4]] * 3)
    assert abstention_threshold(CLASSES, probabilities, sets([0, 0, 0, 0, 1, 1]), 0.0) == pytest.approx(0.75)


def test_at_least_half_is_answered_however_wrong():
    probabilities = np.column_stack([np.linspace(0.6, 0.99, 20), 1 - np.linspace(0.6, 0.99, 20)])
    threshold = abstention_threshold(CLASSES, probabilities, sets(np.ones(20, int)), 0.0)
    assert (probabilities.max(1) >= threshold).mean() == 0.5


def test_abstaining_is_measured_on_other_images():
    scores, truth = drawn(4000)
    patients = [str(number) for number in range(2000)]
    rule = replace(CLASSES, temperature=best_temperature(CLASSES, scores[:2000], truth[:2000]))
    confidence = Confidence.fit(rule, scores[:2000], truth[:2000], 0.2)
    assert confidence.images == 2000
    found = confidence.measure(rule, scores[2000:], truth[2000:], patients)
    sure = (scores[2000:] ** (1 / confidence.temperature)).max(1) / (scores[2000:] ** (1 / confidence.temperature)).sum(
        1
    )
    answered = sure >= confidence.abstain_below
    right = scores[2000:].argmax(1) == truth[2000:].argmax(1)
    assert found["coverage"]["value"] == pytest.approx(answered.mean(), abs=1e-6)
    assert found["accuracy_answered"]["value"] == pytest.approx(right[answered].mean(), abs=1e-6)
    assert found["accuracy_answered"]["value"] == pytest.approx(0.8, abs=0.03)
    assert found["accuracy_at_90_coverage"]["value"] > right.mean()
    assert all(
        one["low"] <= one["value"] <= one["high"] for key, one in found.items() if "ece" not in key and key != "images"
    )


def drawn_labels(count: int, sharpness: float = 1.0, seed: int = 0):
    """Scores and truth of three independent labels: scores of sharpness * z are right at T = sharpness."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1, 2, size=(count, 3))
    return expit(sharpness * logits), rng.random((count, 3)) < expit(logits)


@pytest.mark.parametrize("sharpness", [0.5, 3.0])
def test_the_temperature_of_labels_undoes_what_was_done_to_their_logits(sharpness):
    assert best_temperature(LABELS, *drawn_labels(20_000, sharpness)) == pytest.approx(sharpness, rel=0.05)


def test_the_calibration_error_of_labels_counts_every_decision():
    """Two images, three labels at .5, .3 and .8: six decisions with the probability of each being right."""
    probabilities = np.array([[0.9, 0.32, 0.75], [0.1, 0.1, 0.9]])
    truth = np.array([[True, False, False], [True, False, True]])
    # "yes" at .9, "yes" at .32, "no" at .25; "no" at .9, "no" at .9, "yes" at .9: bins .32, .25 and .9 (15 of equal width).
    gaps = [abs(0.32 - 0), abs(0.25 - 1), abs(4 * 0.9 - 3)]
    assert calibration_error(LABELS, probabilities, truth) == pytest.approx(sum(gaps) / 6)
    twice = calibration_error(LABELS, probabilities, truth, np.array([[2, 0]]))
    np.testing.assert_allclose(twice, (abs(0.32 - 0) + abs(0.25 - 1) + abs(0.9 - 1)) / 3)


def test_the_calibration_error_of_one_label_is_that_of_scikit_learns_curve():
    """Only values above .5, so that the probability of "yes" is that of being right."""
    scores, truth = drawn_labels(5000, 2.0)
    rows = scores[:, 0] > 0.5
    one = replace(LABELS, labels=("a",), thresholds=np.array([0.5]))
    shares, means = calibration_curve(truth[rows, 0], scores[rows, 0], n_bins=15)
    bins = np.clip(np.ceil(scores[rows, 0] * 15).astype(int) - 1, 0, 14)
    counts = np.bincount(bins)[np.unique(bins)]
    expected = np.sum(counts * np.abs(shares - means)) / rows.sum()
    assert calibration_error(one, scores[rows, :1], truth[rows, :1]) == pytest.approx(expected, abs=1e-9)


def test_an_answer_of_labels_is_wrong_where_one_label_is():
    """Confidence .9, .8, .7, .6; the second answer misses a label."""
    rule = replace(LABELS, thresholds=np.full(3, 0.5))
    probabilities = np.array([[0.9, 0.9, 0.05], [0.8, 0.1, 0.1], [0.3, 0.1, 0.1], [0.6, 0.01, 0.99]])
    truth = np.array([[True, True, False], [True, True, False], [False] * 3, [True, False, True]])
    assert abstention_threshold(rule, probabilities, truth, 0.25) == 0
    # At least half stays answered.
    assert abstention_threshold(rule, probabilities, truth, 0.0) == pytest.approx(0.75)
    # Here the least sure image is the wrong one.
    truth = np.array([[True, True, False], [True, False, False], [False] * 3, [True, False, False]])
    assert abstention_threshold(rule, probabilities, truth, 0.0) == pytest.approx(0.65)
    confidence = Confidence.fit(replace(rule, temperature=1.0), probabilities, truth, 0.0)
    found = confidence.measure(replace(rule, temperature=1.0), probabilities, truth, list("abcd"))
    assert found["coverage"]["value"] == 0.75 and found["accuracy_answered"]["value"] == 1
