"""A share of images: met as closely as whole patients allow, whatever it is and however the classes are."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freezenet.edge_runtime.errors import DataError
from freezenet.train.data.share import Wanted, choose, tolerance
from freezenet.train.data.split import split
from tests.train.data.test_split import check, dataset, patients


def choice(rows, share, seed=0, behind=2):
    classes, names = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    labels = np.empty(len(rows), object)
    labels[:] = [(one,) for one in classes]
    wanted = Wanted(share, seed, behind, frozenset(classes.tolist()))
    return choose(classes, labels, names, wanted), wanted


people = st.lists(
    st.lists(st.integers(1, 6), min_size=4, max_size=40), min_size=2, max_size=4
)  # class -> patient -> images


@given(people=people, share=st.floats(0.01, 0.5), seed=st.integers(0, 2**31 - 1))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_property_any_share_of_classes_of_any_size(people, share, seed):
    """The choice misses the share by a patient at most, unless one patient of each class is more, or what must stay is."""
    rows = [
        (f"{number}", f"{number}-{one}") for number, each in enumerate(people) for one, images in enumerate(each)
        for _ in range(images)
    ]  # fmt: skip
    taken, wanted = choice(rows, share, seed)
    target = share * len(rows)
    inside = {rows[row][1] for row in taken}
    assert len(set(taken.tolist())) == len(taken)
    assert {row for row, (_, person) in enumerate(rows) if person in inside} == set(taken.tolist())  # whole patients
    assert {person.partition("-")[0] for person in inside} == {str(number) for number in range(len(people))}
    for number, each in enumerate(people):
        assert len(each) - sum(person.startswith(f"{number}-") for person in inside) >= wanted.behind
    largest = max(max(each) for each in people)
    # At least one patient of each class goes, at least `behind` of each stay.
    least = sum(min(each) for each in people)
    most = len(rows) - sum(sum(sorted(each)[-wanted.behind :]) for each in people)
    near = max(largest, tolerance(len(rows), sum(map(len, people)), wanted))
    assert len(taken) <= max(target + near, least + largest * len(people))
    assert len(taken) >= min(target, most) - near


@pytest.mark.parametrize("share", [0.01, 0.02, 0.025, 0.03, 0.04, 0.05, 0.07, 0.11, 0.23, 0.37, 0.49])
def test_a_share_of_many_patients_is_met_in_each_class(share):
    rows = patients(400, "A", images=1) + patients(300, "B", images=2) + patients(200, "C", images=3)
    taken, _ = choice(rows, share)
    assert len(taken) == pytest.approx(share * len(rows), rel=0.05)
    found, everything = Counter(rows[row][0] for row in taken), Counter(row[0] for row in rows)
    for label, count in everything.items():
        assert found[label] == pytest.approx(share * count, abs=max(3, 0.1 * share * count))


@pytest.mark.parametrize("share", [0.01, 0.03, 0.045])
def test_small_shares_of_real_data_are_met(shared, share):
    from freezenet.train.data.loading import load

    data = load(shared / "data/cxr/radiography4.csv")
    splits = split(data, 0.1, share, 0)
    check(data, splits)
    assert (splits == "test").sum() == pytest.approx(share * 910, abs=2)


def test_one_patient_of_many_images_does_not_take_the_share_of_all():
    rows = patients(100, "A", "B", images=1) + patients(1, "A0x", images=0) + [("A", "crowd", "")] * 18
    for seed in range(5):
        taken, _ = choice(rows, 0.045, seed)
        assert not {row for row in taken.tolist() if rows[row][1] == "crowd"}


def test_a_share_smaller_than_one_patient_of_each_class_is_said(caplog):
    data = dataset(patients(20, "A", "B", images=5))
    splits = split(data, 0.1, 0.01, 0)
    check(data, splits)
    assert (splits == "test").sum() == 10  # of 2 that were asked for
    assert "The test split has 10 of 200 images (5.0%) for a share of 1.0%" in caplog.text


def test_a_share_that_leaves_nothing_is_refused():
    rows = [(label, f"{label}{n}", "test" if n < 12 else "") for label in "AB" for n in range(20)]
    with pytest.raises(DataError, match=r"A validation share below 0\.4 is required.* Got: 0\.4"):
        split(dataset(rows), 0.4, 0.2, 0)


def test_a_share_is_one_of_all_images_also_where_some_have_a_split():
    rows = [(label, f"{label}{n}", "train" if n < 50 else "") for label in "AB" for n in range(100)]
    splits = split(dataset(rows), 0.1, 0.2, 0)
    assert ((splits == "test").sum(), (splits == "validation").sum()) == (40, 20)


def test_few_patients_of_many_images_are_split():
    """Twelve patients cannot be shared out among fifteen folds."""
    for seed in range(5):
        data = dataset(patients(8, "A", "B", images=3))
        check(data, split(data, 0.1, 0.2, seed))
