"""Whether the source of an image (hospital, collection, device) tells its class."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from freezenet.edge_runtime.names import counted, listed

#: A guess without looking at the image that is right this much more often than the most frequent class is a warning.
MARGIN = 0.1


#: What is said in place of `SourceTable.elsewhere` of a network of another maker: the table is not of the images that it learned from.
UNKNOWN_ELSEWHERE = "Which sources the network learned from is not known: that answers hold elsewhere is not shown."


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
    def too_few(self) -> str:
        """How the data names fewer than two sources, as the beginning of a sentence; "" where it names more."""
        named = [name for name in self.names if name]
        without = sum(row.get("", 0) for row in self.table.values())
        if len(named) > 1:
            return ""
        if not named:
            return "The data names no sources"
        return (
            f"The data names one source only, and none for {counted(without, 'image')}"
            if without
            else "All images come from one source"
        )

    @property
    def predicts(self) -> bool:
        """Whether the source predicts the class so well that a network may learn sources instead of findings."""
        return self.known and self.guess > self.majority + MARGIN

    @property
    def one_source_only(self) -> dict[str, str]:
        """Class -> its source, for each class whose images all come from one that is named; {} where none is."""
        found = {label: [name for name, count in row.items() if count] for label, row in self.table.items()}
        return {label: names[0] for label, names in found.items() if len(names) == 1 and names[0]}

    @property
    def elsewhere(self) -> str:
        """What must be said beside every figure about other sources, "" where each class has two or more; it names no source."""
        if self.too_few and "" in self.names:
            return f"{self.too_few}: that answers hold elsewhere is not shown."
        labels = list(self.one_source_only)
        if len(self.names) == 1:
            return "All classes were learned from one source alone: answers elsewhere are not shown to hold."
        if not labels:
            return ""
        return f"{listed(labels)} {'were each' if len(labels) > 1 else 'was'} learned from one source alone: answers elsewhere are not shown to hold."

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and what follows from them (JSON types only)."""
        return {
            **asdict(self),
            "known": self.known,
            "predicts": self.predicts,
            "one_source_only": self.one_source_only,
            "elsewhere": self.elsewhere,
        }


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
