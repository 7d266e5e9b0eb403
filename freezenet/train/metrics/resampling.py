"""A bootstrap of whole patients within strata, fast enough for ten thousand draws of thousands of images.

Figures that follow from sums over images (macro-F1, recall, accuracy) need only the sums of each draw. So a draw is the count of each
kind of patient (those that add the same), and one product with what each kind adds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from freezenet.train.metrics.draws import strata_of

DRAWS = 10_000
#: Counts that are held at once, to bound the memory.
_BLOCK = 4_000_000
#: This many patients to a kind, and drawing how often each kind comes is faster than drawing patients.
_FEW = 6


def drawn_sums(
    values: NDArray, patients: Sequence[str], strata: NDArray, *, draws: int = DRAWS, seed: int = 0
) -> NDArray[np.float64]:
    """Return the sums of each column of values in each draw: (draws, columns).

    Patients are drawn with replacement within their stratum, as many as it has (Davison and Hinkley, Bootstrap Methods and
    their Application, 1997, section 3.2).

    Args:
        values: (n, columns), what each image adds.
        patients: (n,) names; images of one patient are drawn together.
        strata: (n,) as for `freezenet.train.metrics.draws.strata_of`.
        draws: how many.
        seed: of the drawing.
    """
    names, patient = np.unique(np.asarray(patients), return_inverse=True)
    sums = np.zeros((len(names), values.shape[1]))
    np.add.at(sums, patient, values)
    stratum = strata_of(patient, strata)
    rng = np.random.default_rng(seed)
    found = np.zeros((draws, values.shape[1]))
    for one in np.unique(stratum):
        # Patients that add the same are one kind: the fewer kinds, the smaller the product.
        kinds, kind = np.unique(sums[stratum == one], axis=0, return_inverse=True)
        kind = kind.reshape(-1)
        if _FEW * len(kinds) <= len(kind):
            shares = np.bincount(kind, minlength=len(kinds)) / len(kind)
            found += rng.multinomial(len(kind), shares, size=draws) @ kinds
            continue
        rows = max(1, _BLOCK // max(len(kind), len(kinds)))
        for start in range(0, draws, rows):
            count = min(rows, draws - start)
            drawn = kind[rng.integers(0, len(kind), (count, len(kind)))]
            drawn += np.arange(count)[:, None] * len(kinds)
            weights = np.bincount(drawn.reshape(-1), minlength=count * len(kinds)).reshape(count, len(kinds))
            found[start : start + count] += weights @ kinds
    return found
