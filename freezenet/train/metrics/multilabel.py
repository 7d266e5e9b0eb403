"""Figures of a classifier that answers any number of labels for an image, each with its 95 % interval.

Definitions are scikit-learn's: `accuracy_score` of label indicators (subset accuracy), `hamming_loss`,
`multilabel_confusion_matrix` and `f1_score`. Intervals are those of `freezenet.train.metrics.multiclass`: whole patients are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.train.metrics.multiclass import bootstrap_figure, f1, patient_draws, precision, recall


def label_matrices(truth: NDArray[np.bool_], answer: NDArray[np.bool_], draws: NDArray) -> NDArray:
    """Count, for each draw and label, a 2 x 2 matrix of row = truth, column = answer, "no" before "yes": (draws, labels, 2, 2).

    truth, answer: (n, labels) bool. draws: (draws, n), how often each image counts.
    """
    cells = np.eye(4)[2 * truth + answer.astype(int)]
    return (draws @ cells.reshape(len(truth), -1)).reshape(len(draws), truth.shape[1], 2, 2)


def label_recall(matrices: NDArray) -> NDArray:
    """Share of each label's images that were found, of matrices (..., labels, 2, 2): (..., labels)."""
    return recall(matrices)[..., 1]


def label_precision(matrices: NDArray) -> NDArray:
    """Share of the answers with a label that were right, of matrices (..., labels, 2, 2): (..., labels)."""
    return precision(matrices)[..., 1]


def label_f1(matrices: NDArray) -> NDArray:
    """Harmonic mean of precision and recall of each label, of matrices (..., labels, 2, 2): (..., labels)."""
    return f1(matrices)[..., 1]


def macro_label_f1(matrices: NDArray) -> NDArray:
    """Plain mean of the F1 of those labels that any of the matrices (..., labels, 2, 2) has an image of: (...); 0 without any.

    See `freezenet.train.metrics.multiclass.macro_f1`.
    """
    found = label_f1(matrices)
    there = _support(matrices).reshape(-1, found.shape[-1]).any(0)
    return found[..., there].mean(-1) if there.any() else np.zeros(found.shape[:-1])


def weighted_label_f1(matrices: NDArray) -> NDArray:
    """Mean of the labels' F1, each weighted by its images, of matrices (..., labels, 2, 2): (...); 0 without images."""
    support = _support(matrices)
    return (label_f1(matrices) * support).sum(-1) / np.maximum(support.sum(-1), 1)


def hamming_loss(matrices: NDArray) -> NDArray:
    """Share of wrong label decisions among all, of matrices (..., labels, 2, 2): (...)."""
    wrong = matrices[..., 0, 1] + matrices[..., 1, 0]
    return wrong.sum(-1) / matrices.sum((-3, -2, -1))


def subset_accuracy(right: NDArray[np.bool_], draws: NDArray) -> NDArray:
    """Share of images with exactly the right labels in each draw: (draws,). right: (n,) bool. draws: (draws, n)."""
    return draws @ right / draws.sum(-1)


def evaluate_label_sets(
    truth: NDArray[np.bool_], answer: NDArray[np.bool_], labels: Sequence[str], patients: Sequence[str]
) -> dict[str, Any]:
    """Return the figures of answers, as JSON types.

    truth, answer: (n, labels) bool. patients: (n,) names; each image its own where patients are not known.
    subset_accuracy (also under the name accuracy), hamming_loss, macro_f1, weighted_f1; per_label (also under the name per_class:
    precision, recall, f1, support; one without images has no part in macro_f1); confusion_matrices (label -> [[right no, wrong yes], [wrong no, right yes]]); labels.
    """
    draws = patient_draws(patients)
    once = np.ones((1, len(truth)))
    matrices, drawn = label_matrices(truth, answer, once)[0], label_matrices(truth, answer, draws)
    right = (truth == answer).all(1)
    everyone = len(set(patients))

    def figure(of: Callable[[NDArray], NDArray]) -> dict[str, float]:
        return bootstrap_figure(float(of(matrices)), of(drawn), everyone).to_dict()

    def label_figure(of: Callable[[NDArray], NDArray], one: int) -> dict[str, float]:
        # A draw without an image of the label says nothing about it.
        values = of(drawn)[_support(drawn)[:, one] > 0, one]
        owners = len(set(np.asarray(patients)[truth[:, one]]))
        return bootstrap_figure(float(of(matrices)[one]), values, owners).to_dict()

    exact = bootstrap_figure(float(right.mean()), subset_accuracy(right, draws), everyone).to_dict()
    per_label = {
        label: {
            "precision": label_figure(label_precision, one),
            "recall": label_figure(label_recall, one),
            "f1": label_figure(label_f1, one),
            "support": int(truth[:, one].sum()),
        }
        for one, label in enumerate(labels)
    }
    return {
        "images": len(truth),
        "patients": everyone,
        "accuracy": exact,
        "subset_accuracy": exact,
        "hamming_loss": figure(hamming_loss),
        "macro_f1": figure(macro_label_f1),
        "weighted_f1": figure(weighted_label_f1),
        "per_class": per_label,
        "per_label": per_label,
        "confusion_matrices": dict(zip(labels, matrices.astype(int).tolist(), strict=True)),
        "labels": list(labels),
    }


def _support(matrices: NDArray) -> NDArray:
    return matrices[..., 1, :].sum(-1)
