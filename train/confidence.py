"""How sure the model may sound, and below what it should rather say nothing: chosen on validation scores, measured on test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from edge_runtime.decision import DecisionRule
from train.metrics import Figure, interval, patient_draws, share

#: Bins of the expected calibration error, as in Guo et al.
BINS = 15
#: Standard deviation of log T before the data speak. On some ten validation images without an error the likelihood alone would
#: sharpen without bound.
_PRIOR = 0.25
#: At least this share of the validation images is answered, whatever the risk.
_LEAST_COVERAGE = 0.5


@dataclass(frozen=True)
class Confidence:
    """What the card says under "confidence".

    temperature: T of temperature scaling. abstain_below: smallest confidence, 0..1, that is answered. risk: the share of
    wrong answers among those given that `abstain_below` was chosen for. images: number it was chosen on.
    """

    temperature: float
    abstain_below: float
    risk: float
    images: int

    @classmethod
    def fit(cls, scores: NDArray, truth: NDArray[np.integer], risk: float) -> Confidence:
        """Choose on validation scores (n, classes), 0..1, and class numbers (n,)."""
        found = best_temperature(scores, truth)
        probabilities = _rule(found).probabilities(scores)
        return cls(round(found, 4), abstention_threshold(probabilities, truth, risk), risk, len(truth))

    def measure(self, scores: NDArray, truth: NDArray[np.integer], patients: Sequence[str]) -> dict[str, Any]:
        """Return, for test scores, the calibration error before and after, and what abstaining brings (JSON types).

        "coverage" is the share of images that are answered, "accuracy_answered" the share of right answers among them,
        "accuracy_at_90_coverage" the same where the least sure tenth is left out.
        """
        draws = patient_draws(patients)
        probabilities = _rule(self.temperature).probabilities(scores)
        right, sure = probabilities.argmax(1) == truth, probabilities.max(1)
        answered = sure >= self.abstain_below
        surest = sure >= np.quantile(sure, 0.1)
        return {
            "images": len(truth),
            "ece_before": _drawn_error(scores, truth, draws).to_dict(),
            "ece_after": _drawn_error(probabilities, truth, draws).to_dict(),
            "coverage": share(answered, np.ones(len(truth), bool), patients).to_dict(),
            "accuracy_answered": share(right, answered, patients).to_dict(),
            "accuracy_at_90_coverage": share(right, surest, patients).to_dict(),
        }


def best_temperature(scores: NDArray, truth: NDArray[np.integer]) -> float:
    """Return T > 0 that makes scores^(1/T), normalized, most likely (Guo et al. 2017, section 4.2), with log T ~ N(0, .25)."""

    def penalized(log_temperature: float) -> float:
        probabilities = _rule(float(np.exp(log_temperature))).probabilities(scores)
        likely = np.log(np.maximum(probabilities[np.arange(len(truth)), truth], 1e-12)).sum()
        return float(-likely + 0.5 * (log_temperature / _PRIOR) ** 2)

    return float(np.exp(minimize_scalar(penalized, bounds=(-3, 3), method="bounded").x))


def abstention_threshold(probabilities: NDArray, truth: NDArray[np.integer], risk: float) -> float:
    """Return the lowest confidence at which at most the share `risk` of the answers given is wrong.

    The risk is that on these images, not a bound on that on others; at least half of them stay answered. 0 where all may be.
    """
    order = np.argsort(-probabilities.max(1), kind="stable")
    sure = probabilities.max(1)[order]
    wrong = np.cumsum(probabilities.argmax(1)[order] != truth[order])
    answered = np.arange(1, len(sure) + 1)
    # Images of equal confidence are answered together.
    last_of_equals = np.append(sure[1:] != sure[:-1], True)
    allowed = answered[last_of_equals & ((wrong <= risk * answered) | (answered <= _LEAST_COVERAGE * len(sure)))]
    count = int(allowed.max(initial=0))
    if count in (0, len(sure)):
        return 0.0
    # Half way to the first that is not answered, so that rounding decides nothing.
    return round(float((sure[count - 1] + sure[count]) / 2), 6)


def calibration_error(probabilities: NDArray, truth: NDArray[np.integer], weights: NDArray | None = None) -> NDArray:
    """Return the expected calibration error (Guo et al. 2017, equation 3) over BINS bins of equal width.

    probabilities: (n, classes). weights: (draws, n), how often each image counts; None: once. Returns (draws,) or ().
    With few images per bin it is above 0 even where the model is calibrated.
    """
    sure = probabilities.max(1)
    gap = sure - (probabilities.argmax(1) == truth)
    member = np.eye(BINS)[np.clip(np.ceil(sure * BINS).astype(int) - 1, 0, BINS - 1)]
    counted = np.ones(len(truth)) if weights is None else weights
    return np.abs(counted @ (member * gap[:, None])).sum(-1) / counted.sum(-1)


def _drawn_error(probabilities: NDArray, truth: NDArray[np.integer], draws: NDArray) -> Figure:
    return Figure(
        float(calibration_error(probabilities, truth)), *interval(calibration_error(probabilities, truth, draws))
    )


def _rule(temperature: float) -> DecisionRule:
    """Return the device's own arithmetic, so that what is chosen here is what is applied there."""
    return replace(DecisionRule(labels=()), temperature=temperature)
