"""The images that a model answers wrong, the surest mistakes first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.benchmarks.evaluate import JudgedImages
from freezenet.edge_runtime.decision import DecisionRule

#: More are counted and not listed.
_MOST = 200


def wrong_images(
    judged: JudgedImages,
    labels: Sequence[str],
    truth: NDArray[np.bool_],
    model: tuple[DecisionRule, NDArray[np.float32]],
    reference: tuple[DecisionRule, NDArray[np.float32]],
) -> list[dict[str, Any]]:
    """Return file, class, both answers and both confidences of each (JSON types), by falling confidence of the model.

    Args:
        judged: n images.
        labels: in the order of the columns.
        truth: (n, labels) bool.
        model, reference: rule and scores (n, labels) of either.
    """
    (answers, sure), (before, sure_before) = (_answers(*one) for one in (model, reference))
    rows = np.flatnonzero((answers != truth).any(1))
    rows = rows[np.argsort(-sure[rows], kind="stable")][:_MOST]
    task = judged.dataset.task
    return [
        {
            "file": judged.dataset.samples[row].file,
            "class": judged.truth[row],
            "float32": float_text,
            "this": text,
            "float32_score": round(float(sure_before[row]), 4),
            "this_score": round(float(sure[row]), 4),
        }
        for row, float_text, text in zip(
            rows, task.texts(before[rows], labels), task.texts(answers[rows], labels), strict=True
        )
    ]


def _answers(rule: DecisionRule, scores: NDArray[np.float32]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    probabilities = rule.probabilities(scores)
    answers = rule.chosen(probabilities)
    return answers, rule.certainties(probabilities, answers).min(-1)
