"""How sure the model may sound, and below what it should rather say nothing: chosen on validation scores, measured on test.

All probabilities come from the device's own `DecisionRule`, so that what is chosen here is what is applied there.
"""

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
    def fit(cls, rule: DecisionRule, scores: NDArray, truth: NDArray[np.bool_], risk: float) -> Confidence:
        """Choose on validation scores (n, classes), 0..1, and label sets (n, classes) bool.

        rule: calibrated, with the thresholds of a multi-label model; what it says of abstaining is not looked at.
        """
        assert rule.temperature is not None
        return cls(rule.temperature, abstention_threshold(rule, scores, truth, risk), risk, len(truth))

    def measure(
        self, rule: DecisionRule, scores: NDArray, truth: NDArray[np.bool_], patients: Sequence[str]
    ) -> dict[str, Any]:
        """Return, for test scores, the calibration error before and after, and what abstaining brings (JSON types).

        "coverage" is the share of images that are answered, "accuracy_answered" the share of right answers among them,
        "accuracy_at_90_coverage" the same where the least sure tenth is left out.
        """
        draws = patient_draws(patients)
        sure, right = _sure_and_right(rule, scores, truth)
        answered = sure >= self.abstain_below
        surest = sure >= np.quantile(sure, 0.1)
        return {
            "images": len(truth),
            "ece_before": _drawn_error(replace(rule, temperature=None), scores, truth, draws).to_dict(),
            "ece_after": _drawn_error(rule, scores, truth, draws).to_dict(),
            "coverage": share(answered, np.ones(len(truth), bool), patients).to_dict(),
            "accuracy_answered": share(right, answered, patients).to_dict(),
            "accuracy_at_90_coverage": share(right, surest, patients).to_dict(),
        }


def best_temperature(rule: DecisionRule, scores: NDArray, truth: NDArray[np.bool_]) -> float:
    """Return T > 0 that makes the truth most likely (Guo et al. 2017, section 4.2), with log T ~ N(0, .25).

    Of a multi-class model that is the likelihood of the true class, of a multi-label model that of each label's being there or not.
    rule: says which of them it is. scores, truth: (n, classes), the latter bool.
    """

    def penalized(log_temperature: float) -> float:
        tried = replace(rule, temperature=float(np.exp(log_temperature)))
        likely = np.log(np.maximum(tried.certainties(tried.probabilities(scores), truth), 1e-12)).sum()
        return float(-likely + 0.5 * (log_temperature / _PRIOR) ** 2)

    return float(np.exp(minimize_scalar(penalized, bounds=(-3, 3), method="bounded").x))


def abstention_threshold(rule: DecisionRule, scores: NDArray, truth: NDArray[np.bool_], risk: float) -> float:
    """Return the lowest confidence at which at most the share `risk` of the answers given is wrong.

    The risk is that on these images, not a bound on that on others; at least half of them stay answered. 0 where all may be.
    An answer of several labels is wrong where one of them is.
    """
    confidence, right = _sure_and_right(rule, scores, truth)
    order = np.argsort(-confidence, kind="stable")
    sure, wrong = confidence[order], np.cumsum(~right[order])
    answered = np.arange(1, len(sure) + 1)
    # Images of equal confidence are answered together.
    last_of_equals = np.append(sure[1:] != sure[:-1], True)
    allowed = answered[last_of_equals & ((wrong <= risk * answered) | (answered <= _LEAST_COVERAGE * len(sure)))]
    count = int(allowed.max(initial=0))
    if count in (0, len(sure)):
        return 0.0
    # Half way to the first that is not answered, so that rounding decides nothing.
    return round(float((sure[count - 1] + sure[count]) / 2), 6)


def calibration_error(
    rule: DecisionRule, scores: NDArray, truth: NDArray[np.bool_], weights: NDArray | None = None
) -> NDArray:
    """Return the expected calibration error (Guo et al. 2017, equation 3) over BINS bins of equal width.

    Counted are the decisions of the rule: the class of each image, or of a multi-label model each label of each image.
    scores, truth: (n, classes), the latter bool. weights: (draws, n), how often each image counts; None: once. Returns (draws,)
    or (). With few decisions per bin it is above 0 even where the model is calibrated.
    """
    probabilities = rule.probabilities(scores)
    chosen = rule.chosen(probabilities)
    sure = rule.certainties(probabilities, chosen)
    # The truth is a probability of 0 or 1.
    gap = sure - rule.certainties(truth.astype(np.float64), chosen)
    member = np.eye(BINS)[np.clip(np.ceil(sure * BINS).astype(int) - 1, 0, BINS - 1)]
    counted = np.ones(len(truth)) if weights is None else weights
    return np.abs(counted @ (member * gap[..., None]).sum(1)).sum(-1) / (counted.sum(-1) * sure.shape[1])


def _sure_and_right(
    rule: DecisionRule, scores: NDArray, truth: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the confidence (n,) of each answer, and whether it is right, (n,) bool."""
    probabilities = rule.probabilities(scores)
    chosen = rule.chosen(probabilities)
    return rule.certainties(probabilities, chosen).min(-1), (chosen == truth).all(-1)


def _drawn_error(rule: DecisionRule, scores: NDArray, truth: NDArray[np.bool_], draws: NDArray) -> Figure:
    """Return the calibration error with an interval from the draws, moved by how much they lie above it on average.

    Drawing with replacement thins out the bins, so each draw has a larger error than the images it is drawn from.
    """
    value, drawn = float(calibration_error(rule, scores, truth)), calibration_error(rule, scores, truth, draws)
    return Figure(value, *interval(np.maximum(drawn - drawn.mean() + value, 0.0)))
