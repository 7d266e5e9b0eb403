"""Folds: each image tested once, whole patients, every class everywhere."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.train.crossval.folds import fold_numbers, fold_splits, own_folds
from freezenet.train.data.dataset import Dataset, Sample


def dataset(patients: int = 40, each: int = 3) -> Dataset:
    samples = tuple(
        Sample(f"{label}/{patient}-{one}.png", label, f"{label}{patient}", "")
        for label, count in (("A", patients), ("B", patients // 2))
        for patient in range(count)
        for one in range(each)
    )
    return Dataset(Path(), samples, True)


@pytest.mark.parametrize("folds", [2, 5, 10])
def test_each_patient_is_tested_in_one_fold(folds):
    data = dataset()
    numbers = fold_numbers(data, folds, 0)
    assert set(numbers) == set(range(folds))
    of_patient: dict[str, set[int]] = {}
    for sample, number in zip(data.samples, numbers, strict=True):
        of_patient.setdefault(sample.patient, set()).add(number)
    assert all(len(found) == 1 for found in of_patient.values())
    for label, images in (("A", 120), ("B", 60)):
        counts = Counter(n for sample, n in zip(data.samples, numbers, strict=True) if sample.label == label)
        assert set(counts) == set(range(folds))
        assert all(count == pytest.approx(images / folds, abs=6) for count in counts.values())


def test_seeds_shuffle():
    data = dataset()
    assert (fold_numbers(data, 5, 0) == fold_numbers(data, 5, 0)).all()
    assert (fold_numbers(data, 5, 0) != fold_numbers(data, 5, 1)).any()


def test_splits_of_a_fold():
    data = dataset()
    tested = fold_numbers(data, 5, 0) == 2
    splits = fold_splits(data, tested, 0.1, 0)
    assert ((splits == "test") == tested).all()
    assert np.mean(splits == "validation") == pytest.approx(0.1, abs=0.03)
    patients = np.array([sample.patient for sample in data.samples])
    groups = [set(patients[splits == one]) for one in ("train", "validation", "test")]
    assert sum(map(len, groups)) == len(set.union(*groups))


def test_too_few_patients_are_one_sentence():
    with pytest.raises(FreezenetError, match=r"At least 30 patients in every class.*Got: 20 in B"):
        fold_numbers(dataset(), 30, 0)


@pytest.mark.parametrize("other", ["2", ""])
def test_a_patient_in_two_folds_of_the_data_is_refused(other):
    data = dataset(patients=4)
    names = ["12"[number // 3 % 2] for number in range(len(data.samples))]

    def folded() -> Dataset:
        return replace(
            data, samples=tuple(replace(one, fold=name) for one, name in zip(data.samples, names, strict=True))
        )

    assert own_folds(folded()).tolist() == names
    names[0] = other
    with pytest.raises(
        FreezenetError, match=r"Each patient in one fold is required\. Got: 1 in several or partly in none, first A0"
    ):
        own_folds(folded())
