"""The threshold of each label of a multi-label model, chosen on the validation side."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

#: Where the data give no reason for another.
DEFAULT = 0.5
#: Decimals of a probability that count: what lies closer together may stand in another order on another runtime.
DECIMALS = 3


def choose_thresholds(probabilities: NDArray[np.float64], truth: NDArray[np.bool_], metric: str) -> NDArray[np.float64]:
    """Return the threshold of each label, (labels,), that makes its metric largest on these images.

    probabilities, truth: (n, labels), the former calibrated, as the device compares them. metric: a key of METRICS.
    """
    return np.array([best_threshold(*one, METRICS[metric]) for one in zip(probabilities.T, truth.T, strict=True)])


def best_threshold(
    probabilities: NDArray[np.float64], truth: NDArray[np.bool_], metric: Callable[..., NDArray[np.float64]]
) -> float:
    """Return the threshold t, "yes" from t on, that makes a metric of one label largest.

    Candidates are .5 and the middle between neighbouring values of DECIMALS, so that no image stands on the threshold; of those
    that are equally good it is the one nearest to .5. A label without an image keeps .5.
    """
    if not truth.any():
        return DEFAULT
    values = np.unique(probabilities.round(DECIMALS))
    candidates = np.append(((values[1:] + values[:-1]) / 2).round(DECIMALS + 1), DEFAULT)
    order = np.sort(probabilities)
    said = len(order) - np.searchsorted(order, candidates)
    found = truth.sum() - np.searchsorted(np.sort(probabilities[truth]), candidates)
    value = metric(found, said - found, truth.sum() - found, len(truth) - said - truth.sum() + found)
    # Equal to within the rounding of the division.
    best = candidates[value >= value.max() - 1e-12]
    return float(best[np.argmin(np.abs(best - DEFAULT))])


def f1(hits: NDArray, false_alarms: NDArray, missed: NDArray, right_noes: NDArray) -> NDArray[np.float64]:
    """2 TP / (2 TP + FP + FN), 0 where nothing is said or there."""
    return 2 * hits / np.maximum(2 * hits + false_alarms + missed, 1)


def matthews(hits: NDArray, false_alarms: NDArray, missed: NDArray, right_noes: NDArray) -> NDArray[np.float64]:
    """Correlation of answer and truth, 0 where one of them is constant (Matthews, Biochim. Biophys. Acta 1975, equation 1)."""
    sides = (hits + false_alarms, hits + missed, right_noes + false_alarms, right_noes + missed)
    product = np.prod([np.asarray(side, np.float64) for side in sides], axis=0)
    return (hits * right_noes - false_alarms * missed) / np.sqrt(np.maximum(product, 1))


#: Value of the recipe key `threshold_metric` -> metric of (TP, FP, FN, TN), each (candidates,).
METRICS: dict[str, Callable[..., NDArray[np.float64]]] = {"f1": f1, "matthews": matthews}
