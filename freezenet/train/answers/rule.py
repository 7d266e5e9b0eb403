"""What turns scores into answers, chosen on validation images: temperature, thresholds, abstention."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.decision import DecisionRule
from freezenet.edge_runtime.names import counted
from freezenet.train.answers.confidence import Confidence, best_temperature
from freezenet.train.answers.elsewhere import ElsewhereAnswers
from freezenet.train.answers.risk import Risk
from freezenet.train.recipes.recipe import Recipe
from freezenet.train.task import TASKS, Task

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ChosenRule:
    """The device's rule with what a run says about it.

    Args:
        task: what the model answers.
        rule: as a device applies it, without the OOD gate.
        confidence: how it was chosen.
    """

    task: Task
    rule: DecisionRule
    confidence: Confidence

    @classmethod
    def fit(
        cls,
        recipe: Recipe,
        labels: tuple[str, ...],
        scores: NDArray,
        truth: NDArray[np.bool_],
        *,
        repeats: int = 1,
        elsewhere: ElsewhereAnswers | None = None,
    ) -> ChosenRule:
        """Choose on images whose truth is known.

        The temperature comes first, because thresholds and abstention are compared with calibrated probabilities.

        Args:
            recipe: says what is answered, and the risk.
            labels: in score order.
            scores: (n, labels), 0..1, of validation images, or of the folds of a cross-validation.
            truth: (n, labels) bool.
            repeats: how often each image is among them, answered by networks of as many seeds.
            elsewhere: answers about sources that were left out.
        """
        task = TASKS[recipe.task]
        rule = DecisionRule(labels, thresholds=task.first_thresholds(len(labels)))
        rule = replace(rule, temperature=round(best_temperature(rule, scores, truth), 4))
        rule = replace(rule, thresholds=task.thresholds(rule.probabilities(scores), truth, recipe.threshold_metric))
        by_class = recipe.abstain_by == "class" and task.exclusive
        risk = Risk(recipe.abstain_risk, recipe.abstain_sureness)
        confidence = Confidence.fit(rule, scores, truth, risk, by_class=by_class, repeats=repeats, elsewhere=elsewhere)
        if confidence.risk_bound > confidence.risk:
            logger.info(
                f"abstain_risk {confidence.risk:g} is not shown with probability {confidence.risk_sureness:g} by {counted(confidence.images, 'image')}: of the answers that are given "
                f"{confidence.risk_reached:.1%} are wrong there, and up to {confidence.risk_bound:.1%} may be on other such images"
            )
        own = confidence.abstain_below_class
        return cls(
            task,
            replace(
                rule,
                abstain_below=confidence.abstain_below,
                class_abstain_below=None if own is None else np.array([own[label] for label in labels]),
            ),
            confidence,
        )

    @property
    def thresholds(self) -> dict[str, float] | None:
        """The threshold of each label; None for a task without."""
        if self.rule.thresholds is None:
            return None
        return dict(zip(self.rule.labels, self.rule.thresholds.tolist(), strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Return the part of a card that `freezenet.edge_runtime.decision` reads, without the OOD gate."""
        thresholds = {} if self.thresholds is None else {"thresholds": self.thresholds}
        confidence = {key: value for key, value in asdict(self.confidence).items() if value is not None}
        return {"task": self.task.name, **thresholds, "confidence": confidence}

    def figures(self, scores: NDArray, truth: NDArray[np.bool_], patients: Sequence[str]) -> dict[str, Any]:
        """Return the thresholds and, as `at_half`, the figures of the same scores with .5 for each label; {} without (JSON)."""
        if self.thresholds is None:
            return {}
        labels = self.rule.labels
        half = replace(self.rule, thresholds=self.task.first_thresholds(len(labels)))
        return {
            "thresholds": self.thresholds,
            "at_half": self.task.evaluate(truth, half.answers(scores), labels, patients),
        }
