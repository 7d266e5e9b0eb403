"""All figures of a classifier on one set of images, each with its 95 % interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.train.metrics.draws import PatientDraws, patient_draws
from freezenet.train.metrics.figure import bootstrap_figure, seen_figure, widened
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
    found_labels = _label_figures(truth, answer, patients, matrices, drawn)

    def mean_f1(of: Callable[[NDArray], NDArray], shares: NDArray) -> dict[str, float]:
        unseen = [
            (share * below, share * above)
            for one, share in zip(found_labels, shares, strict=True)
            for below, above in one.unseen
        ]
        return widened(float(of(matrices)), of(drawn), unseen).to_dict()

    images = support(matrices)
    macro = mean_f1(macro_f1, (images > 0) / max(1, (images > 0).sum()))
    accuracy = bootstrap_figure(float(right.mean()), subset_accuracy(right, draws), everyone).to_dict()
    per_class = {
        label: {**one.figures, "support": int(images[number])}
        for number, (label, one) in enumerate(zip(labels, found_labels, strict=True))
    }
    found: dict[str, Any] = {"images": len(truth), "patients": everyone, "accuracy": accuracy}
    if exclusive:
        found |= {
            "macro_f1": macro,
            "per_class": per_class,
            "confusion_matrix": confusion_matrix(truth, answer).tolist(),
        }
    else:
        found |= {
            "subset_accuracy": accuracy,
            "hamming_loss": bootstrap_figure(float(hamming_loss(matrices)), hamming_loss(drawn), everyone).to_dict(),
            "macro_f1": macro,
            "weighted_f1": mean_f1(weighted_f1, images / max(1, images.sum())),
            "per_class": per_class,
            "per_label": per_class,
            "confusion_matrices": dict(zip(labels, matrices.astype(int).tolist(), strict=True)),
        }
    return found | {"labels": list(labels)}


@dataclass(frozen=True)
class _LabelFigures:
    """The figures of one label, and how far its F1 would lie below and above its value where all draws agree about its recall, its precision."""

    figures: dict[str, dict[str, float]]
    unseen: list[tuple[float, float]]


def _label_figures(
    truth: NDArray[np.bool_], answer: NDArray[np.bool_], patients: Sequence[str], matrices: NDArray, drawn: NDArray
) -> list[_LabelFigures]:
    # Once for all labels: there may be a thousand.
    names, counts, said = np.asarray(patients), support(drawn), drawn[..., :, 1].sum(-1)
    values, draws = ([of(one) for of in (recall, precision, f1)] for one in (matrices, drawn))
    found = []
    for one in range(truth.shape[1]):
        # A draw without an image of the label says nothing about its recall, one without such an answer nothing about its precision.
        of_recall, of_precision = draws[0][counts[:, one] > 0, one], draws[1][said[:, one] > 0, one]
        own = [float(of_all[one]) for of_all in values]
        found_recall, recall_seen = seen_figure(own[0], of_recall, len(set(names[truth[:, one]])))
        found_precision, precision_seen = seen_figure(own[1], of_precision, len(set(names[answer[:, one]])))
        unseen = []
        if not own[2]:  # never found: both ends at once
            unseen.append((0.0, _harmonic(found_recall.high, found_precision.high)))
        else:
            for part, seen, other in ((found_recall, recall_seen, own[1]), (found_precision, precision_seen, own[0])):
                if not seen:
                    unseen.append((own[2] - _harmonic(part.low, other), _harmonic(part.high, other) - own[2]))
        figures = {
            "precision": found_precision.to_dict(),
            "recall": found_recall.to_dict(),
            "f1": widened(own[2], draws[2][counts[:, one] > 0, one], unseen).to_dict(),
        }
        found.append(_LabelFigures(figures, unseen))
    return found


def _harmonic(one: float, other: float) -> float:
    return 2 * one * other / (one + other) if one and other else 0.0
