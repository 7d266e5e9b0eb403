"""What a rule would do in a clinic: yield, false alarms, misses and work, with intervals that draw whole patients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.benchmarks.localize.images import LocalImages
from freezenet.benchmarks.localize.parts import dealt
from freezenet.benchmarks.localize.ranks import SETTLED, patients_to_settle, rank_for, sensitivity_interval
from freezenet.benchmarks.localize.rule import localized_rule
from freezenet.benchmarks.localize.targets import Targets
from freezenet.benchmarks.localize.weighted import WeightedImages
from freezenet.edge_runtime.decision import DecisionRule
from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.names import counted
from freezenet.train.answers.calibration import Decided, calibration_error
from freezenet.train.progress import track

#: Parts that the images are dealt into, by patients, so that each is judged by a rule that others chose.
PARTS = 10
#: What is wrong, and what takes a person's time.
COSTS = ("missed", "alarm", "person")
_PER = 1000


@dataclass(frozen=True)
class Outcome:
    """What a rule, or one rule for each part, makes of n images.

    Args:
        answer: (n,) number of the chosen class.
        answered: (n,) bool, whether the device names it.
        decided: the same as probabilities.
    """

    answer: NDArray[np.integer]
    answered: NDArray[np.bool_]
    decided: Decided


def outcome(rule: DecisionRule, images: LocalImages, rows: NDArray[np.integer] | None = None) -> Outcome:
    """Apply a rule to images; what the OOD gate refuses is not answered."""
    rows = np.arange(len(images.truth)) if rows is None else rows
    probabilities = rule.probabilities(images.scores[rows])
    chosen = rule.chosen(probabilities)
    truth = images.truth[rows][:, None] == np.arange(len(images.labels))
    decided = Decided.by(rule, images.scores[rows], truth)
    return Outcome(chosen.argmax(-1), rule.sure(probabilities, chosen) & ~images.refused[rows], decided)


def crossfitted(
    rule: DecisionRule,
    images: LocalImages,
    targets: Targets,
    seed: int = 0,
    rescored: Callable[[NDArray[np.integer]], LocalImages] | None = None,
) -> Outcome:
    """Judge each image by a rule that was chosen on the other patients: without the luck that choosing on the same images brings.

    Args:
        rule: of the model.
        images: n of them.
        targets: what is asked for.
        seed: of the parts.
        rescored: returns the images with scores of a model that was fitted on some of them alone, whose numbers it is given; None where the model was
            fitted on none.

    Raises:
        DataError: all patients of a class that the rule depends on are in one part.
    """
    part = dealt(images.truth, images.numbers, PARTS, seed)
    answer = np.zeros(len(part), int)
    answered = np.zeros(len(part), bool)
    probabilities, right = np.zeros((len(part), 1)), np.zeros((len(part), 1), bool)
    numbers = np.unique(part)
    for number in numbers if rescored is None else track(numbers, "Refitting the last layer", len(numbers)):
        rows, others = np.flatnonzero(part == number), np.flatnonzero(part != number)
        seen = images if rescored is None else rescored(others)
        try:
            own = localized_rule(rule, seen.labelled(others), targets, strict=False)
        except DataError:
            # All images together chose a rule, so what these lack are classes whose patients are all in one part.
            raise DataError(_alone(images, others)) from None
        found = outcome(own, seen, rows)
        answer[rows], answered[rows] = found.answer, found.answered
        probabilities[rows], right[rows] = found.decided.probabilities, found.decided.right
    return Outcome(answer, answered, Decided(probabilities, right, answered))


def _alone(images: LocalImages, others: NDArray[np.integer]) -> str:
    """Return the sentence about classes of which the others have no image that the OOD gate lets pass."""
    truth, passing = images.truth, images.passing
    alone = np.setdiff1d(truth, truth[np.intersect1d(passing, others)])
    patients = {images.labels[number]: len(set(images.numbers[passing][truth[passing] == number])) for number in alone}
    named = ", ".join(f"{counted(count, 'patient')} with {label}" for label, count in patients.items())
    return (
        "More patients with each class that the rule depends on, two at the least, whose images the OOD gate lets pass, are required: each image is "
        f"judged by a rule that other patients chose. Got: {named}; label images of others."
    )


def figures(images: LocalImages, found: Outcome, targets: Targets, costs: dict[str, float]) -> dict[str, Any]:
    """Return what an outcome means, per 1,000 images as frequent as in the target or the data (JSON types).

    "yield", "alarms" and "missed" are of each class: answered with it and right, answered with it and wrong, and answered with another although it is true.
    """
    weighted, everyone = WeightedImages(images, targets.prevalence), np.ones(len(images.truth), bool)

    def per_1000(hit: NDArray[np.bool_], among: NDArray[np.bool_] = everyone) -> dict[str, float]:
        return weighted.of_all(hit, among).times(_PER).to_dict()

    right = found.answered & (found.answer == images.truth)
    wrong = found.answered & ~right
    classes: dict[str, dict[str, Any]] = {}
    for number, label in enumerate(images.labels):
        there, said = images.truth == number, found.answered & (found.answer == number)
        classes[label] = {
            "images": int(there.sum()),
            "yield": per_1000(said, there),
            "alarms": per_1000(said, ~there),
            "missed": per_1000(wrong, there),
            "sensitivity": weighted.share(said, there & ~images.refused).to_dict() if there.any() else None,
        }
    person = ~found.answered & ~images.refused
    result: dict[str, Any] = {
        "answered": per_1000(found.answered),
        "right": per_1000(right),
        "wrong": per_1000(wrong),
        "uncertain": per_1000(person),
        "refused": per_1000(images.refused),
        "risk": weighted.share(wrong, found.answered).to_dict(),
        "calibration_error": round(_error(found.decided, images.passing, weighted.weights), 6),
        "classes": classes,
    }
    finding = targets.sensitivity.label if targets.sensitivity else None
    if costs:
        alarms = classes[finding]["alarms"] if finding else result["wrong"]
        missed = classes[finding]["missed"] if finding else result["wrong"]
        amounts = {
            "missed": missed["value"],
            "alarm": alarms["value"],
            "person": result["uncertain"]["value"] + result["refused"]["value"],
        }
        rows = {name: round(amounts[name] * costs.get(name, 0.0), 2) for name in COSTS}
        result["costs"] = {**rows, "total": round(sum(rows.values()), 2)}
    return result


def _error(decided: Decided, rows: NDArray[np.integer], weights: NDArray[np.float64]) -> float:
    return float(calibration_error(decided.some(rows), weights[rows][None])[0])


def subgroups(images: LocalImages, found: Outcome, targets: Targets) -> dict[str, dict[str, dict[str, Any]]]:
    """Return for each group of each subgroup its images, and as frequent as in `figures` what is answered, what of it is right, and the sensitivity (JSON types)."""
    weighted = WeightedImages(images, targets.prevalence)
    right = found.answered & (found.answer == images.truth)
    number = images.labels.index(targets.sensitivity.label) if targets.sensitivity else None

    def of(hit: NDArray[np.bool_], among: NDArray[np.bool_]) -> dict[str, float]:
        return weighted.share(hit, among).to_dict()

    result: dict[str, dict[str, dict[str, Any]]] = {}
    for group, values in images.groups.items():
        result[group] = {}
        for value in sorted(set(values)):
            there = np.array([one == value for one in values])
            row: dict[str, Any] = {
                "images": int(there.sum()),
                "answered": of(found.answered, there),
                "right": of(right, there & found.answered),
            }
            if number is not None:
                said, ill = found.answered & (found.answer == number), images.truth == number
                if (there & ill & ~images.refused).any():
                    row["sensitivity"] = of(said, there & ill & ~images.refused)
                if (there & ~ill).any():
                    row["alarms"] = of(said, there & ~ill)
            result[group][value or "not said"] = row
    return result


def sensitivity_promise(images: LocalImages, targets: Targets) -> dict[str, Any] | None:
    """Return what can be said of the sensitivity asked for, and how many more patients would settle it (JSON types)."""
    if targets.sensitivity is None:
        return None
    wanted, number = targets.sensitivity, images.labels.index(targets.sensitivity.label)
    patients = len(set(np.asarray(images.patients)[(images.truth == number) & ~images.refused]))
    rank = rank_for(wanted.share, patients)
    low, high = sensitivity_interval(rank, patients)
    needed = patients_to_settle(wanted.share)
    ill_share = (images.truth == number).mean()
    return {
        "label": wanted.label,
        "target": wanted.share,
        "patients": patients,
        "found": rank,
        "low": round(low, 6),
        "high": round(high, 6),
        "refused": int(((images.truth == number) & images.refused).sum()),
        "within": SETTLED,
        "patients_needed": needed,
        "more_patients": max(0, needed - patients),
        "more_images": int(np.ceil(max(0, needed - patients) / ill_share)),
    }
