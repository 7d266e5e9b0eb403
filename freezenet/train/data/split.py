"""Train, validation and test split of a data set: stratified by class, grouped by patient, seeded."""

from __future__ import annotations

import csv
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.errors import DataError
from freezenet.train.data.dataset import SPLITS, Dataset
from freezenet.train.data.share import Wanted, choose, patients_per_label, tolerance
from freezenet.train.files import write_csv

COLUMNS = ("file", "class", "patient_id", "source", "split", "sha256")

#: The split of a sample that has none yet.
_OPEN = "open"
logger = logging.getLogger(__name__)


def split(
    dataset: Dataset, validation: float, test: float, seed: int, *, complete: Sequence[str] = SPLITS
) -> NDArray[np.str_]:
    """Return the split (n,) of each sample, "train", "validation" or "test": stratified by class, whole patients, seeded.

    Splits that the data names are kept; images without one are shared out. For a multi-label task the strata are label sets,
    of which a rare one counts as the rarest of its labels.

    Args:
        dataset: n samples.
        validation: share of all images, between 0 and .5.
        test: the same for the test split.
        seed: of the shuffle.
        complete: the splits that must have images of every class.

    Raises:
        DataError: a label would be missing in a split, the data has a patient in two, or a share is more than is left for it.

    A share is met as closely as whole patients allow; where one patient of each class is more than the share, a warning says so.
    """
    images = _Images.of(dataset)
    splits = np.array([sample.split or _OPEN for sample in dataset.samples], dtype="<U10")
    given = {sample.split for sample in dataset.samples}
    if "" not in given and not given >= set(SPLITS):
        splits[splits == "train"] = _OPEN  # only the training images are left to fill the missing splits from
    if "test" not in given:
        unfilled = tuple(name for name in SPLITS if name != "validation" or name not in given)
        _take(splits, images, "test", test, seed, unfilled)
    if "validation" not in given:
        _take(splits, images, "validation", validation, seed, ("train", "validation"))
    splits[splits == _OPEN] = "train"
    _check(images, splits, complete)
    return splits


@dataclass(frozen=True)
class _Images:
    """classes: (n,) text. labels: (n,) the labels in each. patients: (n,) names."""

    classes: NDArray[np.str_]
    labels: NDArray[np.object_]
    patients: NDArray[np.str_]

    @classmethod
    def of(cls, dataset: Dataset) -> _Images:
        labels = np.empty(len(dataset.samples), object)
        labels[:] = [dataset.task.labels_of(sample.label) for sample in dataset.samples]
        return cls(
            np.array([sample.label for sample in dataset.samples]),
            labels,
            np.array([sample.patient for sample in dataset.samples]),
        )

    def only(self, rows: NDArray) -> _Images:
        return _Images(self.classes[rows], self.labels[rows], self.patients[rows])

    def patients_per_label(self) -> Counter[str]:
        return patients_per_label(self.labels, self.patients)


def _take(splits: NDArray, images: _Images, name: str, share: float, seed: int, unfilled: tuple[str, ...]) -> None:
    """Put images without a split into the split `name`, whole patients at a time: `share` of all images, 0 to .5.

    unfilled: the splits that are still to be filled from those samples, train among them.
    """
    pool = np.flatnonzero(splits == _OPEN)
    if not len(pool):
        return
    there = images.only(pool)
    scarce = [f"{label} ({count})" for label, count in sorted(there.patients_per_label().items())
              if count < len(unfilled)]  # fmt: skip
    if scarce:
        raise DataError(
            f"At least {len(unfilled)} patients in every class are required, one for each of {', '.join(unfilled)}. "
            f"Got: {', '.join(scarce)}."
        )
    rest = len(pool) / len(splits)
    if share >= rest:
        raise DataError(
            f"A {name} share below {rest:.3g} is required, which is what is left for it and for the training. Got: {share:.3g}; "
            "choose a smaller share."
        )
    wanted = Wanted(share / rest, seed, len(unfilled) - 1, frozenset(images.patients_per_label()))
    taken = choose(there.classes, there.labels, there.patients, wanted)
    if abs(len(taken) - share * len(splits)) > tolerance(len(pool), len(set(there.patients)), wanted):
        logger.warning(
            f"The {name} split has {len(taken)} of {len(splits)} images ({len(taken) / len(splits):.1%}) for a share of {share:.1%}: "
            "whole patients, of every class, allow no closer."
        )
    splits[pool[taken]] = name


def _check(images: _Images, splits: NDArray, complete: Sequence[str]) -> None:
    splits_of: dict[str, set[str]] = {}
    for patient, name in zip(images.patients, splits, strict=True):
        splits_of.setdefault(patient, set()).add(name)
    torn = sorted(patient for patient, found in splits_of.items() if len(found) > 1)
    if torn:
        raise DataError(
            f"Each patient in one split is required. Got: {len(torn)} in several, first {torn[0]}; mend the split column."
        )
    everything = set(images.patients_per_label())
    for name in complete:
        absent = sorted(everything - set(images.only(splits == name).patients_per_label()))
        if absent:
            raise DataError(
                f"Images of every class in the {name} split are required. Got: none of {', '.join(absent)}; give those "
                "classes more patients, or name the splits in a split column."
            )


def write_splits(path: Path, dataset: Dataset, hashes: Sequence[str]) -> None:
    """Write `splits.csv`: file, class, patient_id, source, split, sha256.

    Args:
        path: of the file.
        dataset: n samples, each with its split.
        hashes: SHA-256 of each file.
    """
    write_csv(path, COLUMNS, split_rows(dataset, hashes))


def split_rows(dataset: Dataset, hashes: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the rows of `splits.csv`; see `write_splits`."""
    return [
        (sample.file, sample.label, sample.patient, sample.source, sample.split, digest)
        for sample, digest in zip(dataset.samples, hashes, strict=True)
    ]


def read_splits(path: Path) -> list[dict[str, str]]:
    """Read `splits.csv` as dictionaries by column; DataError where there is none."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        raise DataError(
            f"A folder written by freezenet with {path.name} inside is required. Got: {path.parent} without one."
        ) from None
