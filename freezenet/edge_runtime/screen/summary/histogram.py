"""Histograms of what a model reads in its images: counts alone, from which no image can be told.

`freezenet convert` counts the validation images and writes the counts into the card; `freezenet screen --summary` compares an archive with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.ood import LogisticGate, OneClassGate

#: Edges for probabilities: finer towards 0 and 1, where most of them lie.
_PROBABILITY_EDGES = (0.0, 0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 1.0)
#: Bins between 0 and twice the largest distance that passes an OOD gate; what is farther counts to the last.
_DISTANCE_BINS = 40


#: What the figures call an answer without a label.
NO_LABEL = "none of the labels"


def answer_of(label: str | None, reason: str | None) -> str:
    """Return what an answer is counted as: its label, or the reason for which there is none."""
    return str(reason) if label is None else label or NO_LABEL


@dataclass(frozen=True)
class Histogram:
    """How often values lie between edges.

    Args:
        edges: Ascending, one more than there are counts; what lies beyond them counts to the outermost bins.
        counts: How often.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @classmethod
    def of_probabilities(cls, values: NDArray) -> Histogram:
        """Count probabilities, 0..1."""
        return cls(_PROBABILITY_EDGES, ()).again(values)

    @classmethod
    def of_readings(cls, gate: OneClassGate | LogisticGate, values: NDArray) -> Histogram:
        """Count what an OOD gate reads: probabilities, or distances."""
        if isinstance(gate, LogisticGate):
            return cls.of_probabilities(values)
        edges = np.linspace(0, 2 * gate.threshold, _DISTANCE_BINS + 1)
        return cls(tuple(float(f"{edge:.6g}") for edge in edges), ()).again(values)

    @classmethod
    def from_dict(cls, content: Mapping[str, Sequence[float]]) -> Histogram:
        """Read what `to_dict` returned; ValueError where it is none."""
        edges, counts = tuple(map(float, content["edges"])), tuple(int(one) for one in content["counts"])
        if len(edges) != len(counts) + 1 or list(edges) != sorted(edges) or min(counts) < 0:
            raise ValueError("edges and counts that belong together are required")
        return cls(edges, counts)

    def again(self, values: NDArray) -> Histogram:
        """Count other values between the same edges; NaN is not counted."""
        values = np.asarray(values, np.float64)
        clipped = np.clip(values[~np.isnan(values)], self.edges[0], self.edges[-1])
        return Histogram(self.edges, tuple(np.histogram(clipped, self.edges)[0].tolist()))

    def plus(self, other: Histogram) -> Histogram:
        """Add the counts of another one with the same edges."""
        return Histogram(self.edges, tuple(one + more for one, more in zip(self.counts, other.counts, strict=True)))

    @property
    def total(self) -> int:
        """How many values were counted."""
        return sum(self.counts)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return {"edges": list(self.edges), "counts": list(self.counts)}
