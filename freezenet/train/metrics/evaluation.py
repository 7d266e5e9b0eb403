"""All figures of a classifier on one set of images, each with its 95 % interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.train.metrics.draws import PatientDraws, patient_draws
from freezenet.train.metrics.figure import bootstrap_figure
from freezenet.train.metrics.matrices import (
    confusion_matrix,
    f1,
    hamming_loss,
    label_matrices,
    macro_f1,
    precision,
    recall,
    subset_accuracy,
    support,
    weighted_f1,
)


def evaluate(
    truth: NDArray[np.bool_],
    answer: NDArray[np.bool_],
    labels: Sequence[str],
    patients: Sequence[str],
    *,
    exclusive: bool,
    draws: PatientDraws | None = None,
) -> dict[str, Any]:
    """Return the figures of answers, as JSON types.

    Always there: images, patients, accuracy (the share of images with exactly the right labels), macro_f1, per_class (label ->
    precision, recall, f1, support; a label without images has no part in macro_f1), labels.
    Of classes that exclude each other: confusion_matrix, row = truth.
    Of labels that do not: subset_accuracy and per_label (accuracy and per_class by their usual names), hamming_loss, weighted_f1,
    confusion_matrices (label -> [[right no, wrong yes], [wrong no, right yes]]).

    Args:
        truth, answer: (n, labels) bool, n at least 1.
        labels: their names.
        patients: (n,) names; each image its own where patients are not known.
        exclusive: whether exactly one label is true and one answered in each row.
        draws: of them, for who judges several answers to the same images; None makes them.
    """
    draws = patient_draws(patients) if draws is None else draws
    matrices, drawn = label_matrices(truth, answer), label_matrices(truth, answer, draws)
    right = (truth == answer).all(1)
    everyone = len(set(patients))

    def figure(of: Callable[[NDArray], NDArray]) -> dict[str, float]:
        return bootstrap_figure(float(of(matrices)), of(drawn), everyone).to_dict()

    # Once for all labels: there may be a thousand.
    of_label = {
        name: (of(matrices), of(drawn)) for name, of in (("precision", precision), ("recall", recall), ("f1", f1))
    }
    counts, names = support(drawn), np.asarray(patients)

    def label_figure(name: str, one: int) -> dict[str, float]:
        value, of_draws = of_label[name]
        # A draw without an image of the label says nothing about it.
        values = of_draws[counts[:, one] > 0, one]
        owners = len(set(names[truth[:, one]]))
        return bootstrap_figure(float(value[one]), values, owners).to_dict()

    accuracy = bootstrap_figure(float(right.mean()), subset_accuracy(right, draws), everyone).to_dict()
    per_class = {
        label: {
            "precision": label_figure("precision", one),
            "recall": label_figure("recall", one),
            "f1": label_figure("f1", one),
            "support": int(truth[:, one].sum()),
        }
        for one, label in enumerate(labels)
    }
    found: dict[str, Any] = {"images": len(truth), "patients": everyone, "accuracy": accuracy}
    if exclusive:
        found |= {
            "macro_f1": figure(macro_f1),
            "per_class": per_class,
            "confusion_matrix": confusion_matrix(truth, answer).tolist(),
        }
    else:
        found |= {
            "subset_accuracy": accuracy,
            "hamming_loss": figure(hamming_loss),
            "macro_f1": figure(macro_f1),
            "weighted_f1": figure(weighted_f1),
            "per_class": per_class,
            "per_label": per_class,
            "confusion_matrices": dict(zip(labels, matrices.astype(int).tolist(), strict=True)),
        }
    return found | {"labels": list(labels)}
