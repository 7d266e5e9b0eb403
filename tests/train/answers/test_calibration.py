"""The calibration error against a count by hand and scikit-learn, and on scores whose true calibration is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from freezenet.edge_runtime.decision import DecisionRule
from freezenet.train.answers.calibration import Decided, calibration_error, error_if_calibrated, measure_confidence

#: Of a multi-class model, and of a multi-label model with three labels.
CLASSES = DecisionRule(("a", "b"))
LABELS = DecisionRule(("a", "b", "c"), thresholds=np.array([0.5, 0.3, 0.8]))


def believed(count: int, excess: float = 0.0, seed: int = 0) -> Decided:
    """Scores of two classes, from .55 to .9 for the answer, that is right with that probability less `excess`."""
    rng = np.random.default_rng(seed)
    scores = rng.uniform(0.55, 0.9, count)
    right = rng.random(count) < scores - excess
    return Decided.by(CLASSES, np.column_stack([scores, 1 - scores]), np.column_stack([right, ~right]))


def test_two_bins_counted_by_hand():
    """Three images at .62, one of them right; one image at .9, right."""
    scores = np.array([[0.62, 0.38], [0.62, 0.38], [0.38, 0.62], [0.9, 0.1]])
    decided = Decided.by(CLASSES, scores, np.eye(2, dtype=bool)[[0, 1, 0, 0]])
    expected = 3 / 4 * abs(1 / 3 - 0.62) + 1 / 4 * abs(1 - 0.9)
    assert calibration_error(decided) == pytest.approx(expected)
    weighted = calibration_error(decided, np.array([[1, 1, 1, 3], [1, 1, 1, 1]]))
    np.testing.assert_allclose(weighted, [3 / 6 * abs(1 / 3 - 0.62) + 3 / 6 * 0.1, expected])


def test_every_label_counts():
    """Two images, three labels at .5, .3 and .8: six decisions with the probability of each being right."""
    scores = np.array([[0.9, 0.32, 0.75], [0.1, 0.1, 0.9]])
    decided = Decided.by(LABELS, scores, np.array([[True, False, False], [True, False, True]]))
    # "yes" at .9, "yes" at .32, "no" at .25; "no" at .9, "no" at .9, "yes" at .9: bins .32, .25 and .9 (15 of equal width).
    gaps = [abs(0.32 - 0), abs(0.25 - 1), abs(4 * 0.9 - 3)]
    assert calibration_error(decided) == pytest.approx(sum(gaps) / 6)
    twice = calibration_error(decided, np.array([[2, 0]]))
    np.testing.assert_allclose(twice, (abs(0.32 - 0) + abs(0.25 - 1) + abs(0.9 - 1)) / 3)


def test_one_label_is_scikit_learns_curve():
    """Only values above .5, so that the probability of "yes" is that of being right."""
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.5, 1, 5000)
    truth = rng.random(5000) < scores**2
    rule = replace(LABELS, labels=("a",), thresholds=np.array([0.5]))
    shares, means = calibration_curve(truth, scores, n_bins=15)
    counts = np.bincount(np.clip(np.ceil(scores * 15).astype(int) - 1, 0, 14))
    expected = np.sum(counts[counts > 0] * np.abs(shares - means)) / 5000
    assert calibration_error(Decided.by(rule, scores[:, None], truth[:, None])) == pytest.approx(expected, abs=1e-9)


def test_many_images_show_the_true_error():
    assert calibration_error(believed(50_000)) < 0.01
    assert calibration_error(believed(50_000, excess=0.2)) == pytest.approx(0.2, abs=0.01)


def test_the_error_if_calibrated_is_what_calibrated_models_show():
    """Of calibrated models that each see other images; one that is wrong too often does not change it."""
    shown = np.mean([calibration_error(believed(150, seed=seed)) for seed in range(200)])
    assert error_if_calibrated(believed(150, seed=1000)) == pytest.approx(shown, rel=0.1)
    assert error_if_calibrated(believed(150, excess=0.3, seed=1000)) == pytest.approx(shown, rel=0.1)
    assert shown > 3 * error_if_calibrated(believed(5000))


def test_measuring_a_temperature_and_abstaining():
    """Certainties .55 to .9 made sharper by 1/T = 3 are overconfident; T = 3 mends them."""
    decided = believed(6000)
    scores = np.column_stack([decided.probabilities[:, 0], 1 - decided.probabilities[:, 0]])
    sharpened = scores**3 / (scores**3).sum(1, keepdims=True)
    truth = np.column_stack([decided.right[:, 0], ~decided.right[:, 0]])
    rule = replace(CLASSES, temperature=3.0, abstain_below=0.8)
    np.testing.assert_allclose(Decided.by(rule, sharpened, truth).probabilities, decided.probabilities)
    found = measure_confidence([(rule, sharpened, truth)], list(map(str, range(6000))))
    assert found["ece_after"]["value"] == pytest.approx(found["ece_if_calibrated"], abs=0.015)
    assert found["ece_after"]["high"] < 0.04 < found["ece_before"]["low"]
    answered = scores.max(1) >= 0.8
    right = decided.right[:, 0]
    assert found["coverage"]["value"] == pytest.approx(answered.mean(), abs=1e-6)
    assert found["accuracy_answered"]["value"] == pytest.approx(right[answered].mean(), abs=1e-6)
    surest = np.argsort(-scores.max(1))[:5400]
    assert found["accuracy_at_90_coverage"]["value"] == pytest.approx(right[surest].mean(), abs=1e-3)


def test_pooled_decisions_count_together():
    one, other = believed(300, seed=1), believed(500, excess=0.2, seed=2)
    together = Decided.pooled([one, other])
    assert len(together.right) == 800
    assert together.correct.sum() == one.correct.sum() + other.correct.sum()
    weights = np.concatenate([np.zeros(300), np.ones(500)])[None]
    assert calibration_error(together, weights) == pytest.approx(calibration_error(other))


def test_an_answer_of_labels_is_as_sure_and_right_as_its_worst():
    rule = replace(LABELS, thresholds=np.full(3, 0.5), abstain_below=0.65)
    scores = np.array([[0.9, 0.9, 0.05], [0.8, 0.1, 0.1], [0.3, 0.1, 0.1], [0.6, 0.01, 0.99]])
    truth = np.array([[True, True, False], [True, True, False], [False] * 3, [True, False, True]])
    decided = Decided.by(rule, scores, truth)
    np.testing.assert_allclose(decided.confidence, [0.9, 0.8, 0.7, 0.6])
    assert decided.correct.tolist() == [True, False, True, True]
    assert decided.answered.tolist() == [True, True, True, False]
