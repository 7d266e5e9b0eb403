"""Everything that this room measures about one model on one set of images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.benchmarks.quality.curves import curves
from freezenet.benchmarks.quality.images import KnownImages
from freezenet.benchmarks.quality.probabilities import probability_figures
from freezenet.benchmarks.quality.slices import sliced
from freezenet.edge_runtime.decision import DecisionRule
from freezenet.train.answers.calibration import Decided
from freezenet.train.metrics.figure import share


def quality(
    images: KnownImages,
    rule: DecisionRule,
    scores: NDArray[np.float32],
    *,
    reference: NDArray[np.bool_] | None = None,
    with_curves: bool = False,
) -> dict[str, Any]:
    """Return "probabilities" and "slices", and "flips" against a reference, and "curves" where they are asked for (JSON types).

    Args:
        images: n of them.
        rule: of the model's card.
        scores: (n, labels), what the model gives.
        reference: (n, labels) bool, what another model answers.
        with_curves: see `freezenet.benchmarks.quality.curves.curves`.
    """
    probabilities = rule.probabilities(scores)
    answers, decided = rule.chosen(probabilities), Decided.by(rule, scores, images.truth)
    right = (answers == images.truth).all(1)
    before = None if reference is None else (reference == images.truth).all(1)
    found: dict[str, Any] = {
        "probabilities": probability_figures(images, answers, probabilities, decided, abstains=rule.abstains),
        "slices": sliced(images, right, decided.answered, before),
    }
    if reference is not None:
        changed, everyone = (answers != reference).any(1), np.ones(len(answers), bool)
        found["flips"] = share(changed, everyone, images.patients, images.draws).to_dict()
    if with_curves:
        found["curves"] = curves(images, probabilities, decided)
    return found


#: Key of "probabilities" -> what it is called.
NAMES = {
    "balanced_accuracy": "balanced accuracy",
    "auroc": "AUROC, one against the rest",
    "auprc": "AUPRC, one against the rest",
    "brier": "Brier score",
    "calibration_error": "calibration error (ECE)",
    "coverage": "sure enough to answer",
    "accuracy_answered": "right of these answers",
}


def named_figures(probabilities: Mapping[str, Any]) -> dict[str, dict[str, float] | None]:
    """Return name -> figure of `probability_figures`, None where there is none; of areas the mean over the classes."""
    found = {name: probabilities[key] for key, name in NAMES.items() if key in probabilities}
    return {name: one and one.get("macro", one) for name, one in found.items()}
