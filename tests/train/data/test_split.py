"""Splits: no patient in two, every class in each, shares as asked, the same for the same seed."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.train.data.dataset import SPLITS, Dataset, Sample
from freezenet.train.data.label_sets import text_of
from freezenet.train.data.loading import load
from freezenet.train.data.split import read_splits, split, write_splits
from freezenet.train.task import TASKS


def dataset(rows: list[tuple[str, str, str]], task: str = "multi-class") -> Dataset:
    """Return a data set of (class, patient, split) rows; no file is touched by a split."""
    samples = tuple(Sample(f"{n}.png", label, patient, "", name) for n, (label, patient, name) in enumerate(rows))
    return Dataset(Path("/nowhere"), samples, True, TASKS[task])


def patients(count: int, *labels: str, images: int = 2) -> list[tuple[str, str, str]]:
    return [(label, f"{label}{n}", "") for label in labels for n in range(count) for _ in range(images)]


def check(data: Dataset, splits: np.ndarray) -> None:
    of_patient, of_split = defaultdict(set), defaultdict(set)
    for sample, name in zip(data.samples, splits, strict=True):
        of_patient[sample.patient].add(name)
        of_split[name].update(data.task.labels_of(sample.label))
    assert all(len(found) == 1 for found in of_patient.values())
    assert set(of_split) == set(SPLITS)
    assert all(found == set(data.labels) for found in of_split.values())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["radiography4", "kermany3"])
def test_real_tables(shared, name, seed):
    data = load(shared / f"data/cxr/{name}.csv")
    splits = split(data, 0.1, 0.2, seed)
    check(data, splits)
    assert np.mean(splits == "test") == pytest.approx(0.2, abs=0.05)
    assert np.mean(splits == "validation") == pytest.approx(0.1, abs=0.05)
    labels = np.array([sample.label for sample in data.samples])
    for label in data.labels:  # stratified: the share of each class as well
        assert np.mean(splits[labels == label] == "test") == pytest.approx(0.2, abs=0.1)


@pytest.mark.parametrize("share", [0.1, 0.25, 0.3, 0.4])
def test_the_test_share_is_as_asked(share):
    splits = split(dataset(patients(60, "A", "B")), 0.1, share, 0)
    assert np.mean(splits == "test") == pytest.approx(share, abs=0.03)


def test_rows_with_a_split_stay_and_only_open_rows_are_shared_out():
    named = [("A", "A-named", "train"), ("B", "B-named", "train")]
    for seed in range(5):
        splits = split(dataset(named * 4 + patients(12, "A", "B")), 0.2, 0.3, seed)
        assert (splits[:8] == "train").all()
        check(dataset(named * 4 + patients(12, "A", "B")), splits)


def test_same_seed_same_split_other_seed_other_split():
    data = dataset(patients(30, "A", "B", "C"))
    first = split(data, 0.1, 0.2, 7)
    assert (first == split(data, 0.1, 0.2, 7)).all()
    assert (first != split(data, 0.1, 0.2, 8)).any()


@given(
    counts=st.lists(st.integers(8, 40), min_size=2, max_size=4),
    images=st.integers(1, 3),
    seed=st.integers(0, 2**31 - 1),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_property_no_patient_torn_no_class_absent(counts, images, seed):
    rows = [row for n, count in enumerate(counts) for row in patients(count, "ABCD"[n], images=images)]
    data = dataset(rows)
    check(data, split(data, 0.1, 0.2, seed))


@pytest.mark.parametrize(("validation", "test"), [(0.1, 0.2), (0.2, 0.25), (0.05, 0.1), (0.25, 0.5)])
def test_shares(validation, test):
    data = dataset(patients(100, "A", "B", images=1))
    splits = split(data, validation, test, 0)
    assert np.mean(splits == "test") == pytest.approx(test, abs=0.02)
    assert np.mean(splits == "validation") == pytest.approx(validation, abs=0.02)


def test_one_scarce_class_does_not_move_the_shares():
    data = dataset(patients(100, "A", "B", images=1) + patients(4, "Rare", images=1))
    splits = split(data, 0.1, 0.2, 0)
    check(data, splits)
    assert np.mean(splits == "test") == pytest.approx(0.2, abs=0.05)
    assert np.mean(splits == "validation") == pytest.approx(0.1, abs=0.05)


@pytest.mark.parametrize("seed", range(5))
def test_three_patients_are_enough(seed):
    data = dataset(patients(20, "A", images=1) + patients(3, "Rare", images=2))
    check(data, split(data, 0.1, 0.2, seed))


def test_two_patients_are_refused():
    with pytest.raises(FreezenetError, match=r"3 patients.*Got: Rare \(2\)"):
        split(dataset(patients(20, "A") + patients(2, "Rare", images=10)), 0.1, 0.2, 0)


def test_given_splits_are_kept():
    rows = [(label, f"{label}{n}", name) for label in "AB" for n, name in enumerate(SPLITS * 3)]
    data = dataset(rows)
    assert split(data, 0.1, 0.2, 0).tolist() == [name for _, _, name in rows]


def test_only_the_split_that_is_not_given_is_drawn():
    rows = [(label, f"{label}{n}", "test" if n < 10 else "train") for label in "AB" for n in range(50)]
    data = dataset(rows)
    splits = split(data, 0.1, 0.2, 0)
    check(data, splits)
    assert [name == "test" for name in splits] == [given == "test" for _, _, given in rows]
    assert np.mean(splits == "validation") == pytest.approx(0.1, abs=0.03)  # of all images, not of the rest


def test_patient_in_two_given_splits_is_refused():
    rows = [(label, f"{label}{n}", name) for label in "AB" for n, name in enumerate(SPLITS)]
    with pytest.raises(FreezenetError, match="1 in several, first A0"):
        split(dataset([*rows, ("A", "A0", "test")]), 0.1, 0.2, 0)


def test_given_split_without_a_class_is_refused():
    rows = [(label, f"{label}{n}", name) for label in "AB" for n, name in enumerate(SPLITS)]
    with pytest.raises(FreezenetError, match=r"test split.*none of B"):
        split(dataset([row for row in rows if row != ("B", "B2", "test")]), 0.1, 0.2, 0)


def test_splits_file_round_trip(tmp_path):
    data = dataset([("A", "p,1", "train"), ("B", 'p"2', "test")])
    write_splits(tmp_path / "splits.csv", data, ("11", "22"))
    assert read_splits(tmp_path / "splits.csv") == [
        {"file": "0.png", "class": "A", "patient_id": "p,1", "source": "", "split": "train", "sha256": "11"},
        {"file": "1.png", "class": "B", "patient_id": 'p"2', "source": "", "split": "test", "sha256": "22"},
    ]
    with pytest.raises(FreezenetError, match=r"splits\.csv"):
        read_splits(tmp_path / "none" / "splits.csv")


def test_label_sets_are_stratified():
    sets = {"none": 100, "a": 60, "b": 40, "a;b": 20}
    rows = [row for name, count in sets.items() for row in patients(count, name)]
    data = dataset(rows, "multi-label")
    splits = split(data, 0.1, 0.2, 0)
    check(data, splits)
    names = np.array([sample.label for sample in data.samples])
    for name in sets:
        assert np.mean(splits[names == name] == "test") == pytest.approx(0.2, abs=0.03)
        assert np.mean(splits[names == name] == "validation") == pytest.approx(0.1, abs=0.05)


@pytest.mark.parametrize("seed", range(5))
def test_combinations_that_are_seen_once_do_not_fail_and_no_label_is_absent(seed):
    """Label c is there in four patients only, each time in another company; four labels, all pairs once."""
    rows = [row for label in ("a", "b", "d", "none") for row in patients(20, label, images=1)]
    rows += [(name, name, "") for name in ("a;c", "b;c", "c;d", "a;b;c", "a;b", "a;d", "b;d", "a;b;c;d")]
    data = dataset(rows, "multi-label")
    splits = split(data, 0.1, 0.2, seed)
    check(data, splits)
    assert np.mean(splits == "test") == pytest.approx(0.2, abs=0.06)


def test_a_label_of_two_patients_is_refused_and_none_is_no_label():
    rows = [*patients(20, "a", "b"), ("none", "n", ""), ("a;c", "p", ""), ("b;c", "q", "")]
    with pytest.raises(FreezenetError, match=r"3 patients.*Got: c \(2\)\."):
        split(dataset(rows, "multi-label"), 0.1, 0.2, 0)
    check(dataset(rows[:-2], "multi-label"), split(dataset(rows[:-2], "multi-label"), 0.1, 0.2, 0))


@given(
    sets=st.lists(st.sets(st.sampled_from("ABCDE"), max_size=4), min_size=10, max_size=60),
    images=st.integers(1, 2),
    seed=st.integers(0, 2**31 - 1),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_property_label_sets_of_any_kind(sets, images, seed):
    """Whatever the company: no patient torn, no label absent, as long as each label has eight patients."""
    everyone = [text_of(one) for one in sets] + [label for label in "ABCDE" for _ in range(8)]
    rows = [(name, f"p{number}", "") for number, name in enumerate(everyone) for _ in range(images)]
    data = dataset(rows, "multi-label")
    check(data, split(data, 0.1, 0.2, seed))
