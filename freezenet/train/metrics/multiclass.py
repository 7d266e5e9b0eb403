"""Figures of a classifier on one set of images, each with its 95 % interval.

Intervals are percentiles of a bootstrap that draws whole patients, because images of one patient are not independent.
Where every draw gives the same value (a recall of 1, say) the bootstrap cannot see the uncertainty; there the interval
is Wilson's with the number of patients as sample size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000
_LEVEL = 0.95


@dataclass(frozen=True)
class Figure:
    """A value with the low and high end of its 95 % interval."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float]:
        """Return the three numbers, rounded to six digits."""
        return {name: round(float(number), 6) for name, number in asdict(self).items()}

    def __str__(self) -> str:
        """Return e.g. "0.923 [0.881, 0.956]"."""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def confusion_matrix(truth: NDArray[np.integer], answer: NDArray[np.integer], classes: int) -> NDArray[np.int64]:
    """Count (classes, classes) int64: row = truth, column = answer."""
    return np.bincount(truth * classes + answer, minlength=classes * classes).reshape(classes, classes)


def accuracy(matrix: NDArray) -> NDArray:
    """Share of right answers of confusion matrices (..., C, C): (...)."""
    return _ratio(np.trace(matrix, axis1=-2, axis2=-1), matrix.sum((-2, -1)))


def recall(matrix: NDArray) -> NDArray:
    """Share of each class that was found, of confusion matrices (..., C, C): (..., C)."""
    return _ratio(_hits(matrix), matrix.sum(-1))


def precision(matrix: NDArray) -> NDArray:
    """Share of each answer that was right, of confusion matrices (..., C, C): (..., C)."""
    return _ratio(_hits(matrix), matrix.sum(-2))


def f1(matrix: NDArray) -> NDArray:
    """Harmonic mean of precision and recall of each class, of confusion matrices (..., C, C): (..., C)."""
    return _ratio(2 * _hits(matrix), matrix.sum(-1) + matrix.sum(-2))


def macro_f1(matrix: NDArray) -> NDArray:
    """Plain mean of the F1 of those classes that any of the matrices (..., C, C) has an image of: (...).

    Nothing can be found of a class that is not there; its F1 of 0 would say that it was missed.
    """
    there = matrix.sum(-1).reshape(-1, matrix.shape[-1]).any(0)
    return f1(matrix)[..., there].mean(-1)


def patient_draws(patients: Sequence[str], draws: int = DRAWS, seed: int = 0) -> NDArray[np.float64]:
    """Return how often each image counts in each bootstrap draw of whole patients: (draws, n) float64."""
    _, group = np.unique(np.asarray(patients), return_inverse=True)
    count = int(group.max()) + 1
    rng = np.random.default_rng(seed)
    return rng.multinomial(count, np.full(count, 1 / count), size=draws)[:, group].astype(np.float64)


def drawn_matrices(
    truth: NDArray[np.integer], answer: NDArray[np.integer], classes: int, draws: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the confusion matrix of each draw: (draws, classes, classes)."""
    cells = np.zeros((len(truth), classes * classes))
    cells[np.arange(len(truth)), truth * classes + answer] = 1
    return (draws @ cells).reshape(-1, classes, classes)


def interval(values: NDArray) -> tuple[float, float]:
    """Return the 2.5th and 97.5th percentile of bootstrap values."""
    tail = 100 * (1 - _LEVEL) / 2
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)


def share(hit: NDArray[np.bool_], among: NDArray[np.bool_], patients: Sequence[str]) -> Figure:
    """Return the share of hits among some of the images, 0 where there are none.

    hit, among: (n,) bool. patients: (n,) names.
    """
    draws = patient_draws(patients)
    hits, counts = draws @ (hit & among), draws @ among
    value = float(_ratio((hit & among).sum(), among.sum()))
    return bootstrap_figure(value, hits[counts > 0] / counts[counts > 0], len(set(np.asarray(patients)[among])))


def bootstrap_figure(value: float, drawn: NDArray[np.float64], patients: int) -> Figure:
    """Return a share with its interval from bootstrap draws, or Wilson's where all draws agree or there is none.

    value: 0..1. drawn: (draws,) values. patients: sample size of Wilson's interval.
    """
    low, high = interval(drawn) if len(drawn) else (value, value)
    if low == high:
        low, high = _wilson(value, patients)
    return Figure(value, low, high)


def evaluate(
    truth: NDArray[np.integer], answer: NDArray[np.integer], labels: Sequence[str], patients: Sequence[str]
) -> dict[str, Any]:
    """Return accuracy, macro_f1, per_class (precision, recall, f1, support), confusion_matrix and labels (JSON types).

    A class without images has support 0, figures that say nothing, and no part in macro_f1.
    truth, answer: (n,) class numbers. patients: (n,) names; each image its own where patients are not known.
    """
    classes = len(labels)
    matrix = confusion_matrix(truth, answer, classes)
    drawn = drawn_matrices(truth, answer, classes, patient_draws(patients))
    patients_of = [len({p for p, t in zip(patients, truth, strict=True) if t == one}) for one in range(classes)]

    def figure(of: Callable[[NDArray], NDArray], one: int | None = None) -> dict[str, float]:
        value = float(of(matrix) if one is None else of(matrix)[one])
        # A draw without an image of the class says nothing about it.
        values = of(drawn) if one is None else of(drawn)[drawn[:, one].sum(-1) > 0, one]
        return bootstrap_figure(value, values, len(set(patients)) if one is None else patients_of[one]).to_dict()

    return {
        "images": len(truth),
        "patients": len(set(patients)),
        "accuracy": figure(accuracy),
        "macro_f1": figure(macro_f1),
        "per_class": {
            label: {
                "precision": figure(precision, one),
                "recall": figure(recall, one),
                "f1": figure(f1, one),
                "support": int(matrix[one].sum()),
            }
            for one, label in enumerate(labels)
        },
        "confusion_matrix": matrix.tolist(),
        "labels": list(labels),
    }


def _wilson(share: float, count: int) -> tuple[float, float]:
    from scipy.stats import binomtest

    if count == 0:
        return 0.0, 1.0
    found = binomtest(round(share * count), count).proportion_ci(_LEVEL, method="wilson")
    return float(found.low), float(found.high)


def _hits(matrix: NDArray) -> NDArray:
    return np.diagonal(matrix, axis1=-2, axis2=-1)


def _ratio(a: NDArray, b: NDArray) -> NDArray:
    """a / b with 0 where b is 0, as scikit-learn's zero_division=0."""
    return np.divide(a, b, out=np.zeros(np.broadcast(a, b).shape), where=np.asarray(b) > 0)
