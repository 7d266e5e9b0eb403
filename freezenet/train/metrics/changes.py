"""What the changed answers of two models add to the difference of their figures, patient by patient."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from freezenet.train.metrics.figure import ratio
from freezenet.train.metrics.rare import WeightedChanges


class AnswerChanges:
    """What each image's change of answer adds to macro-F1 and to recalls, to first order."""

    def __init__(
        self,
        truth: NDArray[np.bool_],
        before: NDArray[np.bool_],
        after: NDArray[np.bool_],
        patient: NDArray[np.int_],
        exclusive: bool,
    ) -> None:
        """Keep the answers.

        Args:
            truth, before, after: (n, labels), which labels each image has, and what the models answer.
            patient: (n,) the number of each image's patient, from 0.
            exclusive: whether exactly one label is true and one answered in each row.
        """
        self.truth, self.before, self.after, self.patient, self.exclusive = truth, before, after, patient, exclusive

    def macro_f1(self) -> WeightedChanges:
        """Return what changes macro-F1 over the labels that have images."""
        there = self.truth.any(0)
        values = [self._worth(one)[:, there] / there.sum() for one in (self.before, self.after)]
        changes = np.where(self.after[:, there], values[1], 0).sum(1) - np.where(
            self.before[:, there], values[0], 0
        ).sum(1)
        # An image that keeps its answer changes nothing, although each model values the answer by its own F1.
        changes[(self.before == self.after).all(1)] = 0
        given = np.where(self.before[:, there], values[0], 0)
        worst = given.sum(1) - values[0].min(1) if self.exclusive else np.abs(values[0]).max(1)
        return self._weighted(changes, worst)

    def recall(self, label: int) -> WeightedChanges:
        """Return what changes the recall of a label that has images."""
        has = self.truth[:, label]
        changes = (self.after[:, label].astype(float) - self.before[:, label]) * has / has.sum()
        return self._weighted(changes, has / has.sum())

    def _worth(self, answer: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return what answering each label adds to its F1: the derivative of 2 TP / (support + answered), (n, labels)."""
        hits, total = (self.truth & answer).sum(0), self.truth.sum(0) + answer.sum(0)
        return ratio(2 * self.truth - ratio(2 * hits, total), np.maximum(total, 1))

    def _weighted(self, changes: NDArray, worst: NDArray) -> WeightedChanges:
        """Sum over patients; one that was not seen has as many images, all of one weight, as a patient usually has of those that weigh most."""
        most = float(worst.max(initial=0))
        images = np.bincount(self.patient[worst > most / 2])
        usual = float(images[images > 0].mean()) if images.any() else 1.0
        return WeightedChanges.of(np.bincount(self.patient, changes).astype(np.float64), usual * worst[worst > 0])
