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
from freezenet.train.answers.elsewhere import ElsewhereAnswers
from freezenet.train.answers.risk import Risk, answered_under

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
        risk_bound: the largest share that these images do not exclude, see `freezenet.train.answers.risk.Risk`; above `risk` where
            they are too few to show it, or the most confident half of the answers is too often wrong. It is not corrected for the choice of
            the threshold, which makes it too low where the lowest of many bounds was taken, and images count as independent.
        risk_sureness: the probability with which the bound holds.
        images: their number.
        abstain_below_class: the same for the answers of each label, in place of `abstain_below`; None where one holds for all.
    """

    temperature: float
    abstain_below: float
    risk: float
    risk_reached: float
    risk_bound: float
    risk_sureness: float
    images: int
    abstain_below_class: dict[str, float] | None = None

    @classmethod
    def fit(
        cls,
        rule: DecisionRule,
        scores: NDArray,
        truth: NDArray[np.bool_],
        risk: Risk,
        *,
        by_class: bool = False,
        repeats: int = 1,
        elsewhere: ElsewhereAnswers | None = None,
    ) -> Confidence:
        """Choose on validation scores (n, classes), 0..1, and label sets (n, classes) bool.

        Args:
            rule: calibrated, with the thresholds of a multi-label model; what it says of abstaining is not looked at.
            scores, truth: of the images.
            risk: what the threshold is chosen for.
            by_class: whether each label has a threshold of its own, see `class_thresholds`.
            repeats: how often each image is among them, answered by networks of as many seeds.
            elsewhere: answers about sources that were left out, for thresholds of labels.
        """
        assert rule.temperature is not None
        threshold = abstention_threshold(rule, scores, truth, risk, repeats=repeats)
        # Rounded down, so that the surest answer of an integer file is above it.
        most = np.floor(rule.surest_of_integers() * 1e6) / 1e6
        threshold, own = min(threshold, most), None
        if by_class:
            own = class_thresholds(rule, scores, truth, risk, otherwise=threshold, repeats=repeats, elsewhere=elsewhere)
            own = np.minimum(own, most)
        chosen = replace(rule, abstain_below=threshold, class_abstain_below=own)
        decided = Decided.by(chosen, scores, truth)
        wrong, answers = int((~decided.correct[decided.answered]).sum()), int(decided.answered.sum())
        bound = float(risk.bound(wrong / repeats, answers / repeats))
        named = None if own is None else dict(zip(rule.labels, own.tolist(), strict=True))
        return cls(
            rule.temperature,
            threshold,
            risk.share,
            round(wrong / answers, 6),
            round(bound, 6),
            risk.sureness,
            len(truth) // repeats,
            named,
        )


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


def abstention_threshold(
    rule: DecisionRule, scores: NDArray, truth: NDArray[np.bool_], risk: Risk, *, repeats: int = 1
) -> float:
    """Return the lowest confidence at which at most the share of `risk` of the answers given is wrong, on other such images too.

    That is by an upper bound, see `freezenet.train.answers.risk.answered_under`; at least half of the images stay answered. 0 where all may be.
    An answer of several labels is wrong where one of them is.
    """
    decided = Decided.by(rule, scores, truth)
    order = np.argsort(-decided.confidence, kind="stable")
    sure = decided.confidence[order]
    count = answered_under(risk, sure, ~decided.correct[order], repeats=repeats)
    if count == len(sure):
        return 0.0
    # Half way to the first that is not answered, so that rounding decides nothing; all digits where they lie closer together.
    middle = float((sure[count - 1] + sure[count]) / 2)
    rounded = round(middle, 6)
    return rounded if sure[count] < rounded <= sure[count - 1] else middle


def class_thresholds(
    rule: DecisionRule,
    scores: NDArray,
    truth: NDArray[np.bool_],
    risk: Risk,
    *,
    otherwise: float,
    repeats: int = 1,
    elsewhere: ElsewhereAnswers | None = None,
) -> NDArray[np.float64]:
    """Return for each class the lowest confidence (classes,) at which at most the share of `risk` of its answers is wrong.

    Classes differ in how often a sure answer is wrong: one threshold for all is paid for by those that are seldom mistaken. What is shown of
    each class alone need not be of all answers together; where only the common threshold shows it, none is lower. Of a class that
    could be tested on sources left out, the answers there ask for a threshold, too; half of its other answers stay at least.

    Args:
        rule: calibrated, of a multi-class model.
        scores, truth: (n, classes) of the images to choose on.
        risk: what may be wrong.
        otherwise: the threshold for all classes together, and that of a class that is not answered once.
        repeats: how often each image is among them.
        elsewhere: answers about sources that were left out, as often.
    """
    decided, answers = Decided.by(rule, scores, truth), rule.answers(scores)
    found = np.array([
        abstention_threshold(rule, scores[said], truth[said], risk, repeats=repeats) if said.any() else otherwise
        for said in answers.T
    ])  # fmt: skip
    own, common = (
        float(risk.bound((~decided.correct[given]).sum() / repeats, max(1, given.sum()) / repeats))
        for given in (decided.confidence >= found[answers.argmax(-1)], decided.confidence >= otherwise)
    )
    if common <= risk.share < own:
        found = np.maximum(found, otherwise)
    if elsewhere is None:
        return found
    away = rule.answers(elsewhere.scores)
    for number in np.flatnonzero(elsewhere.truth.any(0) & away.any(0) & answers.any(0)):
        said = away[:, number]
        asked = abstention_threshold(rule, elsewhere.scores[said], elsewhere.truth[said], risk, repeats=repeats)
        half = float(np.median(decided.confidence[answers[:, number]]))
        found[number] = max(found[number], min(asked, half))
    return found
