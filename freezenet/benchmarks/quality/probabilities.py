"""How well probabilities rank and how far they are off: AUROC, AUPRC, Brier score, calibration, abstention; each with its interval.

Definitions are scikit-learn's (`roc_auc_score`, `average_precision_score`, `brier_score_loss`), each class against the rest; draws are of whole
patients, as for every other figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.benchmarks.quality.images import KnownImages
from freezenet.train.answers.calibration import Decided, error_figure, error_if_calibrated
from freezenet.train.metrics.draws import PatientDraws, Weights
from freezenet.train.metrics.figure import Figure, bootstrap_figure, interval, ratio, seen_figure, share, widened
from freezenet.train.metrics.matrices import label_matrices, recall, support

#: Weights of draws that are held at once, to bound the memory.
_BLOCK = 2_000_000


def probability_figures(
    images: KnownImages,
    answer: NDArray[np.bool_],
    probabilities: NDArray[np.float64],
    decided: Decided,
    *,
    abstains: bool = True,
) -> dict[str, Any]:
    """Return figures with intervals (JSON types).

    "balanced_accuracy" (the mean recall of the classes that have images), "auroc" and "auprc" ("macro", their plain mean, and "per_class"; a
    class without images, or without others, has none), "brier" (of classes that exclude each other the sum over the classes, else the
    mean), "calibration_error", "calibration_error_by_chance" (a number alone, see
    `freezenet.train.answers.calibration.error_if_calibrated`), "coverage" (share that the rule is sure enough to answer) and "accuracy_answered", both
    None of a rule that never abstains, because nothing of it was measured.

    Args:
        images: n of them.
        answer: (n, labels) bool.
        probabilities: (n, labels), calibrated, 0 to 1.
        decided: what the rule made of them.
        abstains: whether the rule can be too unsure to answer.
    """
    truth, patients, draws = images.truth, images.patients, images.draws
    squares = (probabilities - truth) ** 2
    exclusive = decided.right.shape[1] == 1 and truth.shape[1] > 1
    error = squares.sum(1) if exclusive else squares.mean(1)
    found: dict[str, Any] = {
        "balanced_accuracy": _balanced_accuracy(truth, answer, patients, draws),
        "brier": _mean(error, draws),
        "calibration_error": error_figure(decided, draws).to_dict(),
        "calibration_error_by_chance": round(error_if_calibrated(decided), 6),
        "coverage": share(decided.answered, np.ones(len(truth), bool), patients, draws).to_dict() if abstains else None,
        "accuracy_answered": share(decided.correct, decided.answered, patients, draws).to_dict() if abstains else None,
    }
    return {**found, **_areas(images, probabilities)}


def _balanced_accuracy(
    truth: NDArray[np.bool_], answer: NDArray[np.bool_], patients: Sequence[str], draws: PatientDraws
) -> dict[str, float]:
    matrices, drawn = label_matrices(truth, answer), label_matrices(truth, answer, draws)
    there, names = np.flatnonzero(support(matrices)), np.asarray(patients)
    if not len(there):
        return bootstrap_figure(0.0, np.empty(0), 0).to_dict()
    values, of_draws, counts = recall(matrices)[there], recall(drawn)[:, there], support(drawn)[:, there]
    unseen = []
    for number, label in enumerate(there):
        of_label = of_draws[counts[:, number] > 0, number]
        one, seen = seen_figure(float(values[number]), of_label, len(set(names[truth[:, label]])))
        if not seen:
            unseen.append(one.distances(1 / len(there)))
    # Over the classes that a draw has, whose recall alone is known.
    classes = (counts > 0).sum(-1)
    return widened(float(values.mean()), (of_draws.sum(-1) / np.maximum(classes, 1))[classes > 0], unseen).to_dict()


def areas(truth: NDArray[np.bool_], scores: NDArray, weights: Weights | None = None) -> NDArray[np.float64]:
    """Return AUROC and AUPRC (average precision) of one label's scores: (draws, 2), NaN where a draw has no image with or without it.

    Args:
        truth: (n,) which images have the label.
        scores: (n,) the higher, the more it is believed; equal ones count as ties.
        weights: (draws, n), how often each image counts; None counts each once.
    """
    counted = np.ones((1, len(truth))) if weights is None else weights
    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(scores[order]) != 0])
    found = []
    step = max(1, _BLOCK // len(truth))
    for start in range(0, len(counted), step):
        sorted_rows = counted[start : start + step, order]
        positive = np.add.reduceat(sorted_rows * truth[order], starts, axis=1)
        negative = np.add.reduceat(sorted_rows * ~truth[order], starts, axis=1)
        hits, alarms = positive.cumsum(1), negative.cumsum(1)
        with np.errstate(invalid="ignore", divide="ignore"):
            beaten = alarms[:, -1:] - alarms + negative / 2
            auroc = (positive * beaten).sum(1) / (hits[:, -1] * alarms[:, -1])
            auprc = (positive * ratio(hits, hits + alarms)).sum(1) / np.where(alarms[:, -1] > 0, hits[:, -1], np.nan)
        found.append(np.stack([auroc, auprc], 1))
    return np.concatenate(found)


def _areas(images: KnownImages, probabilities: NDArray) -> dict[str, Any]:
    """Return "auroc" and "auprc", each with "macro" and "per_class"."""
    names, there, values, drawn = np.asarray(images.patients), [], [], []
    for number, label in enumerate(images.labels):
        has = images.truth[:, number]
        if not has.any() or has.all():
            continue
        # Of pairs of an image with the label and one without, the rarer side is what there is little of.
        there.append((label, min(len(set(names[has])), len(set(names[~has])))))
        values.append(areas(has, probabilities[:, number])[0])
        drawn.append(areas(has, probabilities[:, number], images.draws))
    if not values:
        return {name: {"macro": None, "per_class": {}} for name in ("auroc", "auprc")}
    found = {}
    for column, name in enumerate(("auroc", "auprc")):
        per_class, unseen = {}, []
        for (label, owners), value, of_draws in zip(there, values, drawn, strict=True):
            known = of_draws[np.isfinite(of_draws[:, column]), column]
            figure, seen = seen_figure(float(value[column]), known, owners)
            per_class[label] = figure.to_dict()
            if not seen:
                unseen.append(figure.distances(1 / len(there)))
        whole = np.mean([one[:, column] for one in drawn], axis=0)
        mean = float(np.mean([value[column] for value in values]))
        macro = widened(mean, whole[np.isfinite(whole)], unseen).to_dict()
        found[name] = {"macro": macro, "per_class": per_class}
    return found


def _mean(values: NDArray[np.float64], draws: PatientDraws) -> dict[str, float]:
    return Figure(values.mean(), *interval(draws @ values / draws.sum(1))).to_dict()
