"""How far a difference may lie from what was measured, where few answers changed.

A bootstrap repeats what it saw: where no answer changed, no draw has a loss, and its interval is a point. An image that nobody has
seen yet may still be lost. So losses and gains are counted as rare events, each with a weight, and bounded exactly:

- The sum of weighted Poisson counts lies between two quantiles of gamma distributions (Fay and Feuer, Statistics in Medicine 16,
  1997). Of equal weights these are the exact limits for a Poisson count; with no loss among n images the upper one is 3.69 / n
  at 97.5 %, the rule of three at another level.
- Gains less losses: the two bounds are melded, one confidence distribution less the other (Fay, Proschan and Brittain, Biometrics 71,
  2015; for paired answers Fay and Lumbard, Statistics in Medicine 40, 2021).

These bounds keep at least what they promise, so an interval between them is wider than 95 %. Where the interval itself is shown, each count is
taken half with and half without the event that was not seen: mid-p gamma intervals (Fay and Kim, Biometrical Journal 59, 2017). Where weights
differ much, the largest for that event makes them too wide; the mean over all who could have had it does not (Tiwari, Clegg and Zou,
Statistical Methods in Medical Research 15, 2006). That mean does not depend on what was seen, so that an interval is no narrower for a first change.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

#: Points of a confidence distribution.
_POINTS = 2000


@dataclass(frozen=True)
class WeightedChanges:
    """What the patients whose answers changed add to a difference.

    Args:
        lost, won: sums of the weights, at least 0, of the patients that take the difference down, and up.
        lost_squares, won_squares: sums of their squares.
        largest: the most that a patient that was not seen could weigh, lost or won, at least 0; exact bounds are made with it.
        usual, usual_squares: means of what such a patient could weigh and of its square, over all who could have been it.
    """

    lost: float
    lost_squares: float
    won: float
    won_squares: float
    largest: float
    usual: float
    usual_squares: float

    @classmethod
    def of(cls, changes: NDArray[np.float64], possible: NDArray[np.float64]) -> WeightedChanges:
        """Sum up what changed.

        Args:
            changes: (patients,) what each adds to the difference, negative where something is lost.
            possible: (any number,) what a patient that was not seen could weigh, each as likely as the others, at least 0.
        """
        lost, won = -changes[changes < 0], changes[changes > 0]
        usual, squares = (float(one.mean()) if len(possible) else 0.0 for one in (possible, possible**2))
        most = max(float(possible.max(initial=0)), float(np.abs(changes).max(initial=0)))
        return cls(
            float(lost.sum()), float((lost**2).sum()), float(won.sum()), float((won**2).sum()), most, usual, squares
        )

    @property
    def variance(self) -> float:
        """Of the difference."""
        return self.lost_squares + self.won_squares

    def times(self, factor: float) -> WeightedChanges:
        """Return what would be expected of `factor` times as many patients: the same sums of smaller weights."""
        return WeightedChanges(
            self.lost,
            self.lost_squares / factor,
            self.won,
            self.won_squares / factor,
            self.largest / factor,
            self.usual / factor,
            self.usual_squares / factor**2,
        )

    def low(self) -> NDArray[np.float64]:
        """Return points of the lower confidence distribution of the difference; its quantile q is the bound at level 1 - q."""
        won, lost = _counts(self)
        return won[0] - lost[1]

    def high(self) -> NDArray[np.float64]:
        """Return points of the upper confidence distribution; its quantile 1 - q is the bound at level 1 - q."""
        won, lost = _counts(self)
        return won[1] - lost[0]

    def middle(self) -> NDArray[np.float64]:
        """Return points of the mid-p confidence distribution, between the lower and the upper one."""
        won, lost = _counts(self)
        return won[[0, 2]].reshape(-1) - lost[[0, 2]].reshape(-1)[_ORDER]


_EVEN = (np.arange(_POINTS) + 0.5) / _POINTS
_MIXED = np.random.default_rng(0).permutation(_EVEN)
_ORDER = np.random.default_rng(1).permutation(2 * _POINTS)


@lru_cache(maxsize=16)
def _counts(changes: WeightedChanges) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return points (3, points) of what was won and of what was lost: without a patient that was not seen, with the largest, with a usual one."""
    more = ((0.0, 0.0), (changes.largest, changes.largest**2), (changes.usual, changes.usual_squares))
    won, lost = (
        np.stack([_gamma(total + one, squares + its_square, quantiles) for one, its_square in more])
        for total, squares, quantiles in (
            (changes.won, changes.won_squares, _MIXED),
            (changes.lost, changes.lost_squares, _EVEN),
        )
    )
    return won, lost


def _gamma(mean: float, variance: float, quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return quantiles of the gamma distribution with a mean and a variance; 0 where the mean is."""
    from scipy.special import gammaincinv

    if mean <= 0:
        return np.zeros_like(quantiles)
    return gammaincinv(mean**2 / variance, quantiles) * variance / mean
