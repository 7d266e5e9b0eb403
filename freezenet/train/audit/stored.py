"""How the images are stored: size and format of the files, which have nothing to do with a disease and may give the class away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.train.metrics.sources import MARGIN

#: Sizes that a sentence names.
_SHOWN = 3


@dataclass(frozen=True)
class StoredSizes:
    """How far the stored size of an image tells its class.

    Args:
        counts: size, "width x height" -> class -> images.
        guess: share of images that are of the most frequent class among the *other* images of their size, 0..1.
        majority: share of the most frequent class, 0..1.
    """

    counts: dict[str, dict[str, int]]
    guess: float
    majority: float

    @property
    def predicts(self) -> bool:
        """Whether the size tells the class so well that a network may learn sizes in place of findings."""
        return self.guess > self.majority + MARGIN

    def to_dict(self) -> dict[str, Any]:
        """Return how good the guess is (JSON types only)."""
        return {"guess": self.guess, "majority": self.majority, "predicts": self.predicts, "telling": self.telling}

    @property
    def telling(self) -> list[str]:
        """A phrase for each of the most frequent sizes that only one class has."""
        alone = [(sum(row.values()), size, next(iter(row))) for size, row in self.counts.items() if len(row) == 1]
        return [
            f"all {images} images of {size} are {label}"
            for images, size, label in sorted(alone, reverse=True)[:_SHOWN]
            if images > 1
        ]

    @property
    def sentence(self) -> str:
        """What is to be warned of, "" where there is nothing."""
        if not self.predicts:
            return ""
        examples = f" ({'; '.join(self.telling)})" if self.telling else ""
        return (
            f"The stored size tells the class{examples}: knowing width and height alone, one would guess right in {self.guess:.0%} of cases; the "
            f"most frequent class alone gives {self.majority:.0%}. A network sees the traces of resizing."
        )


def stored_sizes(classes: Sequence[str], sizes: Iterable[Sequence[int]]) -> StoredSizes:
    """Measure how far sizes tell classes.

    An image takes no part in its own guess, so that sizes that occur once tell nothing (Lachenbruch & Mickey, Technometrics 10, 1968).

    Args:
        classes: (n,) of the images.
        sizes: (n, 2) width and height in pixels.
    """
    names = [f"{width} x {height}" for width, height in sizes]
    counts: dict[str, dict[str, int]] = {}
    for name, label in zip(names, classes, strict=True):
        row = counts.setdefault(name, {})
        row[label] = row.get(label, 0) + 1
    overall = Counter(classes)
    most = max(overall, key=lambda label: overall[label])
    right = 0
    for name, label in zip(names, classes, strict=True):
        others = {one: number - (one == label) for one, number in counts[name].items()}
        best = max(others, key=lambda one: (others[one], overall[one]))
        right += (best if others[best] else most) == label
    return StoredSizes(counts, right / len(names), overall[most] / len(names))


def size_features(sizes: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return features (n, d) of the stored sizes (n, 2): logarithms, and one column for each size that occurs twice or more."""
    return np.concatenate([np.log(sizes), one_hot([f"{w} x {h}" for w, h in sizes.tolist()])], 1)


def one_hot(values: Sequence[str]) -> NDArray[np.float64]:
    """Return a column of 0 and 1 for each value that occurs twice or more: (n, values)."""
    names = sorted(name for name, count in Counter(values).items() if count > 1)
    return (np.array(values)[:, None] == np.array(names or [""])).astype(np.float64)
