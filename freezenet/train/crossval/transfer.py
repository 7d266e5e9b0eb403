"""The figures of leaving a source out: each class in each source, known to the training and unknown to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.decision import DecisionRule
from freezenet.edge_runtime.names import listed
from freezenet.train.answers.calibration import Decided
from freezenet.train.crossval.left_out import LEAST_PATIENTS, Part, left_out_folds, left_out_values, part_without
from freezenet.train.crossval.plan import CrossValidation, Fold
from freezenet.train.data.dataset import Dataset
from freezenet.train.data.training_data import TrainingData
from freezenet.train.files import write_csv
from freezenet.train.metrics.draws import patient_draws
from freezenet.train.metrics.figure import Figure, interval, share
from freezenet.train.run import Run
from freezenet.train.tables import print_table

TRANSFER = "transfer.csv"
#: What is said of each value.
_OF_VALUE = ("accuracy", "answered", "accuracy_answered")
_COLUMNS = ("recipe", "class", "value", "images", "inside", "inside_low", "inside_high", "tested_outside", "outside",
            "outside_low", "outside_high", "why_not")  # fmt: skip


@dataclass(frozen=True)
class _Tested:
    """Answers about images that a training did not see.

    Args:
        rows: (n,) numbers of the images.
        seeds: (n,) of the training.
        answers: (n, labels) bool.
        answered: (n,) bool, whether the device would give the answer, its OOD gate left out.
    """

    rows: NDArray[np.integer]
    seeds: NDArray[np.integer]
    answers: NDArray[np.bool_]
    answered: NDArray[np.bool_]


def write_transfer(asked: CrossValidation, out: Path, data: dict[str, TrainingData]) -> dict[str, Any]:
    """Write transfer.csv and return the figures of each arm (JSON types).

    Returns:
        "column", and under "recipes" for each arm: "gap", how much more often an image of a left-out value is right than the same image
        in the folds, both over all that can be tested; "values", accuracy of each value, share that is answered and right of those; and
        "recall" by class and value, "inside" of its "images" by the folds and "outside" of those that are "tested_outside" by the training
        without the value: a figure, or null and under "why_not" a sentence. A figure of no image is null.
    """
    found = {arm: transfer_of_arm(asked, arm, data[arm].dataset, out) for arm in asked.recipes}
    rows = [
        [
            arm,
            one["class"],
            one["value"],
            one["images"],
            *_numbers(one["inside"]),
            one["tested_outside"],
            *_numbers(one["outside"]),
            one["why_not"],
        ]
        for arm, figures in found.items()
        for one in figures["recall"]
    ]
    write_csv(out / TRANSFER, _COLUMNS, rows)
    return {"column": asked.leave_out, "recipes": found}


def transfer_of_arm(asked: CrossValidation, arm: str, dataset: Dataset, out: Path) -> dict[str, Any]:
    """Return the figures of one recipe, see `write_transfer`, from the finished trainings in `out`; dataset: with its groups."""
    labels, truth = dataset.labels, dataset.truth
    patients = np.array([sample.patient for sample in dataset.samples])
    group = np.array([sample.group for sample in dataset.samples])
    left_out = left_out_folds(asked, arm, dataset)
    inside = _tested(dataset, out, asked.folds_of(arm))
    outside = _tested(dataset, out, left_out)
    recall, values = [], {}
    for value in left_out_values(dataset):
        part = part_without(dataset, value)
        tested = np.isin(inside.rows, part.rows[part.tested])
        far = group[outside.rows] == value
        if far.any():
            gate = [
                fold.run(out).read_metrics()["gate"]["chest_passed"]["value"]
                for fold in left_out
                if fold.left_out == value
            ]
            values[value] = {
                "images": int(part.tested.sum()),
                "inside": _accuracy(inside, truth, patients, tested),
                "outside": _accuracy(outside, truth, patients, far),
                "chest_passed": round(float(np.mean(gate)), 6),
            }
        for number, label in enumerate(labels):
            there = truth[:, number] & (group == value)
            if not there.any():
                continue
            why_not = _why_not(dataset, label, value, part)
            recall.append({
                "class": label,
                "value": value,
                "images": int(there.sum()),
                "inside": _recall(inside, there, number, patients),
                "tested_outside": 0 if why_not else int(there[part.rows[part.tested]].sum()),
                "outside": None if why_not else _recall(outside, there, number, patients),
                "why_not": why_not,
            })  # fmt: skip
    return {"gap": _gap(inside, outside, truth, patients), "values": values, "recall": recall}


def _why_not(dataset: Dataset, label: str, value: str, part: Part) -> str:
    """Return why a class cannot be tested where a value is left out, "" where it can."""
    samples, labels_of = dataset.samples, dataset.task.labels_of
    if label in part.untested:
        if all(one.group == value for one in samples if label in labels_of(one.label)):
            return f"cannot be tested outside: {label} comes from {value} alone"
        return (
            f"cannot be tested outside: a training needs {LEAST_PATIENTS} patients of {label} without an image of {value}, and has "
            f"{part.untested[label]}"
        )
    if part.reason or any(label in labels_of(samples[row].label) for row in part.rows[part.tested]):
        return part.reason
    beside = {
        other
        for one in samples
        if one.group == value
        for other in labels_of(one.label)
        if label in labels_of(one.label)
    }
    also = listed(sorted(beside.intersection(part.untested)), "or")
    return f"cannot be tested outside: all its images also show {also}, of which nothing can be learned"


def _tested(dataset: Dataset, out: Path, folds: Iterable[Fold]) -> _Tested:
    """Read the answers of the tested images of these trainings; labels that a training did not know are not answered."""
    place = {sample.file: row for row, sample in enumerate(dataset.samples)}
    rows, seeds, texts, answered = [], [], [], []
    for fold in folds:
        run = Run.open(fold.run(out).folder)
        found = run.read_predictions("test")
        scores = np.array([[float(row[label]) for label in run.labels] for row in found])
        decided = Decided.by(
            DecisionRule.from_dict(run.decision, run.labels),
            scores,
            run.task.truth([row["class"] for row in found], run.labels),
        )
        rows += [place[row["file"]] for row in found]
        texts += [row["answer"] for row in found]
        seeds += [fold.seed] * len(found)
        answered += decided.answered.tolist()
    answers = dataset.task.truth(texts, dataset.labels) if texts else np.zeros((0, len(dataset.labels)), bool)
    return _Tested(np.array(rows, int), np.array(seeds, int), answers, np.array(answered, bool))


def _accuracy(tested: _Tested, truth: NDArray, patients: NDArray, among: NDArray) -> dict[str, Any]:
    right = (tested.answers == truth[tested.rows]).all(1)
    names = patients[tested.rows].tolist()
    return {
        "accuracy": _share(right, among, names),
        "answered": _share(tested.answered, among, names),
        "accuracy_answered": _share(right, among & tested.answered, names),
    }


def _recall(tested: _Tested, there: NDArray, number: int, patients: NDArray) -> dict[str, float] | None:
    return _share(tested.answers[:, number], there[tested.rows], patients[tested.rows].tolist())


def _share(hit: NDArray[np.bool_], among: NDArray[np.bool_], patients: list[str]) -> dict[str, float] | None:
    return share(hit, among, patients).to_dict() if among.any() else None


def _gap(inside: _Tested, outside: _Tested, truth: NDArray, patients: NDArray) -> dict[str, float] | None:
    """Return how much more often the images are right outside than inside, -1..1; both sides see the same patients drawn."""
    if not len(outside.rows):
        return None
    right = {
        (int(seed), int(row)): bool(one)
        for seed, row, one in zip(inside.seeds, inside.rows, (inside.answers == truth[inside.rows]).all(1), strict=True)
    }
    changes, names = [], []
    for seed, row, one in zip(
        outside.seeds, outside.rows, (outside.answers == truth[outside.rows]).all(1), strict=True
    ):
        if (before := right.get((int(seed), int(row)))) is not None:
            changes.append(float(one) - float(before))
            names.append(patients[row])
    if not changes:
        return None
    change, draws = np.array(changes), patient_draws(names)
    return Figure(float(change.mean()), *interval((draws @ change) / draws.sum(1))).to_dict()


def _numbers(figure: dict[str, float] | None) -> list[Any]:
    return ["", "", ""] if figure is None else [figure[key] for key in ("value", "low", "high")]


def _shown(figure: dict[str, float] | None) -> str:
    return "-" if figure is None else str(Figure(**figure))


def print_transfer(transfer: dict[str, Any]) -> None:
    """Print the figures of `write_transfer`: the gap first, then each value, then the recall of each class in it."""
    column = transfer["column"]
    for arm, found in transfer["recipes"].items():
        gap = found["gap"]
        if gap is None:
            click.echo(f"{arm}: no image of a left-out {column} can be tested, because no class is in two of them")
        else:
            click.echo(
                f"{arm}: transfer gap {Figure(**gap):+.3f} in accuracy: what images of a {column} "
                "lose where the training has seen none of it"
            )
        rows = [
            [
                value,
                str(one["images"]),
                *(_shown(one[side][key]) for key in _OF_VALUE for side in ("inside", "outside")),
            ]
            for value, one in found["values"].items()
        ]
        headings = [f"{key.replace('_', ' ')} {side}" for key in _OF_VALUE for side in ("inside", "outside")]
        print_table((column, "images", *headings), rows)
        click.echo("")
        print_table(
            ("class", column, "images", "recall inside", "tested outside", "recall outside"),
            [
                [
                    one["class"],
                    one["value"],
                    str(one["images"]),
                    _shown(one["inside"]),
                    str(one["tested_outside"]),
                    one["why_not"] or _shown(one["outside"]),
                ]
                for one in found["recall"]
            ],
        )
        click.echo("")
