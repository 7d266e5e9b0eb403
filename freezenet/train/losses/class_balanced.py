"""Class-balanced weighting by the effective number of images."""

from __future__ import annotations

import keras
import numpy as np
from numpy.typing import NDArray

from freezenet.train.losses.weighted import WeightedCrossentropy


@keras.saving.register_keras_serializable(package="freezenet")
class ClassBalancedCrossentropy(WeightedCrossentropy):
    """Cross-entropy weighted by the inverse of the effective number of images (Cui et al., CVPR 2019)."""

    @staticmethod
    def weights_of(counts: NDArray[np.integer], beta: float) -> NDArray[np.float64]:
        """Return w_c proportional to (1 - beta) / (1 - beta^N_c), equations 2 and 7, scaled to the sum C.

        counts: (C,) training images. beta: in [0, 1); 0 weighs all classes alike, towards 1 it becomes the inverse frequency.
        """
        inverse = (1 - beta) / (1 - beta ** counts.astype(np.float64))
        return inverse * len(counts) / inverse.sum()
