"""Focal loss: what is answered rightly and surely counts less."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops

from freezenet.train.losses.weighted import WeightedCrossentropy


@keras.saving.register_keras_serializable(package="freezenet")
class FocalCrossentropy(WeightedCrossentropy):
    """-sum_c a_c y_c (1 - p_c)^gamma log p_c, averaged over the batch (Lin et al., ICCV 2017, equations 4 and 5).

    weights: a, one positive number per class; all 1 is the focal loss without alpha. gamma: at least 0; 0 is cross-entropy.
    label_smoothing, y_true, y_pred: see `WeightedCrossentropy`.
    """

    def __init__(self, weights: Sequence[float], gamma: float = 2.0, **arguments) -> None:
        """Keep gamma beside the weights."""
        super().__init__(weights, **arguments)
        self.gamma = float(gamma)

    def call(self, y_true, y_pred):
        """Return the loss of each sample, shape (batch,)."""
        return ops.sum(self.terms(y_true, y_pred) * (1 - self.clipped(y_pred)) ** self.gamma, axis=-1)

    def get_config(self):
        """Return what rebuilds the loss."""
        return {**super().get_config(), "gamma": self.gamma}
