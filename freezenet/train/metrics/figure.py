"""A figure with its 95 % interval.

Intervals are percentiles of a bootstrap that draws whole patients, because images of one patient are not independent.
Where every draw gives the same value (a recall of 1, say) the bootstrap cannot see the uncertainty; there the interval
is Wilson's with the number of patients as sample size, and what is made of such a value is widened by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from freezenet.train.metrics.draws import PatientDraws, patient_draws

_LEVEL = 0.95


@dataclass(frozen=True)
class Figure:
    """A value with the low and high end of its 95 % interval."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float]:
        """Return the three numbers, rounded to six digits."""
        return {name: round(float(number), 6) for name, number in asdict(self).items()}

    def times(self, factor: float) -> Figure:
        """Return the same in another unit, such as points of a share."""
        return Figure(*(factor * number + 0.0 for number in (self.value, self.low, self.high)))  # no -0

    def rest(self) -> Figure:
        """Return what a share leaves of the whole, such as what is wrong of what is right or wrong."""
        return Figure(1 - self.value, 1 - self.high, 1 - self.low)

    def distances(self, factor: float = 1.0) -> tuple[float, float]:
        """Return how far the interval reaches below and above the value, times a factor."""
        return factor * (self.value - self.low), factor * (self.high - self.value)

    def ends(self, form: str) -> str:
        """Return the interval alone, e.g. "[0.881, 0.956]" of ".3f"."""
        return f"[{self.low:{form}}, {self.high:{form}}]"

    def __format__(self, form: str) -> str:
        """Return all three numbers in a form, ".3f" where none is given, and a unit where one follows it: "92.3 % [88.1, 95.6]" of ".1f %"."""
        number, space, unit = (form or ".3f").partition(" ")
        return f"{self.value:{number}}{space}{unit} {self.ends(number)}"

    def __str__(self) -> str:
        """Return e.g. "0.923 [0.881, 0.956]"."""
        return format(self)


def interval(values: NDArray) -> tuple[float, float]:
    """Return the 2.5th and 97.5th percentile of bootstrap values."""
    tail = 100 * (1 - _LEVEL) / 2
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)


def share(
    hit: NDArray[np.bool_], among: NDArray[np.bool_], patients: Sequence[str], draws: PatientDraws | None = None
) -> Figure:
    """Return the share of hits among some of the images, 0 where there are none.

    Args:
        hit, among: (n,) bool.
        patients: (n,) the patient of each image.
        draws: of them, for who asks for many shares of the same images; None makes them.
    """
    draws = patient_draws(patients) if draws is None else draws
    hits, counts = draws @ (hit & among), draws @ among
    value = float(ratio((hit & among).sum(), among.sum()))
    return bootstrap_figure(value, hits[counts > 0] / counts[counts > 0], len(set(np.asarray(patients)[among])))


def bootstrap_figure(value: float, drawn: NDArray[np.float64], patients: int) -> Figure:
    """Return a share with its interval from bootstrap draws, or Wilson's where all draws agree or there is none.

    Args:
        value: 0..1.
        drawn: (draws,) its values in the draws.
        patients: sample size of Wilson's interval (J. Am. Stat. Assoc. 22, 1927).
    """
    return seen_figure(value, drawn, patients)[0]


def seen_figure(value: float, drawn: NDArray[np.float64], patients: int) -> tuple[Figure, bool]:
    """Return `bootstrap_figure`, and whether its interval is that of the draws, which differ."""
    low, high = interval(drawn) if len(drawn) else (value, value)
    if low == high:
        return Figure(value, *wilson(value, patients)), False
    return Figure(value, low, high), True


def widened(value: float, drawn: NDArray[np.float64], unseen: Sequence[tuple[float, float]]) -> Figure:
    """Return a figure between 0 and 1 with the interval of its draws, and of parts of it about which all draws agree.

    Squares of distances from the value are added up, as for a sum of what does not depend on each other (MOVER, Zou and Donner, Statistics in
    Medicine 27, 2008).

    Args:
        value: 0..1.
        drawn: (draws,) its values in the draws.
        unseen: of each such part, how far the figure would lie below and above the value with this part alone at its low and its high end.
    """
    low, high = interval(drawn) if len(drawn) else (value, value)
    if unseen:
        below, above = np.clip(np.array([(value - low, high - value), *unseen]), 0, None).T
        low, high = max(0.0, value - float(np.hypot.reduce(below))), min(1.0, value + float(np.hypot.reduce(above)))
    return Figure(value, low, high)


def ratio(a: NDArray, b: NDArray) -> NDArray:
    """Return a / b with 0 where b is 0, as scikit-learn's zero_division=0."""
    return np.divide(a, b, out=np.zeros(np.broadcast(a, b).shape), where=np.asarray(b) > 0)


def wilson(share: float, count: int, *, level: float = _LEVEL) -> tuple[float, float]:
    """Return Wilson's interval of a share of so many (J. Am. Stat. Assoc. 22, 1927), 0 and 1 where there are none."""
    from scipy.stats import binomtest

    if count == 0:
        return 0.0, 1.0
    found = binomtest(round(share * count), count).proportion_ci(level, method="wilson")
    return float(found.low), float(found.high)
