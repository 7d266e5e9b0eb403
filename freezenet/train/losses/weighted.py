"""Cross-entropy with one weight per class: all class-weighted losses of a recipe differ in these weights alone."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops

#: Probabilities are kept this far from 0 and 1, as by Roy & Khurana (Mobile Freeze-Net, ACM SAC 2023).
EPSILON = 1e-7


@keras.saving.register_keras_serializable(package="freezenet")
class WeightedCrossentropy(keras.losses.Loss):
    """Cross-entropy with one weight per class: -sum_c w_c y_c log p_c, averaged over the batch.

    Called with y_true (batch, classes) one-hot and y_pred (batch, classes) probabilities, both float.

    Args:
        weights: one positive number per class, in class order.
        label_smoothing: share e in [0, 1) of the target that is spread evenly: y' = (1 - e) y + e / C.
        name, reduction: see `keras.losses.Loss`.
    """

    def __init__(
        self,
        weights: Sequence[float],
        label_smoothing: float = 0.0,
        name: str | None = None,
        reduction: str = "sum_over_batch_size",
    ) -> None:
        """Keep the weights as plain numbers, so that the loss can be saved with the model."""
        super().__init__(name=name, reduction=reduction)
        self.weights = [float(weight) for weight in weights]
        self.label_smoothing = float(label_smoothing)
        if not self.weights or min(self.weights) <= 0:
            raise ValueError(f"One positive weight per class is required. Got: {self.weights}")

    def call(self, y_true, y_pred):
        """Return the loss of each sample, shape (batch,)."""
        return ops.sum(self.terms(y_true, y_pred), axis=-1)

    def terms(self, y_true, y_pred):
        """Return what each class adds to the loss, -w_c y'_c log p_c, shape (batch, classes)."""
        y_true = ops.cast(y_true, y_pred.dtype)
        if self.label_smoothing:
            y_true = y_true * (1 - self.label_smoothing) + self.label_smoothing / len(self.weights)
        weights = ops.convert_to_tensor(self.weights, dtype=y_pred.dtype)
        return -weights * y_true * ops.log(self.clipped(y_pred))

    def clipped(self, y_pred):
        """Return the probabilities, away from 0 and 1."""
        return ops.clip(y_pred, EPSILON, 1 - EPSILON)

    def get_config(self):
        """Return what rebuilds the loss."""
        return {**super().get_config(), "weights": self.weights, "label_smoothing": self.label_smoothing}
