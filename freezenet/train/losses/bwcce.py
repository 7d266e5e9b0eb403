"""Bias-weighted categorical cross-entropy (BWCCE), the attention loss's predecessor."""

from __future__ import annotations

import keras
import numpy as np
from numpy.typing import NDArray

from freezenet.train.losses.weighted import WeightedCrossentropy


@keras.saving.register_keras_serializable(package="freezenet")
class BWCCE(WeightedCrossentropy):
    """Cross-entropy weighted by the share of images that are of other classes (Roy et al., Comput. Biol. Med. 2022)."""

    @staticmethod
    def weights_of(counts: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return w_c = (1 - N_c / N) / (C - 1) for counts (C,) of training images, C > 1; their sum is 1."""
        return (1 - counts / counts.sum()) / (len(counts) - 1)
