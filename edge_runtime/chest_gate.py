"""The gate: is this a chest X-ray at all? It reads the trunk's features, which the model gives beside its scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.errors import FreezenetError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class OneClassGate:
    """Pass what lies close to the training images' features.

    The distance is |W (f - mean)|; with W a root of the inverse covariance it is the Mahalanobis distance (Lee et al., A
    Simple Unified Framework for Detecting Out-of-Distribution Samples, NeurIPS 2018).

    mean: (d,) float. whitening: W, (k, d) float. threshold: largest distance that passes, above 0.
    """

    mean: NDArray[np.float64]
    whitening: NDArray[np.float64]
    threshold: float

    def score(self, features: NDArray) -> float:
        """Return the distance of features (d,) from the training's."""
        return float(np.linalg.norm(self.whitening @ (np.asarray(features, np.float64) - self.mean)))

    def passes(self, features: NDArray) -> bool:
        """Whether features (d,) are those of a chest X-ray; NaN is not."""
        return self.score(features) <= self.threshold


@dataclass(frozen=True)
class LogisticGate:
    """Pass where the probability of a chest X-ray, 1 / (1 + exp(-(weights . f + bias))), reaches the threshold.

    weights: (d,) float. bias: float. threshold: 0..1.
    """

    weights: NDArray[np.float64]
    bias: float
    threshold: float

    def score(self, features: NDArray) -> float:
        """Return the probability, 0..1, that features (d,) are those of a chest X-ray."""
        return float(0.5 * (1 + np.tanh(0.5 * (self.weights @ np.asarray(features, np.float64) + self.bias))))

    def passes(self, features: NDArray) -> bool:
        """Whether features (d,) are those of a chest X-ray; NaN is not."""
        return self.score(features) >= self.threshold


def gate_from_dict(content: dict[str, Any]) -> OneClassGate | LogisticGate:
    """Make the gate from the `gate` object of a card: {"kind": "one-class" | "logistic", and the fields above}."""
    try:
        kind, threshold = content["kind"], float(content["threshold"])
        if kind == "one-class":
            mean, whitening = np.asarray(content["mean"], np.float64), np.asarray(content["whitening"], np.float64)
            if mean.ndim == 1 and whitening.ndim == 2 and whitening.shape[1] == len(mean) and threshold > 0:
                return OneClassGate(mean, whitening, threshold)
        elif kind == "logistic":
            weights = np.asarray(content["weights"], np.float64)
            if weights.ndim == 1 and 0 <= threshold <= 1:
                return LogisticGate(weights, float(content["bias"]), threshold)
    except (KeyError, TypeError, ValueError) as error:
        raise FreezenetError(f"A gate of known keys and numbers is required in the card. Got: {error!r}.") from None
    raise FreezenetError(
        "A gate of kind one-class (mean, whitening, threshold > 0) or logistic (weights, bias, threshold from 0 to 1) is "
        f"required in the card. Got: kind {kind!r}, threshold {threshold:g}; update freezenet."
    )
