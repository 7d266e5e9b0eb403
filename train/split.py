"""Train, validation and test sides of a data set: stratified by class, grouped by patient, seeded."""

from __future__ import annotations

import csv
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from edge_runtime.errors import FreezenetError
from train.dataset import SPLITS, Dataset
from train.files import write_csv

COLUMNS = ("file", "class", "patient_id", "source", "split", "sha256")

#: The side of a sample that has none yet.
_OPEN = "open"


def split(dataset: Dataset, validation: float, test: float, seed: int) -> NDArray[np.str_]:
    """Return the side of each sample, an array of "train", "validation" and "test".

    validation, test: shares of all images, each between 0 and .5. Sides that the data names are kept; images
    without a side are shared out. A patient never stands on two sides.
    Raises FreezenetError where a class would be missing on a side or a patient stands on two.
    """
    labels = np.array([sample.label for sample in dataset.samples])
    patients = np.array([sample.patient for sample in dataset.samples])
    sides = np.array([sample.split or _OPEN for sample in dataset.samples], dtype="<U10")
    given = {sample.split for sample in dataset.samples}
    if "" not in given and not given >= set(SPLITS):
        sides[sides == "train"] = _OPEN  # only the training side is left to take the missing sides from
    if "test" not in given:
        unfilled = tuple(side for side in SPLITS if side != "validation" or side not in given)
        _take(sides, labels, patients, "test", test, seed, unfilled)
    if "validation" not in given:
        rest = float(np.mean(sides == _OPEN))
        share = min(validation / rest, 0.5) if rest else validation
        _take(sides, labels, patients, "validation", share, seed, ("train", "validation"))
    sides[sides == _OPEN] = "train"
    _check(dataset, labels, patients, sides)
    return sides


def _take(
    sides: NDArray, labels: NDArray, patients: NDArray, name: str, share: float, seed: int, unfilled: tuple[str, ...]
) -> None:
    """Give about `share` of the samples without a side the side `name`, whole patients at a time.

    unfilled: the sides that are still to be filled from those samples, train among them.
    """
    pool = np.flatnonzero(sides == _OPEN)
    if not len(pool):
        return
    scarce = [f"{label} ({count})" for label, count in sorted(_patients_per_class(labels[pool], patients[pool]).items())
              if count < len(unfilled)]  # fmt: skip
    if scarce:
        raise FreezenetError(
            f"At least {len(unfilled)} patients in every class are required, one for each of {', '.join(unfilled)}. "
            f"Got: {', '.join(scarce)}."
        )
    # A class with fewer patients than folds is spread as far as it goes; scikit-learn's warning adds nothing to _check.
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        # The share as a number of equal folds: .2 is one of 5, .4 two of 5.
        ratio = Fraction(share).limit_denominator(min(20, max(Counter(labels[pool]).values())))
        ratio = ratio if 0 < ratio < 1 else Fraction(1, 2)
        splitter = StratifiedGroupKFold(ratio.denominator, shuffle=True, random_state=seed)
        folds = [taken for _, taken in splitter.split(pool, labels[pool], patients[pool])]
    candidates = [
        np.concatenate([folds[(first + more) % len(folds)] for more in range(ratio.numerator)])
        for first in range(len(folds))
    ]
    everything = set(labels)
    # The first choice that holds every class and leaves enough of every class behind; with scarce classes not every
    # choice does.
    for taken in candidates:
        left = np.delete(pool, taken)
        behind = _patients_per_class(labels[left], patients[left])
        if set(labels[pool][taken]) == everything == set(behind) and min(behind.values()) >= len(unfilled) - 1:
            sides[pool[taken]] = name
            return
    sides[pool[candidates[0]]] = name


def _patients_per_class(labels: NDArray, patients: NDArray) -> Counter[str]:
    return Counter(label for label, _ in {(label, patient) for label, patient in zip(labels, patients, strict=True)})


def _check(dataset: Dataset, labels: NDArray, patients: NDArray, sides: NDArray) -> None:
    sides_of: dict[str, set[str]] = {}
    for patient, side in zip(patients, sides, strict=True):
        sides_of.setdefault(patient, set()).add(side)
    torn = sorted(patient for patient, found in sides_of.items() if len(found) > 1)
    if torn:
        raise FreezenetError(
            f"Each patient on one side of the split is required. Got: {len(torn)} on several, first {torn[0]}; "
            "mend the split column."
        )
    for side in SPLITS:
        absent = sorted(set(dataset.labels) - set(labels[sides == side]))
        if absent:
            raise FreezenetError(
                f"Images of every class on the {side} side are required. Got: none of {', '.join(absent)}; give those "
                "classes more patients, or name the sides in a split column."
            )


def write_splits(path: Path, dataset: Dataset, sides: NDArray, hashes: tuple[str, ...]) -> None:
    """Write `splits.csv`: file, class, patient_id, source, split, sha256."""
    rows = [
        (sample.file, sample.label, sample.patient, sample.source, side, digest)
        for sample, side, digest in zip(dataset.samples, sides, hashes, strict=True)
    ]
    write_csv(path, COLUMNS, rows)


def read_splits(path: Path) -> list[dict[str, str]]:
    """Read `splits.csv` as dictionaries by column."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        raise FreezenetError(
            f"A folder written by freezenet with {path.name} inside is required. Got: {path.parent} without one."
        ) from None
