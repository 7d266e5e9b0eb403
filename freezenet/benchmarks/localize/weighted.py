"""Shares of a clinic's images where each class is as frequent as it will be, with intervals that draw whole patients."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from freezenet.benchmarks.localize.images import LocalImages
from freezenet.benchmarks.localize.rule import class_weights
from freezenet.train.metrics.figure import Figure, bootstrap_figure, interval, ratio


class WeightedImages:
    """A clinic's images, each as heavy as its class makes it.

    With a prevalence, how frequent the classes are is given and no draw changes it: patients are drawn within their class (Davison and Hinkley, Bootstrap Methods and
    their Application, 1997, section 3.2), and what each class weighs together is the same in every draw. Without one, all images weigh
    the same and the draws are of all patients.

    Args:
        images: n of them.
        prevalence: label -> share of the images that the model will see; see `freezenet.benchmarks.localize.targets.Targets`.
    """

    def __init__(self, images: LocalImages, prevalence: dict[str, float]) -> None:
        """Weigh the images, in all draws."""
        self._patients = np.asarray(images.patients)
        self._classes = (images.truth[:, None] == np.arange(len(images.labels))).astype(float)
        of_class = class_weights(images.labels, images.shares(np.arange(len(images.truth))), prevalence)
        self.weights: NDArray[np.float64] = of_class[images.truth]
        self._given = bool(prevalence)
        if not self._given:
            self._draws, self._of_class = images.draws, of_class
            return
        self._draws = images.draws_within_classes
        # A patient with images of several classes makes the number of each vary; a class that a draw lacks has nothing to weigh.
        self._of_class = ratio(of_class * self._classes.sum(0), self._draws @ self._classes)

    def share(self, hit: NDArray[np.bool_], among: NDArray[np.bool_]) -> Figure:
        """Return the share of hits among some of the images, 0 where there are none. hit, among: (n,) bool."""
        hits, counts = self._drawn(hit & among), self._drawn(among)
        value = float(ratio(self.weights @ (hit & among), self.weights @ among))
        return bootstrap_figure(value, hits[counts > 0] / counts[counts > 0], len(set(self._patients[among])))

    def of_all(self, hit: NDArray[np.bool_], among: NDArray[np.bool_]) -> Figure:
        """Return the share of hits among all images.

        Args:
            hit: (n,) bool.
            among: (n,) bool, whole classes to which the hits are confined: where it is given how frequent they are, a share is no larger.
        """
        everyone = np.ones(len(hit), bool)
        if not self._given:
            return self.share(hit, everyone)
        return self.share(hit, among).times(float(self.weights @ among / self.weights.sum()))

    def difference(self, before: NDArray[np.bool_], after: NDArray[np.bool_], among: NDArray[np.bool_]) -> Figure:
        """Return how much more often some of the images are hit after than before, -1..1. before, after, among: (n,) bool."""
        gained, counts = self._drawn(after & among) - self._drawn(before & among), self._drawn(among)
        value = float(ratio(self.weights @ (after & among) - self.weights @ (before & among), self.weights @ among))
        return Figure(value, *interval(gained[counts > 0] / counts[counts > 0]))

    def _drawn(self, some: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return what some of the images weigh in each draw: (draws,)."""
        return np.asarray(((self._draws @ (some[:, None] * self._classes)) * self._of_class).sum(1))
