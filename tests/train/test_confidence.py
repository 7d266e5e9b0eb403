"""Calibration on scores whose true calibration is known, and against a count by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from train.confidence import Confidence, abstention_threshold, best_temperature, calibration_error


def drawn(count: int, sharpness: float = 1.0, seed: int = 0):
    """Scores and truth where the truth is drawn from softmax(z): scores of sharpness * z are right at T = sharpness."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=2, size=(count, 4))
    chances = softmax(logits, axis=1)
    truth = (chances.cumsum(1) < rng.random(count)[:, None]).sum(1)
    return softmax(sharpness * logits, axis=1), truth


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_what_was_done_to_the_logits(sharpness):
    assert best_temperature(*drawn(20_000, sharpness)) == pytest.approx(sharpness, rel=0.05)


def test_few_images_without_an_error_do_not_sharpen_without_bound():
    scores = np.full((50, 4), 0.02)
    scores[:, 0] = 0.94
    assert 0.5 < best_temperature(scores, np.zeros(50, int)) < 1


def test_the_calibration_error_is_the_one_counted_by_hand():
    """Two bins: three images at .62, one of them right; one image at .9, right."""
    probabilities = np.array([[0.62, 0.38], [0.62, 0.38], [0.38, 0.62], [0.9, 0.1]])
    truth = np.array([0, 1, 0, 0])
    expected = 3 / 4 * abs(1 / 3 - 0.62) + 1 / 4 * abs(1 - 0.9)
    assert calibration_error(probabilities, truth) == pytest.approx(expected)
    doubled = calibration_error(probabilities, truth, np.array([[1, 1, 1, 3], [1, 1, 1, 1]]))
    np.testing.assert_allclose(doubled, [3 / 6 * abs(1 / 3 - 0.62) + 3 / 6 * 0.1, expected])


def test_calibrated_scores_have_a_small_error_and_sharpened_ones_a_large_one():
    assert calibration_error(*drawn(20_000)) < 0.015
    assert calibration_error(*drawn(20_000, 3.0)) > 0.1
    scores, truth = drawn(5_000, 3.0)
    found = Confidence.fit(scores[:2500], truth[:2500], 0.1).measure(
        scores[2500:], truth[2500:], list(map(str, range(2500)))
    )
    assert found["ece_after"]["value"] < 0.03 < found["ece_before"]["low"]


def test_the_threshold_keeps_the_risk_and_answers_as_much_as_it_may():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4], [0.55, 0.45]])
    truth = np.array([0, 0, 0, 1, 0])
    assert abstention_threshold(probabilities, truth, 0.0) == pytest.approx(0.65)
    assert abstention_threshold(probabilities, truth, 0.2) == 0  # one of five is wrong
    assert abstention_threshold(probabilities, truth, 1.0) == 0


def test_images_of_equal_confidence_are_answered_together():
    probabilities = np.array([[0.9, 0.1]] * 3 + [[0.6, 0.4]] * 3)
    assert abstention_threshold(probabilities, np.array([0, 0, 0, 0, 1, 1]), 0.0) == pytest.approx(0.75)


def test_at_least_half_is_answered_however_wrong():
    probabilities = np.column_stack([np.linspace(0.6, 0.99, 20), 1 - np.linspace(0.6, 0.99, 20)])
    threshold = abstention_threshold(probabilities, np.ones(20, int), 0.0)
    assert (probabilities.max(1) >= threshold).mean() == 0.5


def test_abstaining_is_measured_on_other_images():
    scores, truth = drawn(4000)
    patients = [str(number) for number in range(2000)]
    confidence = Confidence.fit(scores[:2000], truth[:2000], 0.2)
    assert confidence.images == 2000
    found = confidence.measure(scores[2000:], truth[2000:], patients)
    sure = (scores[2000:] ** (1 / confidence.temperature)).max(1) / (scores[2000:] ** (1 / confidence.temperature)).sum(
        1
    )
    answered = sure >= confidence.abstain_below
    right = scores[2000:].argmax(1) == truth[2000:]
    assert found["coverage"]["value"] == pytest.approx(answered.mean(), abs=1e-6)
    assert found["accuracy_answered"]["value"] == pytest.approx(right[answered].mean(), abs=1e-6)
    assert found["accuracy_answered"]["value"] == pytest.approx(0.8, abs=0.03)
    assert found["accuracy_at_90_coverage"]["value"] > right.mean()
    assert all(
        one["low"] <= one["value"] <= one["high"] for key, one in found.items() if "ece" not in key and key != "images"
    )
