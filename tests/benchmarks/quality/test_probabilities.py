"""Figures of probabilities and curves against scikit-learn, on drawn scores with ties."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from freezenet.benchmarks.quality import curves as curves_module
from freezenet.benchmarks.quality.curves import curves, reliability
from freezenet.benchmarks.quality.images import KnownImages
from freezenet.benchmarks.quality.probabilities import areas, probability_figures
from freezenet.benchmarks.quality.summary import named_figures, quality
from freezenet.edge_runtime.decision import DecisionRule
from freezenet.train.answers.calibration import Decided, calibration_error
from freezenet.train.metrics.draws import patient_draws

LABELS = ("a", "b", "c")
EYE = np.eye(3, dtype=bool)
RULE = DecisionRule(LABELS, temperature=1.0, abstain_below=0.6)


def drawn(images=240, steps=0, seed=0):
    """Classes and scores (images, 3) that go with them; steps: as an integer model gives them."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, images, p=[0.6, 0.3, 0.1])
    logits = rng.normal(size=(images, 3)) + 1.5 * EYE[truth]
    scores = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    if steps:
        scores = np.round(scores * steps) / steps
        scores /= scores.sum(1, keepdims=True)
    return truth, scores


def known(truth, patients=None):
    """Images of these patients, or each of its own."""
    names = patients or [str(number) for number in range(len(truth))]
    return KnownImages(truth, LABELS, names, patient_draws(names), {"class": ["x"] * len(truth)})


def measured(truth, scores, patients=None):
    decided = Decided.by(RULE, scores, EYE[truth])
    probabilities = RULE.probabilities(scores)
    return probability_figures(known(EYE[truth], patients), RULE.chosen(probabilities), probabilities, decided)


@pytest.mark.parametrize("steps", [0, 16])
def test_figures_are_those_of_scikit_learn(steps):
    truth, scores = drawn(steps=steps)
    found, probabilities = measured(truth, scores), RULE.probabilities(scores)
    assert found["auroc"]["macro"]["value"] == pytest.approx(
        roc_auc_score(truth, probabilities, multi_class="ovr", average="macro"), abs=1e-6
    )
    assert found["auprc"]["macro"]["value"] == pytest.approx(
        average_precision_score(EYE[truth], probabilities), abs=1e-6
    )
    for number, label in enumerate(LABELS):
        one = average_precision_score(truth == number, probabilities[:, number])
        assert found["auprc"]["per_class"][label]["value"] == pytest.approx(one, abs=1e-6)
    assert found["brier"]["value"] == pytest.approx(brier_score_loss(truth, probabilities), abs=1e-6)
    answers = probabilities.argmax(1)
    assert found["balanced_accuracy"]["value"] == pytest.approx(balanced_accuracy_score(truth, answers), abs=1e-6)
    sure = probabilities.max(1) >= 0.6
    assert found["coverage"]["value"] == pytest.approx(sure.mean(), abs=1e-6)
    assert found["accuracy_answered"]["value"] == pytest.approx((answers == truth)[sure].mean(), abs=1e-6)
    for one in named_figures(found).values():
        assert 0 <= one["low"] <= one["value"] <= one["high"] <= 1
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("steps", [0, 8])
def test_a_draw_is_a_weight_of_scikit_learn(steps):
    truth, scores = drawn(90, steps, seed=1)
    weights = patient_draws([str(n) for n in range(90)], draws=4)
    for number in range(3):
        found = areas(truth == number, scores[:, number], weights)
        for row, weight in zip(found, weights[:], strict=True):
            has, score = truth == number, scores[:, number]
            assert row[0] == pytest.approx(roc_auc_score(has, score, sample_weight=weight))
            assert row[1] == pytest.approx(average_precision_score(has, score, sample_weight=weight))


