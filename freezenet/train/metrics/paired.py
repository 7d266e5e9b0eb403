"""Two sets of answers for the same images: what changed from one to the other, and how sure that is.

Both see the same bootstrap draws of whole patients, so that what is hard about an image cancels out of the difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.train.metrics.draws import PatientDraws, patient_draws
from freezenet.train.metrics.figure import Figure, interval
from freezenet.train.metrics.matrices import label_matrices, macro_f1, recall, subset_accuracy


class PairedAnswers:
    """The answers of two models, `before` and `after`, for the same images of known truth."""

    def __init__(
        self,
        truth: NDArray[np.bool_],
        before: NDArray[np.bool_],
        after: NDArray[np.bool_],
        patients: Sequence[str],
        draws: PatientDraws | None = None,
    ) -> None:
        """Draw the patients once for all figures.

        Args:
            truth: (n, labels), which labels each image has; exactly one in each row where classes exclude one another.
            before: (n, labels), which labels the one model answers.
            after: (n, labels), which labels the other answers.
            patients: (n,) names; each image its own where patients are not known.
            draws: `patient_draws` of them, for who compares several models on the same images; None makes them.
        """
        draws = patient_draws(patients) if draws is None else draws
        self.truth, self.before, self.after = truth, before, after
        _, self._patient = np.unique(np.asarray(patients), return_inverse=True)
        # The images themselves stand before the draws of them.
        self._weights = draws.after_the_images()

    def accuracy(self) -> Figure:
        """Return how much more often all labels of an image are right after than before, -1..1."""
        right = [(one == self.truth).all(1) for one in (self.before, self.after)]
        return _figure(subset_accuracy(right[1], self._weights) - subset_accuracy(right[0], self._weights))

    def macro_f1(self, kept: float = 1.0) -> Figure:
        """Return macro-F1 after, less the share `kept` (0..1) of macro-F1 before."""
        before, after = (macro_f1(one) for one in self._matrices)
        return _figure(after - kept * before)

    def recall(self, label: int) -> Figure:
        """Return the recall of a label after, less that before, -1..1; a draw without an image of it counts as 0."""
        before, after = (recall(one)[:, label] for one in self._matrices)
        return _figure(after - before)

    def mcnemar(self) -> tuple[int, int, float]:
        """Return how many images only `before` has right, how many only `after`, and McNemar's exact two-sided p (1947)."""
        before, after = ((one == self.truth).all(1) for one in (self.before, self.after))
        lost, won = int(np.sum(before & ~after)), int(np.sum(after & ~before))
        return lost, won, _sign_test(lost, won, "two-sided")

    def worse_by_chance(self, label: int | None = None) -> float:
        """Return the exact p that patients change for the worse this often where either way is equally likely.

        One-sided sign test over the patients for whom the number of wrong label decisions changed. It looks at few
        changes more strictly than a bootstrap, in which four images that were lost are lost in nearly every draw.

        Args:
            label: count only the images that have this label, as its recall does; None counts all labels of all images.
        """
        wrong = [one != self.truth for one in (self.before, self.after)]
        if label is None:
            change = wrong[1].sum(1) - wrong[0].sum(1)
        else:
            change = (wrong[1][:, label].astype(int) - wrong[0][:, label]) * self.truth[:, label]
        of_patient = np.bincount(self._patient, change)
        return _sign_test(int((of_patient > 0).sum()), int((of_patient < 0).sum()), "greater")

    def to_dict(self) -> dict[str, Any]:
        """Return the difference of accuracy, after less before, with its 95 % interval, and the images that changed (JSON types).

        Those of macro-F1 and recalls are the verdict's (`freezenet.train.metrics.verdict.ModelVerdict.differences`), whose intervals also
        hold where few answers changed.
        """
        lost, won, p = self.mcnemar()
        return {
            "accuracy": self.accuracy().to_dict(),
            "only_reference_right": lost,
            "only_this_right": won,
            "mcnemar_p": p,
            "flipped": int((self.before != self.after).any(1).sum()),
        }

    @cached_property
    def _matrices(self) -> tuple[NDArray, NDArray]:
        before, after = (label_matrices(self.truth, one, self._weights) for one in (self.before, self.after))
        return before, after


def _figure(values: NDArray) -> Figure:
    """Return the first value with the interval of the others."""
    return Figure(float(values[0]), *interval(values[1:]))


def _sign_test(first: int, second: int, alternative: str) -> float:
    from scipy.stats import binomtest

    return float(binomtest(first, first + second, alternative=alternative).pvalue) if first + second else 1.0
