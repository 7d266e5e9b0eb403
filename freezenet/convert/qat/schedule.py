"""When kernels are pruned and clustered during quantization-aware training."""

from __future__ import annotations

import tensorflow_model_optimization as tfmot

from freezenet.convert.qat.compression import codebook, nearest_table, smallest_mask
from freezenet.convert.qat.network import Network

#: Share of the steps after which the wanted sparsity is reached; the rest lets the kept weights settle.
PRUNED_AT = 0.5
#: How often an epoch raises the sparsity.
PRUNINGS = 4


class Compression:
    """Zeros that grow in number to half-way, then a limit on the different integers; both in a network's compressed layers.

    finished: whether the kernels are as they are to be in the file.
    """

    # The layers that tensorflow-model-optimization prunes and clusters with hold float weights. What compresses in the file are
    # integers, and equal floats of two channels are different integers there; so only its schedule is used.

    def __init__(self, network: Network, sparsity: float, clusters: int, epochs: int, epoch_steps: int) -> None:
        """Plan for a number of epochs, each of a number of steps. sparsity, clusters: see `freezenet.convert.qat.training.QatSettings`."""
        self._network, self._sparsity, self._clusters = network, sparsity, clusters
        # Codes are chosen between the integers that pruning left.
        self._end = max(1, round(epochs * epoch_steps * PRUNED_AT)) if sparsity else 0
        self._schedule = tfmot.sparsity.keras.PolynomialDecay(
            0.0, sparsity, 0, max(1, self._end), frequency=max(1, epoch_steps // PRUNINGS)
        )
        self.finished = False

    def before(self, step: int) -> None:
        """Prune or cluster where this is due before a step, counted from 0."""
        if self.finished:
            return
        due, share = self._schedule(step)
        self.finished = step >= self._end
        if self._sparsity and (bool(due) or self.finished):
            self._prune(float(share))
        if self._clusters and self.finished:
            self._cluster()

    def _prune(self, share: float) -> None:
        for name in self._network.compressed:
            mask = self._network.compression(name, "mask")
            # What was dropped stays dropped.
            mask.assign(smallest_mask(self._network.kernel(name) * mask.numpy(), share))

    def _cluster(self) -> None:
        for name in self._network.compressed:
            table = nearest_table(codebook(self._network.integers(name), self._clusters))
            self._network.compression(name, "table").assign(table)
