"""A head that is fitted to a clinic's own images, near the one that the model has.

With x what the head reads of an image, centred and divided by the root mean square of its length, and z the logits of the old head, the new logits are

    a z + b + x W,    a ~ N(1, 0.5), b ~ N(0, 2), W ~ N(0, spread),

and the parameters are those of the largest posterior probability. The prior around what is known already is that of Chelba and Acero (Adaptation of
Maximum Entropy Capitalizer, EMNLP 2004) and of L2-SP (Li, Grandvalet and Davoine, Explicit Inductive Bias for Transfer Learning,
ICML 2018); without W it is bias-corrected temperature scaling, which `freezenet.benchmarks.localize.rule` does without touching a weight. So
`spread`, about how far the logits of an image may move, says how much is believed of the clinic's images; the parts of their patients that
took no part in a fit choose it.

A class without an image has neither b nor W of its own: nothing was seen of it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from threadpoolctl import threadpool_limits

from freezenet.benchmarks.localize.parts import dealt
from freezenet.convert.head import Head

logger = logging.getLogger(__name__)

#: Candidates for the standard deviation of what W does to a logit of a typical image.
SPREADS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
#: Parts that choose among them.
PARTS = 5
_FACTOR_PRIOR, _BIAS_PRIOR = 0.5, 2.0
_LEAST_FACTOR = 0.05


@dataclass(frozen=True)
class Refitted:
    """A head and what is known of it.

    Args:
        head: fitted on all rows that were given.
        factor: a of the module's formula.
        spread: that was chosen.
        losses: spread -> mean log loss (natural logarithm) of the images that took no part in a fit.
        scores: (n, classes) of every image: of the rows that were given by heads that their patients did not fit, of the others by `head`.
    """

    head: Head
    factor: float
    spread: float
    losses: dict[float, float]
    scores: NDArray[np.float32]


@dataclass(frozen=True)
class _Fit:
    """The parameters of the module's formula in the coordinates of `HeadFitter`; weights and biases are 0 for classes without an image."""

    factor: float
    bias: NDArray[np.float64]
    weights: NDArray[np.float64]
    center: NDArray[np.float64]
    length: float

    def logits(self, old: NDArray[np.float64], coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(
            self.factor * old + self.bias + (coordinates - self.center) / self.length @ self.weights, np.float64
        )


class HeadFitter:
    """Fits heads on some of the images.

    Args:
        old: the model's head.
        features: (n, features), what it reads of each image.
        truth: (n,) number of the true class.
        patients: (n,) numbers that tell patients apart.
        score_steps: steps of the model's scores between 0 and 1, to which scores are rounded as the file will; None for floats.
    """

    def __init__(
        self,
        old: Head,
        features: NDArray[np.float32],
        truth: NDArray[np.integer],
        patients: NDArray[np.integer],
        score_steps: int | None = None,
    ) -> None:
        """Turn the features into as few coordinates as there are images, which moves no distance and no solution."""
        self.old, self._truth, self._patients, self._steps = old, truth, patients, score_steps
        self._logits = old.logits(features)
        values = features.astype(np.float64)
        self._axes = np.linalg.svd(values, full_matrices=False)[2] if len(values) < values.shape[1] else None
        self._coordinates = values if self._axes is None else values @ self._axes.T

    def fitted(self, rows: NDArray[np.integer], seed: int = 0) -> Refitted:
        """Choose the spread on parts of these images and fit on all of them.

        rows: of images whose classes have at least PARTS patients each.
        """
        with threadpool_limits(1):  # threads that wait for each other cost more than these small products
            return self._fitted(rows, dealt(self._truth[rows], self._patients[rows], PARTS, seed))

    def _fitted(self, rows: NDArray[np.integer], part: NDArray[np.integer]) -> Refitted:
        held = {spread: np.empty((len(rows), self._logits.shape[1])) for spread in SPREADS}
        for number in np.unique(part):
            others, own = rows[part != number], rows[part == number]
            start = None
            for spread in SPREADS:
                start = self._fit(others, spread, start)
                held[spread][part == number] = start.logits(self._logits[own], self._coordinates[own])
        losses = {spread: self._loss(logits, rows) for spread, logits in held.items()}
        best = min(SPREADS, key=lambda one: losses[one])
        fit = self._fit(rows, best)
        logits = fit.logits(self._logits, self._coordinates)
        logits[rows] = held[best]
        return Refitted(self._head(fit), fit.factor, best, losses, self.rounded(logits))

    def _loss(self, logits: NDArray[np.float64], rows: NDArray[np.integer]) -> float:
        return float(-log_softmax(logits, axis=1)[np.arange(len(rows)), self._truth[rows]].mean())

    def rounded(self, logits: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the scores (n, classes) of logits, rounded as the file will."""
        scores = softmax(logits, axis=1)
        if self._steps is not None:
            scores = np.minimum(np.rint(scores * self._steps), self._steps - 1) / self._steps
        return scores.astype(np.float32)

    def _head(self, fit: _Fit) -> Head:
        """Return a fit as a dense layer on the features themselves."""
        weights, center = fit.weights / fit.length, fit.center
        kernel = weights if self._axes is None else self._axes.T @ weights
        return Head(fit.factor * self.old.kernel + kernel, fit.factor * self.old.bias + fit.bias - center @ weights)

    def _fit(self, rows: NDArray[np.integer], spread: float, start: _Fit | None = None) -> _Fit:
        old, values = self._logits[rows], self._coordinates[rows]
        center = values.mean(0)
        length = float(np.sqrt(((values - center) ** 2).sum(1).mean())) or 1.0
        x = (values - center) / length
        # Classes of these rows alone: of the others nothing was seen.
        seen = np.unique(self._truth[rows])
        is_class = self._truth[rows][:, None] == np.arange(old.shape[1])
        count = len(seen)

        def parts(parameters: NDArray) -> tuple[float, NDArray, NDArray]:
            return parameters[0], parameters[1 : 1 + count], parameters[1 + count :].reshape(-1, count)

        def penalized(parameters: NDArray) -> tuple[float, NDArray]:
            factor, bias, weights = parts(parameters)
            logits = factor * old
            logits[:, seen] += bias + x @ weights
            logs = log_softmax(logits, axis=1)
            gap = np.exp(logs) - is_class
            slopes = [(gap * old).sum() + (factor - 1) / _FACTOR_PRIOR**2]
            slopes += [gap[:, seen].sum(0) + bias / _BIAS_PRIOR**2, (x.T @ gap[:, seen] + weights / spread**2).ravel()]
            prior = (
                ((factor - 1) / _FACTOR_PRIOR) ** 2 + ((bias / _BIAS_PRIOR) ** 2).sum() + (weights**2).sum() / spread**2
            )
            return float(-logs[is_class].sum() + prior / 2), np.hstack(slopes)

        first = np.zeros(1 + count + x.shape[1] * count)
        first[0] = 1.0
        if start is not None:
            first = np.hstack([start.factor, start.bias[seen], start.weights[:, seen].ravel()])
        bounds: list[tuple[Any, Any]] = [(_LEAST_FACTOR, None)] + [(None, None)] * (len(first) - 1)
        options = {"maxiter": 500, "gtol": 1e-4}
        best = minimize(penalized, first, jac=True, bounds=bounds, method="L-BFGS-B", options=options)
        if not best.success:
            logger.warning(
                f"A fit of the last layer on {len(rows)} images, spread {spread:g}, ended before its optimum: {best.message}"
            )
        factor, bias, weights = parts(best.x)
        whole_bias, whole_weights = np.zeros(old.shape[1]), np.zeros((x.shape[1], old.shape[1]))
        whole_bias[seen], whole_weights[:, seen] = bias, weights
        return _Fit(float(factor), whole_bias, whole_weights, center, length)
