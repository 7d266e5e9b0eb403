"""Leave a source out: each value of a column is tested whole, by a training that has seen no image of it.

Folds of patients mix the sources, so a network may be tested on a hospital that it knows. Here the tested hospital is new to it. What a
class looks like elsewhere can only be asked where another source has that class, too: images of the others are left out of this
training and its test, and are reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.errors import DataError, SettingError
from freezenet.edge_runtime.names import listed
from freezenet.train.crossval.plan import CrossValidation, Fold
from freezenet.train.data.dataset import Dataset, Sample
from freezenet.train.data.layouts.csv_table import read_column
from freezenet.train.data.training_data import TrainingData
from freezenet.train.task import Task

#: Columns that are no place where images come from.
_NO_GROUPS = ("file", "class", "patient_id", "split", "fold")
#: Patients of a class that a training needs: one for its training split, one for its validation split.
LEAST_PATIENTS = 2


def with_groups(dataset: Dataset, column: str) -> Dataset:
    """Return the data set whose samples know what stands in a column of its CSV, or their source.

    Raises:
        SettingError: the column is none to leave out by.
        DataError: there is no such column, or it holds fewer than two values.
    """
    if column in _NO_GROUPS:
        raise SettingError(f"A column such as source, hospital or device is required by --leave-out. Got: {column}.")
    samples = dataset.samples
    if column == "source":
        groups = [sample.source for sample in samples]
    elif dataset.data is not None and Path(dataset.data).is_file():
        cells = read_column(Path(dataset.data), column)
        groups = [cells.get(sample.file, "") for sample in samples]
    else:
        raise DataError(
            f"A CSV with the column {column} is required by --leave-out. Got: a folder; its images have a source at most."
        )
    values = sorted(set(groups) - {""})
    if len(values) < 2:
        raise DataError(
            f"At least two values in the column {column} are required by --leave-out. Got: {', '.join(values) or 'none'}."
        )
    return replace(
        dataset, samples=tuple(replace(one, group=group) for one, group in zip(samples, groups, strict=True))
    )


@dataclass(frozen=True)
class Part:
    """What leaving a value out leaves.

    Args:
        rows: the images of the training and its test.
        tested: (len(rows),) bool, which of them are tested.
        untested: class of the left-out images of which the others have fewer than LEAST_PATIENTS, so that nothing is learned and nothing
            tested -> how many they have.
        reason: why there is no training at all, "" where there is one.
    """

    rows: NDArray[np.integer]
    tested: NDArray[np.bool_]
    untested: Mapping[str, int]
    reason: str


def part_without(dataset: Dataset, value: str) -> Part:
    """Return which images train and test where a value is left out.

    A patient with images of the left-out value and of others is tested with the former; the latter are not used.
    """
    return _part(dataset.samples, dataset.task, value)


@lru_cache(maxsize=64)  # a cross-validation asks for the same parts before, during and after its trainings
def _part(samples: tuple[Sample, ...], task: Task, value: str) -> Part:
    labels_of = task.labels_of
    group = np.array([sample.group for sample in samples])
    patients = np.array([sample.patient for sample in samples])
    inside = group == value
    pool = ~inside & ~np.isin(patients, patients[inside])
    known: dict[str, set[str]] = {}
    for row in np.flatnonzero(pool):
        for label in labels_of(samples[row].label):
            known.setdefault(label, set()).add(samples[row].patient)
    usable = {label for label, owners in known.items() if len(owners) >= LEAST_PATIENTS}

    def is_usable(row: int) -> bool:
        return usable.issuperset(labels_of(samples[row].label))

    rows = np.array([row for row in range(len(samples)) if (pool[row] or inside[row]) and is_usable(row)], int)
    tested = inside[rows]
    shown = {label for row in np.flatnonzero(inside) for label in labels_of(samples[row].label)}
    untested = {label: len(known.get(label, ())) for label in sorted(shown - usable)}
    reason = ""
    if not tested.any():
        reason = f"no other {listed([*untested], 'or')} to learn from"
    elif len(usable) < 2:
        reason = f"the rest holds one class only, {', '.join(sorted(usable))}"
    return Part(rows, tested, untested, reason)


def without(data: TrainingData, value: str) -> TrainingData:
    """Return the images of the training without a value, and of its test."""
    return data.some(part_without(data.dataset, value).rows)


def left_out_values(dataset: Dataset) -> list[str]:
    """Return the values of the column, sorted; images of none are in every training and no test."""
    return sorted({sample.group for sample in dataset.samples} - {""})


def left_out_folds(asked: CrossValidation, arm: str, dataset: Dataset) -> list[Fold]:
    """Return the trainings of an arm that leave a value out, seed by seed; none where nothing is asked to be left out."""
    if not asked.leave_out:
        return []
    values = [
        (number, value)
        for number, value in enumerate(left_out_values(dataset), 1)
        if not part_without(dataset, value).reason
    ]
    return [Fold(arm, seed, number, value) for seed in asked.seeds for number, value in values]
