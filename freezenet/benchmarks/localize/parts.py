"""Parts that images are dealt into by patients, so that each is judged by what the others chose."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def dealt(truth: NDArray[np.integer], patients: NDArray[np.integer], parts: int, seed: int) -> NDArray[np.integer]:
    """Return the part (n,), 0..parts-1, of each image: patients in random order, dealt out class by class.

    Args:
        truth: (n,) number of the true class.
        patients: (n,) numbers that tell patients apart.
        parts: how many.
        seed: of the order.
    """
    names, first, numbers = np.unique(patients, return_index=True, return_inverse=True)
    drawn = np.random.default_rng(seed).permutation(len(names))
    order = drawn[np.argsort(truth[first][drawn], kind="stable")]
    part = np.empty(len(names), int)
    part[order] = np.arange(len(names)) % parts
    return np.asarray(part[numbers])
