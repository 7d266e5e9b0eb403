"""How much may be wrong beyond the images that were counted: upper bounds of a risk, and how much may be answered under one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

#: At least this share of the images is answered, whatever the risk.
_LEAST_COVERAGE = 0.5


@dataclass(frozen=True)
class Risk:
    """How much may be wrong of the answers that are given, and how surely.

    Args:
        share: of the answers, 0..1.
        sureness: probability, above 0 and below 1, with which an upper bound holds on other such images.
    """

    share: float
    sureness: float

    def bound(self, wrong: NDArray | float, answers: NDArray | float) -> NDArray[np.float64]:
        """Return the largest share of wrong answers that so few images do not exclude: one-sided, with the probability `sureness`.

        It is b in sum over j <= wrong of C(answers, j) b^j (1 - b)^(answers - j) = 1 - sureness (Clopper and Pearson, Biometrika 26, 1934),
        with which Geifman and El-Yaniv (Selective Classification for Deep Neural Networks, NeurIPS 2017, lemma 3.1) bound the risk of what
        is answered. Images count as independent; several of one patient make it too low.

        Args:
            wrong: how many answers are wrong; a mean number where networks of several seeds answered about the same images.
            answers: how many there are, at least 1.
        """
        wrong, answers = np.broadcast_arrays(wrong, answers)
        # At wrong = answers the second parameter would be 0; the bound is 1.
        found = beta.ppf(self.sureness, wrong + 1, np.maximum(answers - wrong, 1e-9))
        return np.where(wrong < answers, found, 1.0)

    def least_answers(self) -> float:
        """Return how many right answers without a wrong one it takes for a bound of `share`; infinite for 0."""
        if self.share <= 0:
            return math.inf
        return 1 if self.share >= 1 else math.ceil(math.log(1 - self.sureness) / math.log(1 - self.share) - 1e-9)


def answered_under(risk: Risk, confidence: NDArray[np.float64], wrong: NDArray[np.bool_], *, repeats: int = 1) -> int:
    """Return how many of the most confident answers are given, so that the bound of what is wrong among them is at most its share.

    From the first number on that could show the risk, and answers half, one number after the other is tried as long as the bound holds.
    An order that is fixed before the answers are looked at needs no correction for how often is tried (Angelopoulos, Bates, Candès,
    Jordan and Lei, Learn then Test, 2021, section 2.3). Where none is shown, it is the half or more whose bound is lowest, of those among
    which no more than the risk is wrong if there are any; the lowest of so many bounds holds less surely.

    Args:
        risk: what may be wrong.
        confidence: (n,) of the answers, falling; those that are equal are given together.
        wrong: (n,) whether each is wrong.
        repeats: how many of the answers are about each image; so many answers show no more than one about each.
    """
    count = np.arange(1, len(wrong) + 1)
    last_of_equals = np.append(confidence[1:] != confidence[:-1], True)
    tried = last_of_equals & (count >= _LEAST_COVERAGE * len(wrong))
    count, found = count[tried], np.cumsum(wrong)[tried]
    bound = risk.bound(found / repeats, count / repeats)
    could_show = count >= repeats * risk.least_answers()
    held = np.logical_and.accumulate(bound[could_show] <= risk.share)
    if held.any():
        return int(count[could_show][held].max())
    kept = found <= risk.share * count
    return int(count[np.argmin(np.where(kept | ~kept.any(), bound, 2.0))])
