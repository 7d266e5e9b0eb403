"""Figures of label sets against scikit-learn, against a published confusion, and intervals against a bootstrap by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn import metrics as reference

from freezenet.train.metrics.multiclass import evaluate
from freezenet.train.metrics.multilabel import evaluate_label_sets, label_matrices

LABELS = ("covid", "normal", "pneumonia")


@pytest.fixture(params=range(3))
def answers(request):
    rng = np.random.default_rng(request.param)
    truth = rng.random((150, 3)) < [0.1, 0.5, 0.3]
    return truth, truth ^ (rng.random((150, 3)) < 0.15)


def own_patients(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def test_figures_are_scikit_learns(answers):
    truth, answer = answers
    found = evaluate_label_sets(truth, answer, LABELS, own_patients(150))
    assert found["subset_accuracy"] == found["accuracy"]
    assert found["accuracy"]["value"] == pytest.approx(reference.accuracy_score(truth, answer), abs=1e-6)
    assert found["hamming_loss"]["value"] == pytest.approx(reference.hamming_loss(truth, answer), abs=1e-6)
    for average in ("macro", "weighted"):
        expected = reference.f1_score(truth, answer, average=average)
        assert found[f"{average}_f1"]["value"] == pytest.approx(expected, abs=1e-6)
    matrices = reference.multilabel_confusion_matrix(truth, answer)
    assert found["confusion_matrices"] == dict(zip(LABELS, matrices.tolist(), strict=True))
    parts = reference.precision_recall_fscore_support(truth, answer)
    for name, values in zip(("precision", "recall", "f1", "support"), parts, strict=True):
        for label, value in zip(LABELS, values, strict=True):
            one = found["per_label"][label][name]
            assert (one if name == "support" else one["value"]) == pytest.approx(value, abs=1e-6)
    assert found["per_class"] == found["per_label"]


def test_labels_that_are_never_there_or_never_answered_are_zero_as_in_scikit_learn():
    truth = np.array([[True, False, False], [True, False, True], [False, False, True]])
    answer = np.array([[True, True, False], [True, False, False], [True, False, False]])
    found = evaluate_label_sets(truth, answer, LABELS, own_patients(3))
    parts = reference.precision_recall_fscore_support(truth, answer, zero_division=0)
    for name, values in zip(("precision", "recall", "f1"), parts[:3], strict=True):
        shown = [found["per_label"][label][name]["value"] for label in LABELS]
        np.testing.assert_allclose(shown, values, atol=1e-6)
    # Nothing is known about the recall of a label without an image.
    assert found["per_label"]["normal"]["recall"] == {"value": 0.0, "low": 0.0, "high": 1.0}
    there = [0, 2]
    expected = reference.f1_score(truth[:, there], answer[:, there], average="macro", zero_division=0)
    assert found["macro_f1"]["value"] == pytest.approx(expected, abs=1e-6)


def test_images_without_any_label_have_a_macro_f1_of_zero():
    found = evaluate_label_sets(np.zeros((4, 3), bool), np.eye(4, 3, dtype=bool), LABELS, own_patients(4))
    assert found["macro_f1"]["value"] == 0
    assert found["accuracy"]["value"] == 0.25


def published() -> tuple[np.ndarray, np.ndarray]:
    """A validation side of 628 images (28 of covid, 400 and 200 of the others) with 38 wrong answers and 81 wrong labels."""
    covid, normal, pneumonia = [True, False, True], [False, True, False], [False, False, True]
    truth = np.array([covid] * 28 + [normal] * 400 + [pneumonia] * 200)
    answer = truth.copy()
    answer[:9] = pneumonia  # 9 missed covids, one wrong label each
    answer[28:43] = pneumonia  # 15 with two wrong labels
    answer[428:442] = [True, True, False]  # 14 with three
    return truth, answer


def test_the_arithmetic_gives_the_published_figures():
    """Subset accuracy .9395, Hamming .0430, covid recall 19/28 of the published multi-label system."""
    found = evaluate_label_sets(*published(), LABELS, own_patients(628))
    assert found["subset_accuracy"]["value"] == pytest.approx(0.9395, abs=5e-5)
    assert found["hamming_loss"]["value"] == pytest.approx(0.0430, abs=5e-5)
    assert found["per_label"]["covid"]["recall"]["value"] == pytest.approx(19 / 28, abs=1e-6)
    assert found["per_label"]["covid"]["support"] == 28


def test_the_contract_of_every_evaluation_is_kept(answers):
    found = evaluate_label_sets(*answers, LABELS, own_patients(150))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    truth = answers[0].argmax(1)
    assert set(evaluate(truth, truth, LABELS, own_patients(150))) - set(found) == {"confusion_matrix"}
    figures = [found[name] for name in ("accuracy", "hamming_loss", "macro_f1", "weighted_f1")]
    figures += [found["per_label"][label][name] for label in LABELS for name in ("precision", "recall", "f1")]
    assert all(0 <= one["low"] <= one["value"] <= one["high"] <= 1 for one in figures)


def test_one_hot_answers_have_the_figures_of_the_classes():
    """Precision, recall and F1 of a class are those of its label, with the same draws of patients."""
    rng = np.random.default_rng(3)
    truth, answer = rng.integers(0, 3, 90), rng.integers(0, 3, 90)
    patients = [str(number // 2) for number in range(90)]
    classes = evaluate(truth, answer, LABELS, patients)
    labels = evaluate_label_sets(np.eye(3, dtype=bool)[truth], np.eye(3, dtype=bool)[answer], LABELS, patients)
    for key in ("accuracy", "macro_f1", "per_class", "images", "patients"):
        assert labels[key] == classes[key]


def test_the_interval_is_that_of_a_bootstrap_of_patients_typed_by_hand(answers):
    truth, answer = (np.tile(one, (10, 1)) for one in answers)
    patients = np.random.default_rng(9).integers(0, 300, len(truth))
    found = evaluate_label_sets(truth, answer, LABELS, [str(one) for one in patients])["hamming_loss"]
    rng = np.random.default_rng(1)
    names = np.unique(patients)
    rows_of = {name: np.flatnonzero(patients == name) for name in names}
    draws = []
    for _ in range(1000):
        rows = np.concatenate([rows_of[name] for name in rng.choice(names, len(names))])
        draws.append(np.mean(truth[rows] != answer[rows]))
    np.testing.assert_allclose([found["low"], found["high"]], np.percentile(draws, [2.5, 97.5]), atol=0.004)


def test_answers_without_an_error_have_an_interval_all_the_same():
    truth = np.array([[True, False, True]] * 20)
    found = evaluate_label_sets(truth, truth, LABELS, own_patients(20))
    assert found["hamming_loss"]["value"] == 0 < found["hamming_loss"]["high"] < 0.2
    assert found["accuracy"]["value"] == 1 > found["accuracy"]["low"] > 0.8


def test_matrices_of_draws_count_images_as_often_as_they_were_drawn():
    truth, answer = np.array([[True], [False], [True]]), np.array([[True], [True], [False]])
    found = label_matrices(truth, answer, np.array([[1, 1, 1], [2, 0, 1]]))
    assert found.tolist() == [[[[0, 1], [1, 1]]], [[[0, 0], [1, 2]]]]
