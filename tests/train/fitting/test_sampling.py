"""Sampling: every row once, or classes equally often; probabilities by hand and by counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freezenet.train.fitting.batches import Batches
from freezenet.train.fitting.sampling import epoch_rows, inverse_frequency


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60))
def test_every_class_is_drawn_as_often_as_any_other(classes):
    probabilities = inverse_frequency(np.eye(4)[classes])
    shares = np.bincount(classes, probabilities, minlength=4)
    present = np.unique(classes)
    np.testing.assert_allclose(shares[present], 1 / len(present))
    for one in present:  # and within a class every image as often as any other
        assert np.ptp(probabilities[np.array(classes) == one]) < 1e-12


def test_an_image_of_several_labels_counts_as_its_rarest():
    # Label 0 four times, label 1 twice, label 2 once; one image has none.
    targets = np.array([[1, 0, 0], [1, 0, 0], [1, 1, 0], [1, 0, 1], [0, 1, 0], [0, 0, 0]])
    weights = np.array([1 / 4, 1 / 4, 1 / 2, 1, 1 / 2, 1])
    np.testing.assert_allclose(inverse_frequency(targets), weights / weights.sum())


@given(st.integers(0, 2**31 - 1), st.integers(1, 200))
def test_shuffle_is_a_permutation(seed, count):
    rows = np.arange(10, 10 + count)
    found = epoch_rows(rows, np.ones((210, 1)), "shuffle", np.random.default_rng(seed))
    assert sorted(found) == rows.tolist()


@given(st.integers(0, 2**31 - 1), st.lists(st.integers(0, 2), min_size=2, max_size=80))
def test_draws_are_as_many_as_rows_and_of_them(seed, classes):
    targets = np.eye(3)[classes]
    rows = np.arange(0, len(classes), 2)
    found = epoch_rows(rows, targets, "inverse-frequency", np.random.default_rng(seed))
    assert len(found) == len(rows)
    assert set(found) <= set(rows.tolist())
    again = epoch_rows(rows, targets, "inverse-frequency", np.random.default_rng(seed))
    np.testing.assert_array_equal(found, again)


def test_rare_classes_come_as_often_as_common_ones():
    classes = np.repeat([0, 1, 2], [900, 80, 20])
    batches = Batches(np.arange(1000)[:, None], np.eye(3, dtype=np.float32)[classes], np.arange(1000), 50, 7,
                      sampling="inverse-frequency")  # fmt: skip
    seen = np.zeros(3)
    for epoch in range(20):
        batches.start_epoch(epoch)
        seen += sum(batches[number][1].sum(0) for number in range(len(batches)))
    # 20,000 draws with probability 1/3 each: a standard deviation is 67.
    assert seen.sum() == 20_000
    assert seen == pytest.approx(np.full(3, 20_000 / 3), abs=300)
