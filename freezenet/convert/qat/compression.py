"""Which kernel weights are zero, and which integers the others may be.

A kernel with many zeros, or with few different integers, makes a file that compresses well. Both are defined on the 8-bit
integers and not on float weights: each output channel has a scale of its own, so equal float weights of two channels are
different integers in the file.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Largest integer of a symmetric 8-bit kernel, as TFLite defines it.
LIMIT = 127
_ROUNDS = 100


def scales_of(kernel: NDArray, channel_axes: int) -> NDArray[np.float64]:
    """Return the scale of each output channel, largest weight / 127, shaped to divide the kernel.

    channel_axes: how many of the last axes count output channels: 1, for a depthwise kernel (h, w, c, multiplier) 2.
    """
    inner = tuple(range(kernel.ndim - channel_axes))
    return np.maximum(np.abs(kernel.astype(np.float64)).max(inner, keepdims=True), 1e-30) / LIMIT


def smallest_mask(kernel: NDArray, share: float) -> NDArray[np.float32]:
    """Return 1 for weights to keep and 0 for the `share` of smallest magnitude (Zhu & Gupta, To Prune or Not to Prune, 2017).

    kernel: (..., out). The largest weight of each output channel is kept, since the channel's scale comes from it; where that
    would leave too few weights to drop, fewer are dropped.
    """
    size = np.abs(kernel)
    largest = size.reshape(-1, kernel.shape[-1]).argmax(0)
    kept = np.zeros((kernel.size // kernel.shape[-1], kernel.shape[-1]), bool)
    kept[largest, np.arange(kernel.shape[-1])] = True
    order = np.argsort(np.where(kept, np.inf, size.reshape(kept.shape)), axis=None, kind="stable")
    dropped = order[: min(round(share * kernel.size), kernel.size - kernel.shape[-1])]
    mask = np.ones(kernel.size, np.float32)
    mask[dropped] = 0
    return mask.reshape(kernel.shape)


def codebook(integers: NDArray, clusters: int) -> NDArray[np.int64]:
    """Return at most `clusters` integers with small squared distance to the given ones, in rising order.

    integers: of a kernel, -127 to 127, not all 0. clusters: at least 4. -127, 0 and 127 are always among them: the largest
    weight of a channel stays where the scale comes from, and a pruned weight stays zero. The others are found by k-means
    (Lloyd 1982).
    """
    values = np.arange(-LIMIT, LIMIT + 1)
    counts = np.bincount(integers.astype(np.int64).ravel() + LIMIT, minlength=len(values))
    free = clusters - 3
    # Centers are best as dense as the third root of the values (Panter & Dite 1951). Zeros have a code of their own.
    density = np.cumsum(np.where(values == 0, 0, np.cbrt(counts)))
    centers = values[np.searchsorted(density, (np.arange(free) + 0.5) / free * density[-1])].astype(float)
    fixed = np.array([-LIMIT, 0.0, LIMIT])
    for _ in range(_ROUNDS):
        every = np.concatenate([fixed, centers])
        nearest = np.abs(values[:, None] - every).argmin(1)
        moved = centers.copy()
        for number in range(free):
            members = nearest == number + len(fixed)
            if counts[members].sum():
                moved[number] = np.average(values[members], weights=counts[members])
        if np.array_equal(moved, centers):
            break
        centers = moved
    return np.unique(np.rint(np.concatenate([fixed, centers]))).astype(np.int64)


def nearest_table(codes: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return, for each integer from -127 to 127, the nearest of the codes."""
    values = np.arange(-LIMIT, LIMIT + 1)
    return codes[np.abs(values[:, None] - codes).argmin(1)].astype(np.float32)
