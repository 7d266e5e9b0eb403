"""Label sets as text: what stands in the class column where any number of labels may be true.

`covid;pneumonia` names two labels, `none` no label at all. A cell that is left empty may be a mistake, so it is none of both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.errors import DataError

SEPARATOR = ";"
#: The text of the empty set.
NONE = "none"


def labels_of(text: str) -> tuple[str, ...]:
    """Return the labels that a text names, sorted, each once; () for "none".

    Raises:
        DataError: it names no label without saying so, or says "none" beside a label.
    """
    named = {part.strip() for part in text.split(SEPARATOR)} - {""}
    if not named or (NONE in named and len(named) > 1):
        raise DataError(f"Labels like a{SEPARATOR}b, or {NONE} alone, are required as a class. Got: {text!r:.80}.")
    return tuple(sorted(named - {NONE}))


def text_of(labels: Iterable[str]) -> str:
    """Return the one text of a label set: sorted, joined by ";", "none" for the empty set."""
    return SEPARATOR.join(sorted(labels)) or NONE


def strata(classes: Sequence[str], units: Sequence[str], least: float) -> NDArray[np.str_]:
    """Return by what each image is stratified: its class, or the rarest of its labels where the class is rare.

    So a combination of labels that is seen once still comes with others of its kind.

    Args:
        classes: (n,) texts of `text_of`; a class of one label stands for itself.
        units: (n,) names of what is counted, such as patients.
        least: a class with fewer units is rare.
    """
    of_class = Counter(name for name, _ in set(zip(classes, units, strict=True)))
    pairs = {(label, unit) for name, unit in zip(classes, units, strict=True) for label in name.split(SEPARATOR)}
    of_label = Counter(label for label, _ in pairs)
    chosen = {
        name: name if count >= least else min(name.split(SEPARATOR), key=lambda label: (of_label[label], label))
        for name, count in of_class.items()
    }
    return np.array([chosen[name] for name in classes])
