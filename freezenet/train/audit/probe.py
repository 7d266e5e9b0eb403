"""The probe: a logistic regression on given features, tested on patients that it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from freezenet.edge_runtime.errors import DataError
from freezenet.train.metrics.draws import PatientDraws
from freezenet.train.metrics.evaluation import evaluate
from freezenet.train.metrics.figure import Figure, interval

#: Directions of the features that are kept, those with the largest variance; and the strength of the L2 penalty, as 1 / strength.
_DIRECTIONS, _C = 192, 1.0
#: Features whose differences are a smaller part than this of their values are the same.
_SAME = 1e-7


@dataclass(frozen=True)
class Bench:
    """What all probes of an audit share, so that they can be compared image by image.

    Args:
        classes: (n,) class of each image.
        patients: (n,) patient of each image.
        folds: (n,) in which fold each image is tested.
        draws: how often each image counts in each bootstrap draw of patients.
    """

    classes: NDArray[np.str_]
    patients: NDArray[np.str_]
    folds: NDArray[np.integer]
    draws: PatientDraws

    @property
    def majority(self) -> float:
        """Share of the most frequent class, 0..1: the accuracy of knowing nothing."""
        return float(np.unique(self.classes, return_counts=True)[1].max() / len(self.classes))

    def figures(self, answers: NDArray[np.str_]) -> dict[str, Any]:
        """Return accuracy and macro-F1 with patient-bootstrap intervals, and the recall of each class (JSON types)."""
        names = np.unique(self.classes)
        found = evaluate(
            self.classes[:, None] == names,
            answers[:, None] == names,
            names.tolist(),
            self.patients.tolist(),
            exclusive=True,
            draws=self.draws,
        )
        recalls = {label: one["recall"] for label, one in found["per_class"].items()}
        return {"accuracy": found["accuracy"], "macro_f1": found["macro_f1"], "recall": recalls}

    def remaining(self, answers: NDArray[np.str_], whole: NDArray[np.str_]) -> dict[str, float] | None:
        """Return the share of the whole image's accuracy above chance that other answers reach; None where it has none.

        Both are measured in the same bootstrap draws of patients, so the interval knows that they rise and fall together.
        """
        right, reference = answers == self.classes, whole == self.classes
        gain = reference.mean() - self.majority
        if gain <= 0.02:
            return None
        counts = self.draws.sum(1)
        above = self.draws @ right / counts - self.majority
        base = self.draws @ reference / counts - self.majority
        low, high = interval(above[base > 0] / base[base > 0])
        return Figure(float((right.mean() - self.majority) / gain), low, high).to_dict()

    def above_chance(self, answers: NDArray[np.str_]) -> bool:
        """Return whether answers are right clearly more often than the most frequent class alone: by the interval, and by 3 points."""
        right = answers == self.classes
        low, _ = interval(self.draws @ right / self.draws.sum(1))
        return bool(low > self.majority and right.mean() > self.majority + 0.03)


def draw_folds(classes: NDArray[np.str_], patients: NDArray[np.str_], folds: int, seed: int) -> NDArray[np.integer]:
    """Return the fold (n,) in which each image is tested: whole patients, classes alike in all.

    Raises:
        DataError: a class has a single patient.
    """
    scarce = min((len(set(patients[classes == name])), name) for name in np.unique(classes).tolist())
    if scarce[0] < 2:
        raise DataError(
            f"At least two patients in every class are required for an audit. Got: {scarce[0]} in {scarce[1]}."
        )
    numbers = np.empty(len(classes), int)
    splitter = StratifiedGroupKFold(min(folds, scarce[0]), shuffle=True, random_state=seed)
    for number, (_, tested) in enumerate(splitter.split(classes, classes, patients)):
        numbers[tested] = number
    return numbers


def prepared(features: NDArray) -> NDArray[np.float64]:
    """Return features (n, d) in their main directions, with a mean squared length of 100; classes are not looked at."""
    values = np.asarray(features, np.float64)
    centred = values - values.mean(0)
    images, directions = values.shape
    # What differs by rounding only, as of images that are all the same, is not to be blown up.
    if _length(centred) <= _SAME * np.abs(values).max(initial=0):
        return np.zeros((images, 1))
    if directions > (kept := min(_DIRECTIONS, images)):
        # As many directions as images hold all that there is, so that nothing is lost but time.
        solver = "full" if kept == images else "randomized"
        with threadpool_limits(1):  # see `trained`
            centred = PCA(kept, svd_solver=solver, random_state=0).fit_transform(centred)
    return centred / _length(centred) * 10


def _length(values: NDArray[np.float64]) -> float:
    """Return the root of the mean squared length of values (n, d)."""
    return float(np.sqrt((values**2).sum(1).mean()))


def cross_validated(
    values: NDArray[np.float64], target: NDArray[np.str_], folds: NDArray[np.integer]
) -> NDArray[np.str_]:
    """Return what the probe answers for each image (n,), trained on the other folds.

    Args:
        values: (n, d) of `prepared`.
        target: (n,) what is to be told.
        folds: (n,) of `draw_folds`.
    """
    answers = np.empty(len(target), target.dtype)
    for fold in np.unique(folds):
        tested = folds == fold
        answers[tested] = answered(values[~tested], target[~tested], values[tested])
    return answers


def answered(values: NDArray[np.float64], target: NDArray[np.str_], others: NDArray[np.float64]) -> NDArray[np.str_]:
    """Train the probe on values (n, d) and target (n,) and return what it answers for others (m, d)."""
    names, counts = np.unique(target, return_counts=True)
    if len(names) == 1 or not values.std(0).any():
        return np.full(len(others), names[counts.argmax()])
    return trained(values, target).predict(others)


def trained(values: NDArray[np.float64], target: NDArray[np.str_]) -> LogisticRegression:
    """Return the probe, trained on values (n, d) and target (n,) of two classes or more."""
    with threadpool_limits(1):  # threads that wait for each other cost more than these small products
        return LogisticRegression(C=_C, max_iter=300, tol=1e-3).fit(values, target)
