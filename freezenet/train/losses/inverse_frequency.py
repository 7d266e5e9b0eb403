"""Inverse-frequency weighting: every class has the same say, however few images it has."""

from __future__ import annotations

import keras
import numpy as np
from numpy.typing import NDArray

from freezenet.train.losses.weighted import WeightedCrossentropy


@keras.saving.register_keras_serializable(package="freezenet")
class InverseFrequencyCrossentropy(WeightedCrossentropy):
    """Cross-entropy with weights in inverse proportion to the classes' numbers of images."""

    @staticmethod
    def weights_of(counts: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return w_c = N / (C N_c) for counts (C,) of training images; over the images their mean is 1 (King & Zeng 2001)."""
        return counts.sum() / (len(counts) * counts)
