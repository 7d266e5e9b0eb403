"""Batches for Keras: drawn by seed and epoch, so that a resumed run sees what an unbroken one would have seen."""

from __future__ import annotations

import keras
import numpy as np
from numpy.typing import NDArray


class Batches(keras.utils.PyDataset):
    """Batches of inputs and their targets.

    Args:
        inputs: anything indexable by row numbers: (n, ...) arrays, memory-mapped or not. Where it holds v n rows, v versions of
            every image one after the other, each draw of an image in training takes one version by chance; validation takes
            the first.
        targets: (n, classes) float32, one-hot or multi-hot.
        rows: (m,) which rows belong to this split.
        batch_size: images at once.
        shuffle_seed: None keeps the order (validation).
        prepare: from the indexed inputs to the network's, float32; called with (inputs, generator) where the generator is
            seeded by seed, epoch and batch. None takes the inputs as they are.
        replicas: devices that share a batch; an incomplete last one is filled with its first rows to divide evenly.
        sampling: see `epoch_rows`.
        groups: (n, 2) numbers of class and source, for `epoch_rows`.

    `weights` (n,) float32 can be set; then each batch names those of its images, for the loss.
    """

    def __init__(
        self,
        inputs,
        targets,
        *,
        rows,
        batch_size,
        shuffle_seed=None,
        prepare=None,
        replicas=1,
        sampling="shuffle",
        groups=None,
    ) -> None:
        """Start at epoch 0; `EpochCounter` moves it."""
        super().__init__()
        self._inputs, self._targets, self._rows = inputs, targets, np.asarray(rows)
        self._batch_size, self._seed, self._prepare = batch_size, shuffle_seed, prepare
        self._replicas, self._sampling, self._groups = replicas, sampling, groups
        self.weights: NDArray[np.float32] | None = None
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        """Set the rows, their order and their versions of an epoch."""
        self._epoch = epoch
        self._order, self._versions = self._rows, np.zeros(len(self._rows), int)
        if self._seed is not None:
            rng = np.random.default_rng([self._seed, epoch])
            self._order = epoch_rows(self._rows, self._targets, self._sampling, rng, self._groups)
            # Drawn last, so that the order is the same with and without versions.
            self._versions = rng.integers(len(self._inputs) // len(self._targets), size=len(self._rows))

    def __len__(self) -> int:
        """Return the number of batches; in training an incomplete last one is dropped unless it is the only one.

        BatchNorm would make much of its few images.
        """
        whole, rest = divmod(len(self._rows), self._batch_size)
        return whole + int(rest > 0 and (self._seed is None or whole == 0))

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], ...]:
        """Return one batch: inputs float32, targets (batch, classes) float32 and, where there are some, weights (batch,)."""
        places = np.arange(index * self._batch_size, min((index + 1) * self._batch_size, len(self._order)))
        places = np.resize(places, -(-len(places) // self._replicas) * self._replicas)
        rows = self._order[places]
        inputs = self._inputs[rows + len(self._targets) * self._versions[places]]
        if self._prepare is not None:
            inputs = self._prepare(inputs, np.random.default_rng([self._seed or 0, self._epoch, index]))
        weights = () if self.weights is None else (self.weights[rows],)
        return np.asarray(inputs, np.float32), self._targets[rows], *weights


class EpochCounter(keras.callbacks.Callback):
    """Tell the training batches which epoch begins."""

    def __init__(self, batches: Batches) -> None:
        """Keep the batches."""
        super().__init__()
        self._batches = batches

    def on_epoch_begin(self, epoch, logs=None):
        """Draw this epoch."""
        self._batches.start_epoch(epoch)


def epoch_rows(
    rows: NDArray[np.integer],
    targets: NDArray,
    sampling: str,
    rng: np.random.Generator,
    groups: NDArray[np.integer] | None = None,
) -> NDArray[np.integer]:
    """Return as many row numbers as `rows` has, in the order of one epoch.

    With the sampling "shuffle" every row comes once. Otherwise rows are drawn with replacement, so that some images do not come at all: by
    `inverse_frequency` rare classes come as often as common ones, by `source_balanced` the small sources of a class as often as its large ones.

    Args:
        rows: of the training images.
        targets: (n, classes), 1 where an image has a label, of all images.
        sampling: "shuffle", "inverse-frequency" or "source-balanced".
        rng: what draws.
        groups: (n, 2) numbers of class and source of all images, for "source-balanced".
    """
    if sampling == "shuffle":
        return rng.permutation(rows)
    if sampling == "inverse-frequency":
        return rng.choice(rows, len(rows), p=inverse_frequency(targets[rows]))
    assert groups is not None
    return rng.choice(rows, len(rows), p=source_balanced(groups[rows]))


def inverse_frequency(targets: NDArray) -> NDArray[np.float64]:
    """Return the probability (n,) of each image in one draw: proportional to 1 / N of its class, sum 1.

    targets: (n, classes), 1 where an image has a label. An image of several labels counts as its rarest, since the draw is
    for that one's sake; images without any label count as a class of their own.
    """
    labelled = targets > 0.5
    labelled = np.column_stack([labelled, ~labelled.any(1)])
    weights = (labelled / np.maximum(labelled.sum(0), 1)).max(1)
    return weights / weights.sum()


def source_balanced(groups: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the probability (n,) of each image in one draw: each class as frequent as it is, each of its sources as frequent as its others.

    groups: (n, 2) numbers of class and source.
    """
    cells, cell, images = np.unique(groups, axis=0, return_inverse=True, return_counts=True)
    cell = cell.reshape(-1)  # NumPy 2.0 gives it a second axis
    _, kind = np.unique(cells[:, 0], return_inverse=True)
    # How many images a cell would have if those of its class were spread evenly over its sources.
    even = np.bincount(kind, images) / np.bincount(kind)
    return even[kind][cell] / images[cell] / len(groups)
