"""What the frozen part of a network gives for some images, computed once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from freezenet.convert.qat.network import Network
from freezenet.edge_runtime.images.preprocess import PreprocessSpec

_BATCH = 32


class Features:
    """The outputs of a node for some images, kept as the 8-bit integers that they are, and given as the floats they stand for.

    values: (n, ...) uint8. Where the node is the network's input these are the images themselves.
    """

    def __init__(
        self, network: Network, cut: str, pixels: NDArray[np.uint8], spec: PreprocessSpec, progress: Callable[..., Any]
    ) -> None:
        """Compute the features of pixels (n, h, w) uint8.

        cut: name of a node that is the input or has limits. progress: called with an iterable, a title and a total; gives the
        items.
        """
        prefix, _ = network.split(cut)
        limits = network.nodes[cut].limits
        self._spec = spec
        self._table: NDArray[np.float32] | None = None
        self.values = pixels
        if prefix is None or limits is None:
            return
        low, high = limits
        scale = (high - low) / 255
        # The floats that the rounding itself gives, so that features from memory are the computed ones to the last bit.
        grid = tf.constant(low + scale * np.arange(256), tf.float32)
        self._table = tf.quantization.fake_quant_with_min_max_args(grid, low, high).numpy()
        run = tf.function(lambda images: prefix(images, training=False), reduce_retracing=True)
        self.values = np.empty((len(pixels), *prefix.output_shape[1:]), np.uint8)
        starts = range(0, len(pixels), _BATCH)
        for start in progress(starts, "Computing the frozen backbone", len(starts)):
            found = run(tf.constant(spec.normalized(pixels[start : start + _BATCH]))).numpy()
            self.values[start : start + _BATCH] = np.rint((found - low) / scale)

    def batch(self, rows: NDArray[np.integer] | slice) -> NDArray[np.float32]:
        """Return the floats of some rows."""
        values = self.values[rows]
        return self._spec.normalized(values) if self._table is None else self._table[values]
