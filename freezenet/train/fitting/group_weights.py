"""Make the worst group count more: images of one class from one source, weighted by how badly they are learned so far.

Where class and source go together, the mean loss is low for a network that knows sources, and the few images that tell the two
apart are its worst group (Sagawa, Koh, Hashimoto and Liang, Distributionally Robust Neural Networks, ICLR 2020).
"""

from __future__ import annotations

import keras
import numpy as np
from numpy.typing import NDArray

from freezenet.train.fitting.batches import Batches


def tilted(losses: NDArray[np.float64], tilt: float) -> NDArray[np.float64]:
    """Return the weight (n,) of each image, 1 on average, that grows with the mean loss of its group as exp(tilt x loss).

    It is the gradient of the tilted mean of the groups' losses (Li, Beirami, Sanjabi and Smith, Tilted Empirical Risk Minimization, ICLR
    2021, section 2): 0 leaves the plain mean, a large tilt looks at the worst group alone.

    losses: (n,) the mean loss of the group of each image.
    """
    grown = np.exp(tilt * (losses - losses.max()))
    return np.asarray(grown / grown.mean())


class GroupWeights(keras.callbacks.Callback):
    """Weigh the training images anew before each epoch.

    What it needs is in the network's weights, so a resumed training weighs as an unbroken one. Place it behind what swaps the weights.

    Args:
        training: whose weights are set.
        judged: the same images in their order, unchanged.
        rows: (m,) their numbers.
        groups: (n, 2) of all images.
        tilt: above 0.
        loss: of the training.
    """

    def __init__(
        self,
        training: Batches,
        judged: Batches,
        *,
        rows: NDArray[np.integer],
        groups: NDArray[np.integer],
        tilt: float,
        loss: keras.losses.Loss,
    ) -> None:
        """Weigh all images alike until the first epoch."""
        super().__init__()
        self._judged, self._rows, self._tilt, self._loss = judged, rows, tilt, loss
        self._group = np.unique(groups[rows], axis=0, return_inverse=True)[1].reshape(-1)
        self._weights = np.ones(len(groups), np.float32)
        training.weights = self._weights

    def on_epoch_begin(self, epoch, logs=None):
        """Measure the loss of each group, and set the weights."""
        parts = []
        for number in range(len(self._judged)):
            inputs, targets, *_ = self._judged[number]
            found = self._loss.call(targets, self.model.predict_on_batch(inputs))
            parts.append(keras.ops.convert_to_numpy(found).reshape(len(targets), -1).mean(1))
        losses = np.concatenate(parts)[: len(self._rows)].astype(np.float64)
        of_group = np.bincount(self._group, losses) / np.bincount(self._group)
        self._weights[self._rows] = tilted(of_group[self._group], self._tilt)
