"""From a model's scores to an answer: calibrated probabilities, the label, or why there is none.

The card holds the rule, all parts optional:

    "task":       "multi-class" (the default: exactly one class is true) or "multi-label" (any number)
    "confidence": {"temperature": T, "abstain_below": p, "abstain_below_class": {label: p}}, the last one multi-class only: the
                  smallest confidence of an answer with that label, in place of abstain_below; of multi-class also
                  "bias": {label: b}, added to the logarithm of its probability after the temperature, 0 where absent, and
                  "answer_from": {label: p}: from this probability on the label is answered, whatever is more probable, and below it never
    "thresholds": {label: p}, multi-label only; .5 where absent
    "gate":       see `freezenet.edge_runtime.ood`
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from freezenet.edge_runtime.errors import ModelError, one_line
from freezenet.edge_runtime.ood import OodGate, ood_from_dict, single_gates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from freezenet.edge_runtime.card import ModelCard

#: Reasons for which there is no label.
NOT_CHEST = "not a chest X-ray"
UNCERTAIN = "uncertain"

#: Scores of integer models come in steps of 1/256, so a score of 0 means "below half a step".
_SMALLEST_SCORE = {"integer": 1 / 512, "float": 1e-7}
_DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class Decision:
    """What is answered.

    Args:
        label: The most probable class; for multi-label models every class that reaches its threshold, joined by ";" ("" for
            none); None where the rule abstains.
        probabilities: (classes,) float64, calibrated, in the order of the labels.
        reason: None, NOT_CHEST or UNCERTAIN.
        ood: What each OOD gate reads, in their order: a distance or a probability.
    """

    label: str | None
    probabilities: NDArray[np.float64]
    reason: str | None
    ood: tuple[float, ...] = ()


@dataclass(frozen=True)
class DecisionRule:
    """The card's rule, ready to apply.

    Args:
        labels: Class names in score order.
        temperature: T > 0 of temperature scaling (Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section
            4.2), None where the model was not calibrated: its scores are then given as they are.
        abstain_below: Smallest confidence, 0..1, that is answered.
        thresholds: (classes,) of calibrated probabilities for multi-label, else None.
        gate: The OOD gate, or None where the card has none.
        smallest_score: What a score of 0 means, because it may have been rounded.
        class_abstain_below: (classes,) smallest confidence of an answer with each label, in place of `abstain_below`; else None.
        bias: (classes,) added to the logarithm of each probability after scaling: other priors (Saerens, Latinne and Decaestecker,
            Neural Computation 14, 2002, equation 2.4) and bias correction (Alexandari, Kundaje and Shrikumar, ICML 2020); else None.
        answer_from: (classes,) of multi-class: probability from which on a label is answered, NaN for a label without; else None.
    """

    labels: tuple[str, ...]
    temperature: float | None = None
    abstain_below: float = 0.0
    thresholds: NDArray[np.float64] | None = None
    gate: OodGate | None = None
    smallest_score: float = _SMALLEST_SCORE["float"]
    class_abstain_below: NDArray[np.float64] | None = None
    bias: NDArray[np.float64] | None = None
    answer_from: NDArray[np.float64] | None = None

    @classmethod
    def from_card(cls, card: ModelCard) -> DecisionRule:
        """Read the rule of a card; see `from_dict`."""
        return cls.from_dict(card.content, card.labels)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], labels: tuple[str, ...]) -> DecisionRule:
        """Read the rule that stands in a card; ModelError where this code would not follow it to the letter.

        labels: in score order.
        """
        confidence = content.get("confidence") or {}
        try:
            temperature = None if confidence.get("temperature") is None else float(confidence["temperature"])
            abstain_below = float(confidence.get("abstain_below") or 0.0)
            by_class, bias, answer_from = (
                _by_label(confidence.get(key)) for key in ("abstain_below_class", "bias", "answer_from")
            )
            given = _by_label(content.get("thresholds"))
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise ModelError(
                f"Confidence and thresholds that are numbers are required. Got: {one_line(error, 100)}."
            ) from None
        task = content.get("task", "multi-class")
        values = [abstain_below, *given.values(), *by_class.values(), *answer_from.values()]
        exclusive = {**by_class, **bias, **answer_from}
        foreign = not set(given) | set(exclusive) <= set(labels) or (exclusive and task != "multi-class")
        if task not in ("multi-class", "multi-label") or foreign:
            raise ModelError(
                "A card of task multi-class or multi-label, with thresholds of its own labels, is required. "
                f"Got: task {task!r:.80}, thresholds of {', '.join(given) or 'none'}; update freezenet."
            )
        if (temperature is not None and not 0 < temperature < np.inf) or not all(0 <= value <= 1 for value in values):
            raise ModelError(
                "A temperature above 0 and thresholds from 0 to 1 are required in the card. "
                f"Got: temperature {temperature}, thresholds {', '.join(f'{value:g}' for value in values)}."
            )
        if bias and (temperature is None or not np.isfinite(list(bias.values())).all()):
            raise ModelError(
                "A finite bias, beside a temperature, is required in the card. "
                f"Got: temperature {temperature}, bias {', '.join(f'{value:g}' for value in bias.values())}."
            )
        thresholds = np.array([given.get(label, _DEFAULT_THRESHOLD) for label in labels])
        return cls(
            labels=labels,
            temperature=temperature,
            abstain_below=abstain_below,
            thresholds=thresholds if task == "multi-label" else None,
            gate=ood_from_dict(content["gate"]) if content.get("gate") else None,
            smallest_score=_SMALLEST_SCORE["integer" if content.get("arithmetic") == "integer" else "float"],
            class_abstain_below=np.array([by_class.get(label, abstain_below) for label in labels])
            if by_class
            else None,
            bias=np.array([bias.get(label, 0.0) for label in labels]) if bias else None,
            answer_from=np.array([answer_from.get(label, np.nan) for label in labels]) if answer_from else None,
        )

    def probabilities(self, scores: NDArray) -> NDArray[np.float64]:
        """Return calibrated probabilities (..., classes) of a model's scores (..., classes), both 0..1.

        softmax(z / T) is scores^(1/T), normalized, because scores are softmax(z); a sigmoid's logit is divided by T.
        """
        scores = np.asarray(scores, np.float64)
        if not np.isfinite(scores).all():
            raise ModelError("A model that gives finite scores is required. Got: NaN or infinity; convert it again.")
        if self.temperature is None:
            return scores
        if self.thresholds is not None:
            clipped = np.clip(scores, self.smallest_score, 1 - self.smallest_score)
            return 1 / (1 + ((1 - clipped) / clipped) ** (1 / self.temperature))
        # Dividing by the largest first keeps every power within range.
        clipped = np.clip(scores, self.smallest_score, 1)
        powers = (clipped / clipped.max(axis=-1, keepdims=True)) ** (1 / self.temperature)
        if self.bias is not None:
            powers = powers * np.exp(self.bias - self.bias.max())
        return powers / powers.sum(axis=-1, keepdims=True)

    @property
    def abstains(self) -> bool:
        """Whether an answer can be too unsure to be given: whether any smallest confidence is above 0."""
        least = self.abstain_below if self.class_abstain_below is None else self.class_abstain_below.max()
        return bool(least > 0)

    def surest_of_integers(self) -> float:
        """Return the highest confidence that an integer file can have, whose scores end at 255/256: a threshold above it would silence it."""
        scores = np.zeros(len(self.labels))
        scores[0] = 1 - 2 * _SMALLEST_SCORE["integer"]
        probabilities = replace(self, smallest_score=_SMALLEST_SCORE["integer"]).probabilities(scores)
        return float(self.certainties(probabilities, self.chosen(probabilities)).min())

    def chosen(self, probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which labels the answer holds, (..., classes) bool, for calibrated probabilities (..., classes)."""
        if self.thresholds is not None:
            return probabilities >= self.thresholds
        ranked = probabilities
        if self.answer_from is not None:
            # First the labels that reach theirs, then those without one, then the rest; the most probable of the first that there are.
            reached, without = probabilities >= self.answer_from, np.isnan(self.answer_from)
            rank = np.where(reached, 2, np.where(without, 1, 0))
            ranked = np.where(rank == rank.max(axis=-1, keepdims=True), probabilities, -1.0)
        return np.arange(probabilities.shape[-1]) == ranked.argmax(-1)[..., None]

    def answers(self, scores: NDArray) -> NDArray[np.bool_]:
        """Return which labels are answered, (..., classes) bool, for a model's scores (..., classes), abstaining left out."""
        return self.chosen(self.probabilities(scores))

    def certainties(self, probabilities: NDArray[np.float64], chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the probability that each decision of an answer is right: (..., decisions).

        probabilities, chosen: (..., classes). A multi-class answer is one decision, the class; a multi-label answer is one
        for each label, that it is there or that it is not. The least of them is the answer's confidence.
        """
        if self.thresholds is None:
            return np.where(chosen, probabilities, 0).sum(-1, keepdims=True)
        return np.where(chosen, probabilities, 1 - probabilities)

    def sure(self, probabilities: NDArray[np.float64], chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return whether an answer is sure enough to be given, (...) bool. probabilities, chosen: as for `certainties`."""
        confidence = self.certainties(probabilities, chosen).min(-1)
        if self.class_abstain_below is None:
            return np.asarray(confidence >= self.abstain_below)
        return np.asarray(confidence >= self.class_abstain_below[chosen.argmax(-1)])

    def mapped(self, decision: Decision) -> int:
        """Return the place of the class whose activation map belongs to an answer: of its label, else the most probable one."""
        if decision.label in self.labels:
            return self.labels.index(decision.label)
        return int(decision.probabilities.argmax())

    def decide(self, scores: NDArray, features: NDArray | None = None) -> Decision:
        """Answer for one image: scores (classes,), and features (d,) for the OOD gate."""
        probabilities = self.probabilities(scores)
        ood: tuple[float, ...] = ()
        if self.gate is not None and features is not None:
            ood = tuple(one.score(features) for one in single_gates(self.gate))
            if not self.gate.passes(features):
                return Decision(None, probabilities, NOT_CHEST, ood)
        chosen = self.chosen(probabilities)
        if not self.sure(probabilities, chosen):
            return Decision(None, probabilities, UNCERTAIN, ood)
        label = ";".join(label for label, one in zip(self.labels, chosen, strict=True) if one)
        return Decision(label, probabilities, None, ood)


def _by_label(content: Mapping[str, Any] | None) -> dict[str, float]:
    return {str(label): float(value) for label, value in (content or {}).items()}
