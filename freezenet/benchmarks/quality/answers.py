"""What models answer image by image: the images that one answers wrong, and those about which two differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.benchmarks.evaluate import JudgedImages
from freezenet.edge_runtime.decision import DecisionRule

#: Images with a wrong answer that are listed; more are only counted.
_MOST = 200


@dataclass(frozen=True)
class ModelAnswers:
    """What a model says if it must answer all, and which of these answers it gives.

    Args:
        answers: (n, classes) bool, which labels are answered.
        confidence: (n,) of the answers.
        answered: (n,) bool, whether the rule is sure enough to give each; the OOD gate is not asked.
    """

    answers: NDArray[np.bool_]
    confidence: NDArray[np.float64]
    answered: NDArray[np.bool_]

    @classmethod
    def of(cls, rule: DecisionRule, scores: NDArray[np.float32]) -> ModelAnswers:
        """Return what a model with this rule answers with its scores (n, classes)."""
        probabilities = rule.probabilities(scores)
        answers = rule.chosen(probabilities)
        return cls(answers, rule.certainties(probabilities, answers).min(-1), rule.sure(probabilities, answers))


@dataclass(frozen=True)
class AnswerPair:
    """What a reference and a model say of the same images.

    Args:
        judged: n images.
        labels: in the order of the columns.
        reference: what the reference says.
        found: what the model says.
        name: key of the reference's answer.
    """

    judged: JudgedImages
    labels: Sequence[str]
    reference: ModelAnswers
    found: ModelAnswers
    name: str

    def wrong(self, truth: NDArray[np.bool_]) -> dict[str, Any]:
        """Return "wrong_count", and "wrong", the model's surest mistakes as `flipped` describes them (JSON types). truth: (n, labels)."""
        rows = np.flatnonzero((self.found.answers != truth).any(1))
        surest = rows[np.argsort(-self.found.confidence[rows], kind="stable")][:_MOST]
        return {"wrong_count": len(rows), "wrong": self._described(surest)}

    def flipped(self) -> list[dict[str, Any]]:
        """Return file, class, both answers, both confidences, and whether each is answered, of the images about which they differ (JSON types)."""
        return self._described(np.flatnonzero((self.reference.answers != self.found.answers).any(1)))

    def _described(self, rows: NDArray[np.int_]) -> list[dict[str, Any]]:
        before, after = self._texts(self.reference), self._texts(self.found)
        return [
            {
                "file": self.judged.dataset.samples[row].file,
                "class": self.judged.truth[row],
                self.name: before[row],
                "this": after[row],
                f"{self.name}_score": round(float(self.reference.confidence[row]), 4),
                "this_score": round(float(self.found.confidence[row]), 4),
                f"{self.name}_answered": bool(self.reference.answered[row]),
                "this_answered": bool(self.found.answered[row]),
            }
            for row in rows
        ]

    def _texts(self, one: ModelAnswers) -> list[str]:
        """Return the answers as text; one beside all of these labels, of a model that has more, has none."""
        task, texts = self.judged.dataset.task, [""] * len(one.answers)
        named = np.flatnonzero(one.answers.any(1) | (not task.exclusive))
        for row, text in zip(named, task.texts(one.answers[named], self.labels), strict=True):
            texts[row] = text
        return texts
