"""Counts and figures against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from freezenet.train.metrics.matrices import (
    confusion_matrix,
    f1,
    hamming_loss,
    label_matrices,
    macro_f1,
    matthews,
    precision,
    recall,
    subset_accuracy,
    support,
    weighted_f1,
)

CLASSES = np.eye(4, dtype=bool)


@pytest.fixture(params=range(4))
def answers(request):
    rng = np.random.default_rng(request.param)
    truth = rng.integers(0, 4, 120)
    return truth, np.where(rng.random(120) < 0.6, truth, rng.integers(0, 4, 120))


def test_figures_are_scikit_learns(answers):
    truth, answer = answers
    matrices = label_matrices(CLASSES[truth], CLASSES[answer])
    matrix = confusion_matrix(CLASSES[truth], CLASSES[answer])
    np.testing.assert_array_equal(matrix, reference.confusion_matrix(truth, answer))
    assert matrix.dtype == np.int64
    np.testing.assert_array_equal(matrices, reference.multilabel_confusion_matrix(truth, answer))
    right = subset_accuracy(truth == answer, np.ones((1, len(truth))))
    assert right == pytest.approx(reference.accuracy_score(truth, answer))
    assert macro_f1(matrices) == pytest.approx(reference.f1_score(truth, answer, average="macro"))
    assert weighted_f1(matrices) == pytest.approx(reference.f1_score(truth, answer, average="weighted"))
    assert hamming_loss(matrices) == pytest.approx(reference.hamming_loss(CLASSES[truth], CLASSES[answer]))
    np.testing.assert_allclose(recall(matrices), reference.recall_score(truth, answer, average=None))
    np.testing.assert_allclose(precision(matrices), reference.precision_score(truth, answer, average=None))
    np.testing.assert_allclose(f1(matrices), reference.f1_score(truth, answer, average=None))
    correlations = [reference.matthews_corrcoef(truth == one, answer == one) for one in range(4)]
    np.testing.assert_allclose(matthews(matrices), correlations)


def test_absent_classes_are_zero_as_in_scikit_learn():
    truth, answer = np.array([0, 0, 1, 1, 0]), np.array([0, 1, 1, 2, 0])  # 2 never true, 3 never at all
    matrices = label_matrices(CLASSES[truth], CLASSES[answer])
    labels = range(4)
    expected = reference.confusion_matrix(truth, answer, labels=labels)
    np.testing.assert_array_equal(confusion_matrix(CLASSES[truth], CLASSES[answer]), expected)
    parts = reference.precision_recall_fscore_support(truth, answer, labels=labels, zero_division=0)
    for of, values in zip((precision, recall, f1, support), parts, strict=True):
        np.testing.assert_allclose(of(matrices), values)


def test_matrices_of_draws_count_images_as_often_as_they_were_drawn():
    truth, answer = np.array([[True], [False], [True]]), np.array([[True], [True], [False]])
    found = label_matrices(truth, answer, np.array([[1, 1, 1], [2, 0, 1]]))
    assert found.tolist() == [[[[0, 1], [1, 1]]], [[[0, 0], [1, 2]]]]
    assert label_matrices(truth, answer).tolist() == found[0].tolist()


def test_figures_of_draws_are_those_of_each_draw(answers):
    truth, answer = (CLASSES[one] for one in answers)
    draws = np.random.default_rng(99).integers(0, 3, (5, len(truth)))
    drawn = label_matrices(truth, answer, draws)
    for number, counts in enumerate(draws):
        single = label_matrices(np.repeat(truth, counts, 0), np.repeat(answer, counts, 0))
        for of in (precision, recall, f1, support, macro_f1, weighted_f1, hamming_loss):
            np.testing.assert_allclose(of(drawn)[number], of(single))
