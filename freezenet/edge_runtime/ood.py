"""The OOD gate: is this a chest X-ray at all? It reads the backbone's features, which the model gives beside its scores."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from freezenet.edge_runtime.errors import ModelError, one_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: More features than any backbone has; W grows with their square.
_MOST_FEATURES = 8192


@dataclass(frozen=True)
class OneClassGate:
    """Pass what lies close to the training images' features.

    The distance is |W (f - mean)|; with W a root of the inverse covariance it is the Mahalanobis distance (Lee et al., A
    Simple Unified Framework for Detecting Out-of-Distribution Samples, NeurIPS 2018).

    Args:
        mean: (d,) float.
        whitening: W, (k, d) float, zero below its diagonal: a rotation that makes it so leaves the distance as it is.
        threshold: Largest distance that passes, above 0.
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

    Args:
        weights: (d,) float.
        bias: Added to their product with the features.
        threshold: Smallest probability that passes, 0..1.
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


@dataclass(frozen=True)
class BothGates:
    """Pass what every one of the gates passes: each refuses a kind of image that another may never have been shown."""

    gates: tuple[OneClassGate | LogisticGate, ...]

    def passes(self, features: NDArray) -> bool:
        """Whether features (d,) are those of a chest X-ray; NaN is not."""
        return all(gate.passes(features) for gate in self.gates)


OodGate = OneClassGate | LogisticGate | BothGates


def single_gates(gate: OodGate | None) -> tuple[OneClassGate | LogisticGate, ...]:
    """Return the gates of which each gives a number: the gate itself, those of `BothGates`, or none."""
    return gate.gates if isinstance(gate, BothGates) else () if gate is None else (gate,)


def ood_from_dict(content: dict[str, Any]) -> OodGate:
    """Make the OOD gate from the `gate` object of a card.

    {"kind": "logistic", "weights": [...], "bias": b, "threshold": p}, or {"kind": "one-class", "mean": [...], "directions": k,
    "scale": s, "triangle": text, "threshold": t}, where `triangle` is W / s from its diagonal on, row by row, as little-endian
    float16 in Base64: as numbers in JSON it would be a hundredth of the model file. {"kind": "both", "gates": [...]} holds
    objects of these two kinds.
    """
    try:
        if content["kind"] != "both":
            return _single_from_dict(content)
        gates = tuple(_single_from_dict(one) for one in content["gates"])
        if gates:
            return BothGates(gates)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError, MemoryError) as error:
        raise ModelError(
            f"An OOD gate of known keys and numbers is required in the card. Got: {one_line(repr(error), 100)}."
        ) from None
    raise ModelError("An OOD gate of kind both with gates inside is required in the card. Got: none.")


def ood_to_dict(gate: OodGate) -> dict[str, Any]:
    """Return the `gate` object of a card, as `ood_from_dict` reads it."""
    if isinstance(gate, BothGates):
        return {"kind": "both", "gates": [ood_to_dict(one) for one in gate.gates]}
    if isinstance(gate, LogisticGate):
        return {
            "kind": "logistic",
            "weights": _rounded(gate.weights),
            "bias": gate.bias,
            "threshold": gate.threshold,
        }
    scale = float(np.abs(gate.whitening).max())
    packed = (gate.whitening / scale)[np.triu_indices(len(gate.whitening), m=len(gate.mean))].astype("<f2")
    return {
        "kind": "one-class",
        "mean": _rounded(gate.mean),
        "directions": len(gate.whitening),
        "scale": scale,
        "triangle": base64.b64encode(packed.tobytes()).decode(),
        "threshold": float(f"{gate.threshold:.6g}"),
    }


def _single_from_dict(content: dict[str, Any]) -> OneClassGate | LogisticGate:
    kind, threshold = content["kind"], float(content["threshold"])
    if kind == "one-class" and 0 < threshold < np.inf:
        mean, directions = _vector(content["mean"]), int(content["directions"])
        if not 0 < directions <= len(mean):
            raise ValueError(f"{directions} directions of {len(mean)} features")
        packed = np.frombuffer(base64.b64decode(content["triangle"], validate=True), "<f2")
        # Assignment would repeat a single number without a word.
        if len(packed) != directions * len(mean) - directions * (directions - 1) // 2:
            raise ValueError(f"{len(packed)} numbers for {directions} directions of {len(mean)} features")
        places = np.triu_indices(directions, m=len(mean))
        whitening = np.zeros((directions, len(mean)))
        # Doubles, because a damaged scale may be larger than a half-precision number can be.
        whitening[places] = packed.astype(np.float64) * float(content["scale"])
        if np.isfinite(mean).all() and np.isfinite(whitening).all():
            return OneClassGate(mean, whitening, threshold)
    if kind == "logistic" and 0 <= threshold <= 1:
        weights, bias = _vector(content["weights"]), float(content["bias"])
        if np.isfinite(weights).all() and np.isfinite(bias):
            return LogisticGate(weights, bias, threshold)
    raise ModelError(
        "An OOD gate of kind one-class with a threshold above 0, or logistic with one from 0 to 1, is required in the card. "
        f"Got: kind {kind!r:.80}, threshold {threshold:g}; update freezenet."
    )


def _vector(values: Any) -> NDArray[np.float64]:
    """Return a list of numbers, and nothing else that NumPy would make some of, as (d,) float64."""
    if not isinstance(values, list) or not 0 < len(values) <= _MOST_FEATURES:
        raise ValueError(f"a list of 1 to {_MOST_FEATURES} numbers is missing")
    return np.array([float(value) for value in values])


def _rounded(values: NDArray) -> list[float]:
    return [float(f"{value:.6g}") for value in values]
