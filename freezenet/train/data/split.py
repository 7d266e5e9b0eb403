"""Train, validation and test split of a data set: stratified by class, grouped by patient, seeded."""

from __future__ import annotations

import csv
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from freezenet.edge_runtime.errors import DataError
from freezenet.train.data.dataset import SPLITS, Dataset
from freezenet.train.data.label_sets import strata
from freezenet.train.files import write_csv

COLUMNS = ("file", "class", "patient_id", "source", "split", "sha256")

#: The split of a sample that has none yet.
_OPEN = "open"
#: Shuffles that are tried for one in which every label is in each split; with scarce labels not every one does.
_SHUFFLES = 20


def split(dataset: Dataset, validation: float, test: float, seed: int) -> NDArray[np.str_]:
    """Return the split (n,) of each sample, "train", "validation" or "test": stratified by class, whole patients, seeded.

    Splits that the data names are kept; images without one are shared out. For a multi-label task the strata are label sets,
    of which a rare one counts as the rarest of its labels.

    Args:
        dataset: n samples.
        validation: share of all images, between 0 and .5.
        test: the same for the test split.
        seed: of the shuffle.

    Raises:
        DataError: a label would be missing in a split, or the data has a patient in two.
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
        rest = float(np.mean(splits == _OPEN))
        share = min(validation / rest, 0.5) if rest else validation
        _take(splits, images, "validation", share, seed, ("train", "validation"))
    splits[splits == _OPEN] = "train"
    _check(images, splits)
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
        pairs = zip(self.labels, self.patients, strict=True)
        return Counter(label for label, _ in {(label, patient) for one, patient in pairs for label in one})


def _take(splits: NDArray, images: _Images, name: str, share: float, seed: int, unfilled: tuple[str, ...]) -> None:
    """Put about `share` of the samples without a split into the split `name`, whole patients at a time.

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
    everything = set(images.patients_per_label())
    candidates = _candidates(there, share, seed)
    first = next(candidates)
    # The first choice that holds every label and leaves enough of every label behind.
    for taken in chain([first], candidates):
        chosen = there.only(taken).patients_per_label()
        behind = there.only(np.setdiff1d(np.arange(len(pool)), taken)).patients_per_label()
        if set(chosen) == everything == set(behind) and min(behind.values()) >= len(unfilled) - 1:
            splits[pool[taken]] = name
            return
    splits[pool[first]] = name


def _candidates(images: _Images, share: float, seed: int) -> Iterator[NDArray[np.integer]]:
    """Yield choices of about `share` of the images, as row numbers, whole patients at a time."""
    # Of fewer patients than this the share would hold not even one.
    kinds = strata(images.classes.tolist(), images.patients.tolist(), 1 / share)
    # The share as a number of equal folds: .2 is one of 5, .4 two of 5.
    ratio = Fraction(share).limit_denominator(min(20, max(Counter(kinds).values())))
    ratio = ratio if 0 < ratio < 1 else Fraction(1, 2)
    for shuffle in range(_SHUFFLES):
        with warnings.catch_warnings():
            # A class with fewer patients than folds is spread as far as it goes; the warning adds nothing to _check.
            warnings.simplefilter("ignore", UserWarning)
            splitter = StratifiedGroupKFold(ratio.denominator, shuffle=True, random_state=seed + shuffle)
            folds = [taken for _, taken in splitter.split(kinds, kinds, images.patients)]
        for first in range(len(folds)):
            yield np.concatenate([folds[(first + more) % len(folds)] for more in range(ratio.numerator)])


def _check(images: _Images, splits: NDArray) -> None:
    splits_of: dict[str, set[str]] = {}
    for patient, name in zip(images.patients, splits, strict=True):
        splits_of.setdefault(patient, set()).add(name)
    torn = sorted(patient for patient, found in splits_of.items() if len(found) > 1)
    if torn:
        raise DataError(
            f"Each patient in one split is required. Got: {len(torn)} in several, first {torn[0]}; mend the split column."
        )
    everything = set(images.patients_per_label())
    for name in SPLITS:
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
    rows = [
        (sample.file, sample.label, sample.patient, sample.source, sample.split, digest)
        for sample, digest in zip(dataset.samples, hashes, strict=True)
    ]
    write_csv(path, COLUMNS, rows)


def read_splits(path: Path) -> list[dict[str, str]]:
    """Read `splits.csv` as dictionaries by column; DataError where there is none."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        raise DataError(
            f"A folder written by freezenet with {path.name} inside is required. Got: {path.parent} without one."
        ) from None
