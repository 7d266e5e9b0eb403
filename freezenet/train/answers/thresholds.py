"""The threshold of each label of a multi-label model, chosen on validation images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from freezenet.train.metrics.matrices import f1, matthews

#: Where the data give no reason for another.
DEFAULT = 0.5
#: Decimals of a probability that count: what lies closer together may stand in another order on another runtime.
DECIMALS = 3


def choose_thresholds(probabilities: NDArray[np.float64], truth: NDArray[np.bool_], metric: str) -> NDArray[np.float64]:
    """Return the threshold of each label, (labels,), that makes its metric largest on these images.

    Args:
        probabilities: (n, labels), 0..1, calibrated, as the device compares them.
        truth: (n, labels) bool.
        metric: a key of METRICS.
    """
    return np.array([best_threshold(*one, METRICS[metric]) for one in zip(probabilities.T, truth.T, strict=True)])


def best_threshold(
    probabilities: NDArray[np.float64], truth: NDArray[np.bool_], metric: Callable[[NDArray], NDArray]
) -> float:
    """Return the threshold t, "yes" from t on, that makes a metric of one label largest.

    Candidates are .5 and the middle between neighbouring values of DECIMALS, so that no image stands on the threshold; of those
    that are equally good it is the one nearest to .5. A label without an image keeps .5.

    Args:
        probabilities: (n,), 0..1.
        truth: (n,) bool.
        metric: one of METRICS.
    """
    if not truth.any():
        return DEFAULT
    values = np.unique(probabilities.round(DECIMALS))
    candidates = np.append(((values[1:] + values[:-1]) / 2).round(DECIMALS + 1), DEFAULT)
    order = np.sort(probabilities)
    said = len(order) - np.searchsorted(order, candidates)
    found = truth.sum() - np.searchsorted(np.sort(probabilities[truth]), candidates)
    there, absent = truth.sum(), (~truth).sum()
    cells = np.stack([absent - said + found, said - found, there - found, found], axis=-1)
    value = metric(cells.reshape(-1, 2, 2))
    # Equal to within the rounding of the division.
    best = candidates[value >= value.max() - 1e-12]
    return float(best[np.argmin(np.abs(best - DEFAULT))])


#: Value of the recipe key `threshold_metric` -> metric of 2 x 2 matrices (candidates, 2, 2), see `freezenet.train.metrics.matrices`.
METRICS: dict[str, Callable[[NDArray], NDArray]] = {"f1": f1, "matthews": matthews}
