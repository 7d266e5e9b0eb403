"""How far probabilities can be believed, and what abstaining brings, measured on images whose truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.decision import DecisionRule
from freezenet.train.metrics.draws import PatientDraws, Weights, patient_draws
from freezenet.train.metrics.figure import Figure, interval, share

#: Bins of the expected calibration error, as in Guo et al.
BINS = 15
#: How often truth is drawn to see what error a calibrated model would show.
_TRUTHS = 200


@dataclass(frozen=True)
class Decided:
    """What a rule decided about n images, and whether it was right.

    A multi-class answer is one decision, the class; a multi-label answer is one for each label.

    Args:
        probabilities: (n, decisions) float64, 0..1, of each decision being right.
        right: (n, decisions) bool.
        answered: (n,) bool, whether the rule is sure enough to answer.
    """

    probabilities: NDArray[np.float64]
    right: NDArray[np.bool_]
    answered: NDArray[np.bool_]

    @classmethod
    def by(cls, rule: DecisionRule, scores: NDArray, truth: NDArray[np.bool_]) -> Decided:
        """Apply a rule, without the OOD gate, to scores (n, classes), 0..1; truth: (n, classes) bool."""
        calibrated = rule.probabilities(scores)
        chosen = rule.chosen(calibrated)
        certain = rule.certainties(calibrated, chosen)
        # The truth is a probability of 0 or 1.
        right = rule.certainties(truth.astype(np.float64), chosen) > 0
        return cls(certain, right, rule.sure(calibrated, chosen))

    @classmethod
    def pooled(cls, parts: Sequence[Decided]) -> Decided:
        """Put decisions about several sets of images, by rules of their own, behind each other."""
        return cls(
            np.concatenate([part.probabilities for part in parts]),
            np.concatenate([part.right for part in parts]),
            np.concatenate([part.answered for part in parts]),
        )

    def some(self, rows: NDArray) -> Decided:
        """Return what was decided about some of the images. rows: their numbers, or (n,) bool."""
        return Decided(self.probabilities[rows], self.right[rows], self.answered[rows])

    @property
    def confidence(self) -> NDArray[np.float64]:
        """The probability (n,) of the least certain decision of each image."""
        return self.probabilities.min(-1)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether all decisions about an image are right, (n,) bool."""
        return np.asarray(self.right.all(-1))


def calibration_error(decided: Decided, weights: Weights | None = None) -> NDArray:
    """Return the expected calibration error (Guo et al. 2017, equation 3) over BINS bins of equal width.

    With few decisions per bin it is above 0 even where the model is calibrated, see `error_if_calibrated`.

    Args:
        decided: n images.
        weights: (draws, n), how often each image counts; None counts each once.

    Returns:
        (draws,), or () without weights.
    """
    counted = np.ones(len(decided.right)) if weights is None else weights
    gaps = _bins(decided) * (decided.probabilities - decided.right)[..., None]
    return np.abs(counted @ gaps.sum(1)).sum(-1) / (counted.sum(-1) * decided.right.shape[1])


def error_if_calibrated(decided: Decided, seed: int = 0) -> float:
    """Return the calibration error that these probabilities would show on average if each were exactly true.

    It is what chance alone makes of so few images (Roelofs et al., Mitigating Bias in Calibration Error Estimation, AISTATS
    2022): truth is drawn from the probabilities themselves, as in Bröcker and Smith (Weather and Forecasting 22, 2007).
    """
    drawn = np.random.default_rng(seed).random((_TRUTHS, *decided.right.shape)) < decided.probabilities
    return float(np.mean([calibration_error(replace(decided, right=right)) for right in drawn]))


def measure_confidence(
    parts: Sequence[tuple[DecisionRule, NDArray, NDArray[np.bool_]]], patients: Sequence[str]
) -> dict[str, Any]:
    """Return the calibration error before and after scaling, and what abstaining brings (JSON types).

    "ece_if_calibrated" is `error_if_calibrated` after scaling; "coverage" the share of images that are answered,
    "accuracy_answered" the share of right answers among them, "accuracy_at_90_coverage" the same where the least sure tenth is left
    out.

    Args:
        parts: sets of images, each with its rule, scores (n, classes), 0..1, and truth (n, classes) bool.
        patients: the patient of each image of all parts, in this order.
    """
    before = Decided.pooled(
        [Decided.by(replace(rule, temperature=None), scores, truth) for rule, scores, truth in parts]
    )
    after = Decided.pooled([Decided.by(rule, scores, truth) for rule, scores, truth in parts])
    draws = patient_draws(patients)
    surest = after.confidence >= np.quantile(after.confidence, 0.1)
    return {
        "images": len(after.right),
        "ece_before": error_figure(before, draws).to_dict(),
        "ece_after": error_figure(after, draws).to_dict(),
        "ece_if_calibrated": round(error_if_calibrated(after), 6),
        "coverage": share(after.answered, np.ones(len(after.right), bool), patients, draws).to_dict(),
        "accuracy_answered": share(after.correct, after.answered, patients, draws).to_dict(),
        "accuracy_at_90_coverage": share(after.correct, surest, patients, draws).to_dict(),
    }


def _bins(decided: Decided) -> NDArray[np.float64]:
    """Return 1 for the bin in which a decision lies, otherwise 0: (n, decisions, BINS)."""
    return np.eye(BINS)[np.clip(np.ceil(decided.probabilities * BINS).astype(int) - 1, 0, BINS - 1)]


def error_figure(decided: Decided, draws: PatientDraws) -> Figure:
    """Return the calibration error with an interval from the draws, moved by how much they lie above it on average.

    Drawing with replacement thins out the bins, so each draw has a larger error than the images it is drawn from.

    Args:
        decided: n images.
        draws: (draws, n), how often each image counts.
    """
    value, drawn = float(calibration_error(decided)), calibration_error(decided, draws)
    return Figure(value, *interval(np.maximum(drawn - drawn.mean() + value, 0.0)))
