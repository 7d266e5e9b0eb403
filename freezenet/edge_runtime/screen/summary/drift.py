"""Whether an archive's images look to the model as those that it was validated on.

The population stability index of two histograms with shares p and q is sum (p - q) ln(p / q). If both are drawn from one population it is
distributed like (1/n + 1/m) chi-square with one degree of freedom less than there are bins (B. Yurdakul, "Statistical Properties of Population
Stability Index", Western Michigan University 2018, theorem 3.1), so that few images give a large index by chance. Drift is said where it is above
what chance gives in one of a hundred archives, all quantities together, and above .1, below which it is
a "little change" to all who use the index (same source, section 1).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

#: What is no change worth a word, whatever the number of images; and how often chance may say drift.
LITTLE_CHANGE, BY_CHANCE = 0.1, 0.01
#: Smallest share and number of reference images in a bin; neighbours are joined until it is reached.
_SHARE, _IMAGES = 0.08, 5


@dataclass(frozen=True)
class Drift:
    """One quantity compared.

    Args:
        name: Of the quantity.
        index: Population stability index; None where there are too few images to say.
        limit: Above it, there is drift.
        reference: Images of the validation split.
        images: Images of the archive.
    """

    name: str
    index: float | None
    limit: float
    reference: int
    images: int

    @property
    def found(self) -> bool:
        """Whether there is drift."""
        return self.index is not None and self.index > self.limit

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return {**asdict(self), "drift": self.found}


def compared(pairs: Sequence[tuple[str, Sequence[int], Sequence[int]]], *, ordered: Iterable[bool]) -> list[Drift]:
    """Compare the counts of several quantities.

    Args:
        pairs: Name, counts of the reference, counts of the archive in the same bins.
        ordered: For each, whether neighbouring bins may be joined because they stand in an order; others are joined by their size.
    """
    return [
        _drift(name, reference, counts, is_ordered, BY_CHANCE / len(pairs))
        for (name, reference, counts), is_ordered in zip(pairs, ordered, strict=True)
    ]


def _drift(name: str, reference: Sequence[int], counts: Sequence[int], is_ordered: bool, level: float) -> Drift:
    n, m = sum(reference), sum(counts)
    bins = _joined(reference, counts, is_ordered)
    if len(bins) < 2 or not m:
        return Drift(name, None, LITTLE_CHANGE, n, m)
    # Half an image more in each bin: an empty one would make the index infinite.
    extra = 0.5 * len(bins)
    shares = [((one + 0.5) / (n + extra), (other + 0.5) / (m + extra)) for one, other in bins]
    index = sum((p - q) * math.log(p / q) for p, q in shares)
    chance = (1 / n + 1 / m) * chi_square(1 - level, len(bins) - 1)
    return Drift(name, index, max(LITTLE_CHANGE, chance), n, m)


def _joined(reference: Sequence[int], counts: Sequence[int], is_ordered: bool) -> list[tuple[int, int]]:
    """Join bins until each holds enough of the reference."""
    pairs = list(zip(reference, counts, strict=True))
    if not is_ordered:
        pairs.sort(reverse=True)
    least = max(_IMAGES, _SHARE * sum(reference))
    bins: list[tuple[int, int]] = []
    one = other = 0
    for here, there in pairs:
        one, other = one + here, other + there
        if one >= least:
            bins.append((one, other))
            one = other = 0
    if bins:
        # What is left is too little for a bin of its own.
        bins[-1] = (bins[-1][0] + one, bins[-1][1] + other)
    return bins


def chi_square(probability: float, degrees: int) -> float:
    """Return the quantile of the chi-square distribution, by Wilson and Hilferty (PNAS 17, 1931, 684), which is within 4 % of it."""
    spread = 2 / (9 * degrees)
    return degrees * (1 - spread + NormalDist().inv_cdf(probability) * math.sqrt(spread)) ** 3
