"""Whether two recipes differ, judged on the folds of a cross-validation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Difference:
    """Mean difference of a figure over folds, its 95 % interval, and the two-sided p-value of no difference."""

    mean: float
    low: float
    high: float
    p: float


def corrected_resampled_test(differences: Sequence[float], test_to_train: float) -> Difference:
    """Compare two recipes by their differences on the same J folds.

    Nadeau & Bengio, Inference for the Generalization Error (Machine Learning 52, 2003), section 3: the training sets of
    folds overlap, so the variance of the mean is not s^2 / J but (1 / J + n_test / n_train) s^2, with J - 1 degrees of freedom.
    Without the correction small differences seem certain.

    differences: one per fold, over all seeds, at least 2. test_to_train: n_test / n_train.
    """
    values = np.asarray(differences, np.float64)
    count = len(values)
    mean, variance = float(values.mean()), float(values.var(ddof=1))
    error = math.sqrt((1 / count + test_to_train) * variance)
    if error < 1e-12:  # equal in every fold up to rounding: nothing to divide by
        return Difference(mean, mean, mean, 1.0 if abs(mean) < 1e-12 else 0.0)
    reach = float(stats.t.ppf(0.975, count - 1)) * error
    return Difference(mean, mean - reach, mean + reach, float(2 * stats.t.sf(abs(mean) / error, count - 1)))
