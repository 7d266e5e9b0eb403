"""How sure the model may sound, and below what it should rather say nothing: chosen on validation scores.

All probabilities come from the device's own `DecisionRule`, so that what is chosen here is what is applied there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from freezenet.edge_runtime.decision import DecisionRule
from freezenet.train.answers.calibration import Decided
from freezenet.train.answers.risk import answered_under, upper_bound

#: Standard deviation of log T before the data speak. On some ten validation images without an error the likelihood alone would
#: sharpen without bound.
_PRIOR = 0.25


@dataclass(frozen=True)
class Confidence:
    """What the card says under "confidence".

    Args:
        temperature: T of temperature scaling.
        abstain_below: smallest confidence, 0..1, that is answered.
        risk: the share of wrong answers among those given that `abstain_below` was chosen for.
        risk_reached: that share on the images it was chosen on.
        risk_bound: the largest share that these images do not exclude, see `freezenet.train.answers.risk.upper_bound`; above `risk` where
            they are too few to show it, or the most confident half of the answers is too often wrong.
        images: their number.
        abstain_below_class: the same for the answers of each label, in place of `abstain_below`; None where one holds for all.
    """

    temperature: float
    abstain_below: float
    risk: float
    risk_reached: float
    risk_bound: float
    images: int
    abstain_below_class: dict[str, float] | None = None

    @classmethod
    def fit(
        cls, rule: DecisionRule, scores: NDArray, truth: NDArray[np.bool_], risk: float, *, by_class: bool = False
    ) -> Confidence:
        """Choose on validation scores (n, classes), 0..1, and label sets (n, classes) bool.

        Args:
            rule: calibrated, with the thresholds of a multi-label model; what it says of abstaining is not looked at.
            scores, truth: of the images.
            risk: as the class says.
            by_class: whether each label has a threshold of its own; a label that is never answered keeps the common one.
        """
        assert rule.temperature is not None
        threshold = abstention_threshold(rule, scores, truth, risk)
        own = class_thresholds(rule, scores, truth, risk, threshold) if by_class else None
        chosen = replace(rule, abstain_below=threshold, class_abstain_below=own)
        decided = Decided.by(chosen, scores, truth)
        wrong, answers = int((~decided.correct[decided.answered]).sum()), int(decided.answered.sum())
        bound = float(upper_bound(wrong, answers))
        named = None if own is None else dict(zip(rule.labels, own.tolist(), strict=True))
        return cls(rule.temperature, threshold, risk, round(wrong / answers, 6), round(bound, 6), len(truth), named)


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
    """Return the lowest confidence at which at most the share `risk` of the answers given is wrong, on other such images too.

    That is by an upper bound, see `freezenet.train.answers.risk.answered_under`; at least half of the images stay answered. 0 where all may be.
    An answer of several labels is wrong where one of them is.
    """
    decided = Decided.by(rule, scores, truth)
    order = np.argsort(-decided.confidence, kind="stable")
    sure = decided.confidence[order]
    count = answered_under(risk, sure, ~decided.correct[order])
    if count == len(sure):
        return 0.0
    # Half way to the first that is not answered, so that rounding decides nothing; all digits where they lie closer together.
    middle = float((sure[count - 1] + sure[count]) / 2)
    rounded = round(middle, 6)
    return rounded if sure[count] < rounded <= sure[count - 1] else middle


def class_thresholds(
    rule: DecisionRule, scores: NDArray, truth: NDArray[np.bool_], risk: float, otherwise: float
) -> NDArray[np.float64]:
    """Return for each class the lowest confidence (classes,) at which at most the share `risk` of its answers is wrong.

    Classes differ in how often a sure answer is wrong: one threshold for all is paid for by those that are seldom mistaken.

    Args:
        rule: calibrated, of a multi-class model.
        scores, truth: (n, classes) of the images to choose on.
        risk: share of wrong answers, 0..1.
        otherwise: the threshold of a class that is not answered once.
    """
    answers = rule.answers(scores)
    return np.array([
        abstention_threshold(rule, scores[said], truth[said], risk) if said.any() else otherwise for said in answers.T
    ])  # fmt: skip
