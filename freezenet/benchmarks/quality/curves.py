"""Curves of one model on images whose truth is known, as few points as show them: ROC, precision and recall, reliability, risk and coverage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.train.answers.calibration import Decided
from freezenet.train.metrics.draws import patient_draws
from freezenet.train.metrics.figure import bootstrap_figure, ratio

#: Points of a curve; more cannot be seen.
_POINTS = 120
#: Bins of a reliability diagram.
_BINS = 10


def curves(
    truth: NDArray[np.bool_],
    probabilities: NDArray[np.float64],
    decided: Decided,
    labels: Sequence[str],
    patients: Sequence[str],
) -> dict[str, Any]:
    """Return the points of all curves (JSON types).

    Args:
        truth: (n, labels) bool.
        probabilities: (n, labels), calibrated.
        decided: what the rule made of them.
        labels: names.
        patients: (n,) names.

    Returns:
        "roc": label -> {"x": false positive rate, "y": recall}; "pr": label -> {"x": recall, "y": precision, "share": of images with the
        label}; "reliability": for each bin with decisions "confidence", "right" with "low" and "high", and "decisions"; "risk": {"coverage",
        "risk"} when the surest share answers.
    """
    roc, pr = {}, {}
    for number, label in enumerate(labels):
        has = truth[:, number]
        if not has.any() or has.all():
            continue
        hits, alarms = _steps(has, probabilities[:, number])
        recall = hits / hits[-1]
        roc[label] = _thinned(x=np.r_[0, alarms / alarms[-1]], y=np.r_[0, recall])
        pr[label] = {**_thinned(x=recall, y=ratio(hits, hits + alarms)), "share": round(float(has.mean()), 4)}
    return {"roc": roc, "pr": pr, "reliability": reliability(decided, patients), "risk": risk_coverage(decided)}


def reliability(decided: Decided, patients: Sequence[str]) -> list[dict[str, float]]:
    """Return, for each bin of probabilities that holds decisions, how often they are right, with an interval over patients."""
    draws, names = patient_draws(patients), np.asarray(patients)
    place = np.clip(np.ceil(decided.probabilities * _BINS).astype(int) - 1, 0, _BINS - 1)
    found = []
    for one in np.unique(place):
        there = place == one
        counts, right = draws @ there.sum(1), draws @ (there & decided.right).sum(1)
        value = float(decided.right[there].mean())
        owners = len(set(names[there.any(1)]))
        figure = bootstrap_figure(value, ratio(right[counts > 0], counts[counts > 0]), owners)
        found.append(
            {
                "confidence": round(float(decided.probabilities[there].mean()), 4),
                "right": round(figure.value, 4),
                "low": round(figure.low, 4),
                "high": round(figure.high, 4),
                "decisions": int(there.sum()),
            }
        )
    return found


def risk_coverage(decided: Decided) -> dict[str, list[float]]:
    """Return the share of wrong answers when only the surest share of the images is answered (El-Yaniv and Wiener, JMLR 11, 2010)."""
    order = np.argsort(-decided.confidence, kind="stable")
    counts = np.arange(1, len(order) + 1)
    risk = np.cumsum(~decided.correct[order]) / counts
    # Of equal confidence all answer or none.
    last = np.r_[np.diff(decided.confidence[order]) != 0, True]
    found = _thinned(x=(counts / len(order))[last], y=risk[last])
    return {"coverage": found["x"], "risk": found["y"]}


def _steps(has: NDArray[np.bool_], scores: NDArray) -> tuple[NDArray, NDArray]:
    """Return how many images with and without the label have each score or a higher one."""
    order = np.argsort(-scores, kind="stable")
    last = np.r_[np.diff(scores[order]) != 0, True]
    return np.cumsum(has[order])[last], np.cumsum(~has[order])[last]


def _thinned(x: NDArray, y: NDArray) -> dict[str, list[float]]:
    """Return the points with both ends, at most _POINTS; steps in y, where something happens, are kept first."""
    rows = np.arange(len(x))
    if len(x) > _POINTS:
        away = np.abs(np.diff(y, prepend=y[0])) + np.abs(np.diff(y, append=y[-1]))
        rows = np.sort(np.unique(np.r_[0, len(x) - 1, np.argsort(-away, kind="stable")[: _POINTS - 2]]))
    return {"x": np.round(x[rows], 4).tolist(), "y": np.round(y[rows], 4).tolist()}
