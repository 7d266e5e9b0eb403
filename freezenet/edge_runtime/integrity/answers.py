"""Golden answers: what is recorded of a decision in the card, and whether this device decides the same.

The scores of a device may differ from those of another within a tolerance, and a probability then by more than that where
the temperature sharpens it. So the two are told apart: the network must give the scores
(`freezenet.edge_runtime.integrity.verify`), and the rule, given the *recorded* scores, the recorded probabilities on every
device, to the sixth decimal. Label and reason are those of the device's own run, from the image to the answer.

Other pictures and further fields may be added to the vectors: a reader takes those fields that it knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from freezenet.edge_runtime.decision import NOT_CHEST, UNCERTAIN, DecisionRule
from freezenet.edge_runtime.errors import ModelError
from freezenet.edge_runtime.ood import single_gates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from freezenet.edge_runtime.card import GoldenAnswer, GoldenDecision
    from freezenet.edge_runtime.decision import Decision

#: Decimals of a recorded probability, and the largest difference that rounding to them leaves.
DECIMALS, PROBABILITY_TOLERANCE = 6, 1e-6


@dataclass(frozen=True)
class AnswerDifference:
    """How a device's answer differs from the recorded one.

    Args:
        equal: Whether label and reason are the same, and there are as many OOD gates with the same thresholds.
        probability: Largest difference of a probability, 0..1, of the rule given the recorded scores.
        ood: Largest difference of what an OOD gate reads, as a share of its threshold.
    """

    equal: bool
    probability: float
    ood: float


def golden_answer(decision: Decision, rule: DecisionRule) -> GoldenAnswer:
    """Return what is recorded of a decision (JSON types).

    Args:
        decision: The answer for a golden image.
        rule: By which it was made.
    """
    thresholds = [one.threshold for one in single_gates(rule.gate)] if decision.ood else []
    return {
        "label": decision.label,
        "reason": decision.reason,
        "probabilities": {
            label: round(float(value), DECIMALS)
            for label, value in zip(rule.labels, decision.probabilities, strict=True)
        },
        "ood": [
            {"score": float(f"{score:.6g}"), "threshold": threshold}
            for score, threshold in zip(decision.ood, thresholds, strict=True)
        ],
    }


def compare(
    decision: Decision,
    rule: DecisionRule,
    recorded: GoldenAnswer,
    recorded_scores: NDArray[np.float64],
    *,
    other_kernels: bool = False,
) -> AnswerDifference:
    """Compare a device's decision for a golden image with the recorded answer.

    Args:
        decision: This device's.
        rule: By which it was made.
        recorded: The answer in the card.
        recorded_scores: (classes,), the scores in the card.
        other_kernels: The scores may differ by some hundredths, because another runtime computes the integers: then a label and
            "uncertain" are no difference.
    """
    own = golden_answer(decision, rule)
    same_gates = [one["threshold"] for one in own["ood"]] == [one["threshold"] for one in recorded["ood"]]
    readings = zip(own["ood"], recorded["ood"], strict=False)
    probabilities = [recorded["probabilities"].get(label, np.inf) for label in rule.labels]
    return AnswerDifference(
        equal=same_gates and _same(own, recorded, other_kernels),
        probability=_largest(rule.probabilities(recorded_scores) - probabilities),
        ood=_largest([(one["score"] - other["score"]) / one["threshold"] for one, other in readings]),
    )


def decision_holds(golden: GoldenDecision) -> bool:
    """Whether this device's rule makes the recorded answer of recorded scores and features; a damaged one does not hold."""
    try:
        rule = DecisionRule.from_dict(golden["rule"], tuple(golden["rule"]["labels"]))
        scores, features = np.asarray(golden["scores"], np.float64), golden["features"]
        decision = rule.decide(scores, None if features is None else np.asarray(features, np.float64))
        found = compare(decision, rule, golden["answer"], scores)
    except (AttributeError, KeyError, TypeError, ValueError, IndexError, ModelError):
        return False
    return found.equal and max(found.probability, found.ood) <= PROBABILITY_TOLERANCE


def _same(own: GoldenAnswer, recorded: GoldenAnswer, other_kernels: bool) -> bool:
    reasons = (own["reason"], recorded["reason"])
    if other_kernels and UNCERTAIN in reasons:
        return NOT_CHEST not in reasons
    return own["label"] == recorded["label"] and own["reason"] == recorded["reason"]


def _largest(differences: object) -> float:
    """Return the largest absolute value, 0 of none; what is no number counts as infinite."""
    return float(np.nan_to_num(np.abs(np.asarray(differences, np.float64)), nan=np.inf).max(initial=0.0))
