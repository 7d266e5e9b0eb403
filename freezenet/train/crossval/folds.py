"""Folds of a cross-validation: each patient is tested in exactly one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from freezenet.edge_runtime.errors import DataError
from freezenet.train.data.dataset import Dataset
from freezenet.train.data.label_sets import strata
from freezenet.train.data.split import split


def fold_numbers(dataset: Dataset, folds: int, seed: int) -> NDArray[np.integer]:
    """Return the fold (n,), 0..folds-1, in which each image is tested: stratified by class or label set, whole patients, seeded.

    Args:
        dataset: n samples.
        folds: at least 2.
        seed: of the shuffle.

    Raises:
        DataError: a class has fewer patients than folds.
    """
    classes = [sample.label for sample in dataset.samples]
    patients = np.array([sample.patient for sample in dataset.samples])
    found = {label: len(set(patients[there])) for label, there in zip(dataset.labels, dataset.truth.T, strict=True)}
    scarce = min(found, key=lambda label: found[label])
    if found[scarce] < folds:
        raise DataError(
            f"At least {folds} patients in every class are required for {folds} folds. Got: {found[scarce]} in {scarce}, so at "
            f"most {found[scarce]} folds."
        )
    kinds = strata(classes, patients.tolist(), folds)
    numbers = np.empty(len(kinds), int)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for number, (_, tested) in enumerate(splitter.split(kinds, kinds, patients)):
        numbers[tested] = number
    return numbers


def own_folds(dataset: Dataset) -> NDArray[np.str_]:
    """Return the name (n,) of the data's own fold of each image, "" where it has none.

    Raises:
        DataError: images of one patient differ in it, so that a fold would be trained and tested on one person.
    """
    found: dict[str, set[str]] = {}
    for sample in dataset.samples:
        found.setdefault(sample.patient, set()).add(sample.fold)
    torn = sorted(patient for patient, names in found.items() if len(names) > 1)
    if torn:
        raise DataError(
            f"Each patient in one fold is required. Got: {len(torn)} in several or partly in none, first {torn[0]}; mend the fold "
            "column, or pass another number of --folds to have them drawn."
        )
    return np.array([sample.fold for sample in dataset.samples])


def fold_splits(
    dataset: Dataset, tested: NDArray[np.bool_], validation: float, seed: int, *, left_out: bool = False
) -> NDArray[np.str_]:
    """Return the split (n,) of each image where the tested ones are the test split.

    Args:
        dataset: n samples.
        tested: (n,) whether the fold tests the image.
        validation: share of all images taken from the others, as `freezenet.train.data.split.split` takes it.
        seed: of the shuffle.
        left_out: whether the tested images are a source that was left out: it need not have every class, and the validation split is
            that share of the others, who may be few.
    """
    given = dataset.with_splits(np.where(tested, "test", ""))
    if not left_out:
        return split(given, validation, 0.0, seed)
    share = validation * float((~tested).mean())
    return split(given, share, 0.0, seed, complete=("train", "validation"))