def test_images_of_one_patient_make_a_figure_less_sure():
    truth, scores = drawn(60)
    often = np.repeat(truth, 5), np.repeat(scores, 5, axis=0)
    alone, together = measured(*often), measured(*often, [str(n // 5) for n in range(300)])
    for name, one in named_figures(alone).items():
        other = named_figures(together)[name]
        assert other["value"] == pytest.approx(one["value"], abs=1e-6)
        assert other["high"] - other["low"] > 1.5 * (one["high"] - one["low"]), name


def test_a_class_without_images_has_no_area_and_one_class_alone_none_at_all():
    truth, scores = drawn()
    few = truth != 2
    found = measured(truth[few], scores[few])
    assert set(found["auroc"]["per_class"]) == {"a", "b"}
    alone = measured(truth[truth == 0], scores[truth == 0])
    assert alone["auroc"] == {"macro": None, "per_class": {}}
    assert named_figures(alone)["AUROC, one against the rest"] is None


def test_labels_that_do_not_exclude_one_another():
    rng = np.random.default_rng(3)
    truth = rng.random((200, 3)) < 0.3
    scores = np.clip(0.6 * truth + 0.5 * rng.random((200, 3)), 0, 1)
    rule = replace(RULE, thresholds=np.full(3, 0.5))
    found = quality(known(truth), rule, scores.astype(np.float32), reference=truth, with_curves=True)
    assert found["probabilities"]["brier"]["value"] == pytest.approx(
        np.mean([brier_score_loss(truth[:, n], rule.probabilities(scores)[:, n]) for n in range(3)]), abs=1e-4
    )
    assert found["flips"]["value"] == pytest.approx((rule.answers(scores) != truth).any(1).mean(), abs=1e-6)
    json.dumps(found, allow_nan=False)


def test_curves_are_those_of_scikit_learn(monkeypatch):
    monkeypatch.setattr(curves_module, "_POINTS", 10_000)
    truth, scores = drawn(150, 16)
    decided = Decided.by(RULE, scores, EYE[truth])
    found = curves(known(EYE[truth]), RULE.probabilities(scores), decided)
    x, y, _ = roc_curve(truth == 0, RULE.probabilities(scores)[:, 0], drop_intermediate=False)
    assert (found["roc"]["a"]["x"], found["roc"]["a"]["y"]) == (pytest.approx(x, abs=1e-4), pytest.approx(y, abs=1e-4))
    precision, recall, _ = precision_recall_curve(truth == 0, RULE.probabilities(scores)[:, 0])
    assert found["pr"]["a"]["x"] == pytest.approx(recall[:-1][::-1], abs=1e-4)
    assert found["pr"]["a"]["y"] == pytest.approx(precision[:-1][::-1], abs=1e-4)
    assert found["risk"]["risk"][-1] == pytest.approx(1 - decided.correct.mean(), abs=1e-4)
    gaps = sum(one["decisions"] * abs(one["confidence"] - one["right"]) for one in found["reliability"]) / 150
    assert gaps == pytest.approx(float(calibration_error(decided)), abs=0.05)  # of 15 bins in place of 10


def test_a_long_curve_is_shown_by_few_points_with_its_ends():
    truth, scores = drawn(3000)
    found = curves(known(EYE[truth]), scores, Decided.by(RULE, scores, EYE[truth]))
    for one in found["roc"].values():
        assert len(one["x"]) <= 120
        assert (one["x"][0], one["y"][0], one["x"][-1], one["y"][-1]) == (0, 0, 1, 1)
        assert one["x"] == sorted(one["x"])


def test_a_draw_without_a_class_does_not_miss_it():
    """Of a class with one image a third of all draws has none; all answers are right, so balanced accuracy is 1 in each."""
    truth = np.r_[np.zeros(20, int), np.ones(20, int), 2]
    low = measured(truth, 0.7 * EYE[truth] + 0.1)["balanced_accuracy"]["low"]
    lost = [1 - binomtest(count, count).proportion_ci(method="wilson").low for count in (20, 20, 1)]
    assert low == pytest.approx(1 - np.linalg.norm(lost) / 3, abs=1e-6)  # MOVER, three classes


def test_a_perfect_ranking_is_known_as_well_as_the_rarer_side():
    """Three patients without the label, and each ranks below all 60 with it: one more could rank above."""
    truth = np.r_[np.zeros(60, int), np.ones(3, int)]
    found = measured(truth, 0.7 * EYE[truth] + 0.1)["auroc"]
    low = binomtest(3, 3).proportion_ci(method="wilson").low
    assert [found["per_class"][label]["low"] for label in found["per_class"]] == [pytest.approx(low, abs=1e-6)] * 2
    assert found["macro"]["low"] == pytest.approx(1 - np.sqrt(2) / 2 * (1 - low), abs=1e-6)


def test_a_bar_of_a_reliability_diagram_has_a_width_where_all_are_right():
    truth = np.repeat([0, 1, 2], 10)
    decided = Decided.by(RULE, 0.7 * EYE[truth] + 0.1, EYE[truth])
    (bar,) = reliability(known(EYE[truth], [str(n // 2) for n in range(30)]), decided)
    wide = binomtest(15, 15).proportion_ci(method="wilson")
    assert (bar["right"], bar["high"], bar["decisions"]) == (1, 1, 30)
    assert bar["low"] == pytest.approx(wide.low, abs=1e-4)


def test_without_any_label_nothing_is_known_of_the_balanced_accuracy():
    truth = np.zeros((20, 3), bool)
    scores = np.full((20, 3), 0.2)
    rule = replace(RULE, thresholds=np.full(3, 0.5))
    decided = Decided.by(rule, scores, truth)
    found = probability_figures(known(truth), truth, scores, decided)
    assert found["balanced_accuracy"] == {"value": 0, "low": 0, "high": 1}
