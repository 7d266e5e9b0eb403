"""Whether the source of an image (hospital, collection, device) tells its class."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

#: A guess by the source that is right this much more often than the most frequent class is a warning.
_MARGIN = 0.1


@dataclass(frozen=True)
class SourceTable:
    """Images by class and source, and how far the source predicts the class.

    Args:
        table: class -> source -> images; the source "" is unknown.
        guess: share of images that are of the most frequent class of their source, 0..1: the accuracy of knowing the source alone.
        majority: share of the most frequent class, 0..1.
        cramers_v: Cramér's V of the table, 0 (independent) to 1; None where there is only one source or one class.
    """

    table: dict[str, dict[str, int]]
    guess: float
    majority: float
    cramers_v: float | None

    @property
    def names(self) -> list[str]:
        """The sources, sorted."""
        return sorted({source for row in self.table.values() for source in row})

    @property
    def known(self) -> bool:
        """Whether the data names any source."""
        return self.names != [""]

    @property
    def predicts(self) -> bool:
        """Whether the source predicts the class so well that a network may learn sources instead of findings."""
        return self.known and self.guess > self.majority + _MARGIN

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and what follows from them (JSON types only)."""
        return {**asdict(self), "known": self.known, "predicts": self.predicts}


def source_table(table: dict[str, dict[str, int]]) -> SourceTable:
    """Measure a table class -> source -> images; each class has the same sources.

    Cramér's V is that of `scipy.stats.contingency.association`: sqrt(chi2 / (n (min(rows, columns) - 1))), Cramér,
    Mathematical Methods of Statistics, 1946.
    """
    counts = np.array([list(row.values()) for row in table.values()])
    total = counts.sum()
    v = None
    if min(counts.shape) > 1:
        from scipy.stats.contingency import association

        found = float(association(counts, method="cramer"))
        v = found if math.isfinite(found) else None
    return SourceTable(table, float(counts.max(0).sum() / total), float(counts.sum(1).max() / total), v)
