"""Counts of right and wrong answers, and the figures that follow from them, for one class or any number of labels.

Truth and answers are label sets, (n, labels) bool; exactly one label is true where the task is multi-class. Each label has a 2 x 2
matrix, row = truth, column = answer, "no" before "yes". Definitions are scikit-learn's: `multilabel_confusion_matrix`,
`recall_score`, `precision_score`, `f1_score`, `hamming_loss` and `accuracy_score`, with zero_division=0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from freezenet.train.metrics.draws import Weights
from freezenet.train.metrics.figure import ratio


def label_matrices(truth: NDArray[np.bool_], answer: NDArray[np.bool_], draws: Weights | None = None) -> NDArray:
    """Count the 2 x 2 matrix of each label, (labels, 2, 2), or of each draw and label, (draws, labels, 2, 2); float64.

    Args:
        truth, answer: (n, labels) bool.
        draws: (draws, n), how often each image counts in each draw; None counts each image once.
    """
    cells = np.eye(4)[2 * truth + answer.astype(int)].reshape(len(truth), -1)
    counted = np.ones(len(truth)) if draws is None else draws
    return np.asarray(counted @ cells).reshape(*counted.shape[:-1], truth.shape[1], 2, 2)


def confusion_matrix(truth: NDArray[np.bool_], answer: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count (classes, classes) int64, row = truth, column = answer, of (n, classes) bool with one class true in each row."""
    return truth.T.astype(np.int64) @ answer.astype(np.int64)


def support(matrices: NDArray) -> NDArray:
    """Return the number of images of each label, of matrices (..., labels, 2, 2): (..., labels)."""
    return matrices[..., 1, :].sum(-1)


def recall(matrices: NDArray) -> NDArray:
    """Return the share of each label's images that were found, of matrices (..., labels, 2, 2): (..., labels)."""
    return ratio(matrices[..., 1, 1], support(matrices))


def precision(matrices: NDArray) -> NDArray:
    """Return the share of the answers with a label that were right, of matrices (..., labels, 2, 2): (..., labels)."""
    return ratio(matrices[..., 1, 1], matrices[..., :, 1].sum(-1))


def f1(matrices: NDArray) -> NDArray:
    """Return the harmonic mean of precision and recall of each label, of matrices (..., labels, 2, 2): (..., labels)."""
    return ratio(2 * matrices[..., 1, 1], support(matrices) + matrices[..., :, 1].sum(-1))


def matthews(matrices: NDArray) -> NDArray:
    """Return the correlation of answer and truth, of matrices (..., labels, 2, 2): (..., labels); 0 where one is constant.

    Matthews, Biochim. Biophys. Acta 405, 1975, equation 1.
    """
    product = matrices.sum(-1).prod(-1, dtype=np.float64) * matrices.sum(-2).prod(-1, dtype=np.float64)
    wrong = matrices[..., 0, 1] * matrices[..., 1, 0]
    return (matrices[..., 0, 0] * matrices[..., 1, 1] - wrong) / np.sqrt(np.maximum(product, 1))


def macro_f1(matrices: NDArray) -> NDArray:
    """Return the plain mean of the labels' F1, of matrices (..., labels, 2, 2): (...).

    Only labels count that any of the matrices has an image of; 0 without any. Nothing can be found of a label that is not there;
    its F1 of 0 would say that it was missed.
    """
    found = f1(matrices)
    there = support(matrices).reshape(-1, found.shape[-1]).any(0)
    return found[..., there].mean(-1) if there.any() else np.zeros(found.shape[:-1])


def weighted_f1(matrices: NDArray) -> NDArray:
    """Return the mean of the labels' F1, each weighted by its images, of matrices (..., labels, 2, 2): (...); 0 without images."""
    return (f1(matrices) * support(matrices)).sum(-1) / np.maximum(support(matrices).sum(-1), 1)


def hamming_loss(matrices: NDArray) -> NDArray:
    """Return the share of wrong label decisions among all, of matrices (..., labels, 2, 2): (...)."""
    wrong = matrices[..., 0, 1] + matrices[..., 1, 0]
    return wrong.sum(-1) / matrices.sum((-3, -2, -1))


def subset_accuracy(right: NDArray[np.bool_], draws: Weights) -> NDArray:
    """Return the share of images with exactly the right labels in each draw: (draws,).

    Args:
        right: (n,) bool.
        draws: (draws, n), how often each image counts.
    """
    return draws @ right / draws.sum(-1)
