"""Which training images an epoch sees, and in which order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def epoch_rows(
    rows: NDArray[np.integer], targets: NDArray, sampling: str, rng: np.random.Generator
) -> NDArray[np.integer]:
    """Return as many row numbers as `rows` has, in the order of one epoch.

    targets: (n, classes), 1 where an image has a label, of all images. sampling: "shuffle", every row once; or
    "inverse-frequency", drawn with replacement by `inverse_frequency`, so that rare classes come as often as common ones
    and some images do not come at all.
    """
    if sampling == "shuffle":
        return rng.permutation(rows)
    return rng.choice(rows, len(rows), p=inverse_frequency(targets[rows]))


def inverse_frequency(targets: NDArray) -> NDArray[np.float64]:
    """Return the probability (n,) of each image in one draw: proportional to 1 / N of its class, sum 1.

    targets: (n, classes), 1 where an image has a label. An image of several labels counts as its rarest, since the draw is
    for that one's sake; images without any label count as a class of their own.
    """
    labelled = targets > 0.5
    labelled = np.column_stack([labelled, ~labelled.any(1)])
    weights = (labelled / np.maximum(labelled.sum(0), 1)).max(1)
    return weights / weights.sum()
