"""What a rule would do in a clinic: yield, false alarms, misses and work, with intervals that draw whole patients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.benchmarks.localize.images import LocalImages
from freezenet.benchmarks.localize.ranks import SETTLED, patients_to_settle, rank_for, sensitivity_interval
from freezenet.benchmarks.localize.rule import class_weights, localized_rule
from freezenet.benchmarks.localize.targets import Targets
from freezenet.edge_runtime.decision import DecisionRule
from freezenet.train.answers.calibration import Decided, calibration_error
from freezenet.train.metrics.draws import patient_draws
from freezenet.train.metrics.figure import Figure, bootstrap_figure, share

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


def crossfitted(rule: DecisionRule, images: LocalImages, targets: Targets, seed: int = 0) -> Outcome:
    """Judge each image by a rule that was chosen on the other patients: without the luck that choosing on the same images brings."""
    part = _parts(images, seed)
    answer = np.zeros(len(part), int)
    answered = np.zeros(len(part), bool)
    probabilities, right = np.zeros((len(part), 1)), np.zeros((len(part), 1), bool)
    for number in np.unique(part):
        rows = np.flatnonzero(part == number)
        own = localized_rule(rule, images.labelled(np.flatnonzero(part != number)), targets, strict=False)
        found = outcome(own, images, rows)
        answer[rows], answered[rows] = found.answer, found.answered
        probabilities[rows], right[rows] = found.decided.probabilities, found.decided.right
    return Outcome(answer, answered, Decided(probabilities, right, answered))


def _parts(images: LocalImages, seed: int) -> NDArray[np.integer]:
    """Return the part (n,) of each image: patients in random order, dealt out class by class."""
    numbers = images.numbers
    first = np.unique(numbers, return_index=True)[1]
    drawn = np.random.default_rng(seed).permutation(len(first))
    order = drawn[np.argsort(images.truth[first][drawn], kind="stable")]
    part = np.empty(len(first), int)
    part[order] = np.arange(len(first)) % PARTS
    return np.asarray(part[numbers])


def figures(images: LocalImages, found: Outcome, targets: Targets, costs: dict[str, float]) -> dict[str, Any]:
    """Return what an outcome means, per 1,000 images as frequent as in the target or the data (JSON types).

    "yield", "alarms" and "missed" are of each class: answered with it and right, answered with it and wrong, and answered with another although it is true.
    """
    every = images.shares(np.arange(len(images.truth)))
    weights = class_weights(images.labels, every, targets.prevalence)[images.truth]
    draws = patient_draws(images.patients)

    def weighted(hit: NDArray[np.bool_], among: NDArray[np.bool_]) -> Figure:
        hits, counts = draws @ (hit * weights), draws @ (among * weights)
        value = float((hit * weights).sum() / max((among * weights).sum(), 1e-12))
        return bootstrap_figure(
            value, hits[counts > 0] / counts[counts > 0], len(set(np.asarray(images.patients)[among]))
        )

    def per_1000(hit: NDArray[np.bool_]) -> dict[str, float]:
        one = weighted(hit, np.ones(len(hit), bool))
        return Figure(*(_PER * number for number in (one.value, one.low, one.high))).to_dict()

    right = found.answered & (found.answer == images.truth)
    wrong = found.answered & ~right
    classes: dict[str, dict[str, Any]] = {}
    for number, label in enumerate(images.labels):
        there, said = images.truth == number, found.answered & (found.answer == number)
        classes[label] = {
            "images": int(there.sum()),
            "yield": per_1000(there & said),
            "alarms": per_1000(said & ~there),
            "missed": per_1000(there & wrong),
            "sensitivity": share(said, there & ~images.refused, images.patients, draws).to_dict()
            if there.any()
            else None,
        }
    person = ~found.answered & ~images.refused
    result: dict[str, Any] = {
        "answered": per_1000(found.answered),
        "right": per_1000(right),
        "wrong": per_1000(wrong),
        "uncertain": per_1000(person),
        "refused": per_1000(images.refused),
        "risk": weighted(wrong, found.answered).to_dict(),
        "calibration_error": round(_error(found.decided, images.passing, weights), 6),
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
    """Return for each group of each subgroup its images, what is answered, what of it is right, and the sensitivity (JSON types)."""
    right = found.answered & (found.answer == images.truth)
    number = images.labels.index(targets.sensitivity.label) if targets.sensitivity else None
    draws = patient_draws(images.patients)

    def of(hit: NDArray[np.bool_], among: NDArray[np.bool_]) -> dict[str, float]:
        return share(hit, among, images.patients, draws).to_dict()

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
