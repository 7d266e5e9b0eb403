"""Focal losses: what is answered rightly and surely counts less, for one class or any number of labels."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops

from freezenet.train.losses.weighted import EPSILON, WeightedCrossentropy


@keras.saving.register_keras_serializable(package="freezenet")
class FocalCrossentropy(WeightedCrossentropy):
    """-sum_c a_c y_c (1 - p_c)^gamma log p_c, averaged over the batch (Lin et al., ICCV 2017, equations 4 and 5).

    Args:
        weights: a, one positive number per class; all 1 is the focal loss without alpha.
        gamma: at least 0; 0 is cross-entropy.
        arguments: label_smoothing, name and reduction, see `WeightedCrossentropy`.
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


@keras.saving.register_keras_serializable(package="freezenet")
class BinaryFocalCrossentropy(keras.losses.Loss):
    """Focal loss of labels of which any number may be true: alpha (1 - p_t)^gamma BCE, averaged over labels and batch.

    p_t is the probability of what is true. alpha is one factor for both answers, as in the published multi-label system
    (alpha .3, gamma 1.5); `keras.losses.BinaryFocalCrossentropy` gives it to the positive answers alone and 1 - alpha to the
    others.

    Called with y_true (batch, labels) of 0 and 1 and y_pred (batch, labels) probabilities, both float.

    Args:
        alpha: above 0.
        gamma: at least 0; 0 is binary cross-entropy.
        label_smoothing: e in [0, 1), y' = (1 - e) y + e / 2.
        name, reduction: see `keras.losses.Loss`.
    """

    def __init__(
        self,
        alpha: float = 1.0,
        gamma: float = 2.0,
        label_smoothing: float = 0.0,
        name: str | None = None,
        reduction: str = "sum_over_batch_size",
    ) -> None:
        """Keep the settings as plain numbers."""
        super().__init__(name=name, reduction=reduction)
        self.alpha, self.gamma, self.label_smoothing = float(alpha), float(gamma), float(label_smoothing)

    def call(self, y_true, y_pred):
        """Return the loss of each sample, shape (batch,)."""
        y = ops.cast(y_true, y_pred.dtype)
        p = ops.clip(y_pred, EPSILON, 1 - EPSILON)
        p_t = y * p + (1 - y) * (1 - p)
        y = y * (1 - self.label_smoothing) + self.label_smoothing / 2
        crossentropy = -(y * ops.log(p) + (1 - y) * ops.log(1 - p))
        return ops.mean(self.alpha * (1 - p_t) ** self.gamma * crossentropy, axis=-1)

    def get_config(self):
        """Return what rebuilds the loss."""
        return {
            **super().get_config(),
            "alpha": self.alpha,
            "gamma": self.gamma,
            "label_smoothing": self.label_smoothing,
        }
