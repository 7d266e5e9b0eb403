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
    """What a model says, abstaining left out.

    Args:
        answers: (n, classes) bool, which labels are answered.
        confidence: (n,) of the answers.
    """

    answers: NDArray[np.bool_]
    confidence: NDArray[np.float64]

    @classmethod
    def of(cls, rule: DecisionRule, scores: NDArray[np.float32]) -> ModelAnswers:
        """Return what a model with this rule answers with its scores (n, classes)."""
        probabilities = rule.probabilities(scores)
        answers = rule.chosen(probabilities)
        return cls(answers, rule.certainties(probabilities, answers).min(-1))


def wrong_images(
    judged: JudgedImages,
    labels: Sequence[str],
    truth: NDArray[np.bool_],
    *,
    reference: ModelAnswers,
    found: ModelAnswers,
    name: str,
) -> dict[str, Any]:
    """Return "wrong_count", and "wrong", the surest mistakes of a model as `flipped_images` describes images (JSON types).

    Args:
        judged: n images.
        labels: in the order of the columns.
        truth: (n, labels) bool.
        reference: what the reference says of them.
        found: what the model says.
        name: key of the reference's answer.
    """
    rows = np.flatnonzero((found.answers != truth).any(1))
    surest = rows[np.argsort(-found.confidence[rows], kind="stable")][:_MOST]
    return {"wrong_count": len(rows), "wrong": _described(surest, judged, labels, reference, found, name)}


def flipped_images(
    judged: JudgedImages,
    labels: Sequence[str],
    *,
    reference: ModelAnswers,
    found: ModelAnswers,
    name: str,
) -> list[dict[str, Any]]:
    """Return file, class, both answers and both confidences of the images with another answer (JSON types).

    Args:
        judged: n images.
        labels: in the order of the columns.
        reference: what the reference says of them.
        found: what the other model says.
        name: key of the reference's answer.
    """
    rows = np.flatnonzero((reference.answers != found.answers).any(1))
    return _described(rows, judged, labels, reference, found, name)


def _described(
    rows: NDArray[np.int_],
    judged: JudgedImages,
    labels: Sequence[str],
    reference: ModelAnswers,
    found: ModelAnswers,
    name: str,
) -> list[dict[str, Any]]:
    before, after = (_texts(judged, labels, one) for one in (reference, found))
    return [
        {
            "file": judged.dataset.samples[row].file,
            "class": judged.truth[row],
            name: before[row],
            "this": after[row],
            f"{name}_score": round(float(reference.confidence[row]), 4),
            "this_score": round(float(found.confidence[row]), 4),
        }
        for row in rows
    ]


def _texts(judged: JudgedImages, labels: Sequence[str], found: ModelAnswers) -> list[str]:
    """Return the answers as text; one beside all of these labels, of a model that has more, has none."""
    task, texts = judged.dataset.task, [""] * len(found.answers)
    named = np.flatnonzero(found.answers.any(1) | (not task.exclusive))
    for row, text in zip(named, task.texts(found.answers[named], labels), strict=True):
        texts[row] = text
    return texts
