"""Batches: every row once, an order that depends on seed and epoch alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freezenet.train.fitting.batches import Batches, EpochCounter, epoch_rows, inverse_frequency, source_balanced

INPUTS = np.arange(40, dtype=np.float16)[:, None]
TARGETS = np.eye(2, dtype=np.float32)[np.arange(40) % 2]
ROWS = np.arange(10, 35)


def order(batches: Batches) -> list[int]:
    return [int(value) for n in range(len(batches)) for value in batches[n][0][:, 0]]


def test_validation_keeps_every_row_in_order():
    batches = Batches(INPUTS, TARGETS, rows=ROWS, batch_size=8)
    assert len(batches) == 4
    assert order(batches) == ROWS.tolist()
    inputs, targets = batches[3]
    assert (inputs.shape, inputs.dtype) == ((1, 1), np.float32)
    np.testing.assert_array_equal(targets, TARGETS[[34]])
    batches.start_epoch(5)
    assert order(batches) == ROWS.tolist()


def test_training_shuffles_and_drops_the_incomplete_batch():
    batches = Batches(INPUTS, TARGETS, rows=ROWS, batch_size=8, shuffle_seed=1)
    assert len(batches) == 3
    found = order(batches)
    assert len(set(found)) == 24
    assert set(found) <= set(ROWS.tolist())
    assert found != sorted(found)
    for n in range(3):
        inputs, targets = batches[n]
        np.testing.assert_array_equal(targets.argmax(1), inputs[:, 0].astype(int) % 2)


def test_few_rows_make_one_batch():
    batches = Batches(INPUTS, TARGETS, rows=ROWS[:3], batch_size=8, shuffle_seed=1)
    assert len(batches) == 1
    assert sorted(order(batches)) == [10, 11, 12]


def test_dropped_rows_come_in_other_epochs():
    batches = Batches(INPUTS, TARGETS, rows=ROWS, batch_size=8, shuffle_seed=1)
    seen = set()
    for epoch in range(8):
        batches.start_epoch(epoch)
        seen |= set(order(batches))
    assert seen == set(ROWS.tolist())


def test_order_depends_on_seed_and_epoch_alone():
    one, other, third = (Batches(INPUTS, TARGETS, rows=ROWS, batch_size=8, shuffle_seed=seed) for seed in (1, 1, 2))
    epochs = []
    for epoch in range(3):
        one.start_epoch(epoch)
        epochs.append(order(one))
    assert epochs[0] != epochs[1]
    EpochCounter(other).on_epoch_begin(2)  # a resumed run starts with epoch 2
    assert order(other) == epochs[2]
    assert order(third) != epochs[0]


def test_prepare_gets_a_generator_per_epoch_and_batch():
    def noise(inputs, rng):
        return inputs + rng.normal(size=inputs.shape)

    def batches(epoch):
        found = Batches(INPUTS, TARGETS, rows=ROWS, batch_size=8, shuffle_seed=1, prepare=noise)
        found.start_epoch(epoch)
        return [found[n][0] for n in range(3)]

    np.testing.assert_array_equal(batches(0), batches(0))
    noises = [batch - np.rint(batch) for epoch in (0, 1) for batch in batches(epoch)]
    assert len({noise.tobytes() for noise in noises}) == 6


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
    batches = Batches(np.arange(1000)[:, None], np.eye(3, dtype=np.float32)[classes], rows=np.arange(1000), batch_size=50, shuffle_seed=7,
                      sampling="inverse-frequency")  # fmt: skip
    seen = np.zeros(3)
    for epoch in range(20):
        batches.start_epoch(epoch)
        seen += sum(batches[number][1].sum(0) for number in range(len(batches)))
    # 20,000 draws with probability 1/3 each: a standard deviation is 67.
    assert seen.sum() == 20_000
    assert seen == pytest.approx(np.full(3, 20_000 / 3), abs=300)


def test_each_source_of_a_class_comes_equally_often_and_classes_as_they_are():
    """Class 0 of sources of 90 and 10 images, class 1 of 60 and 30 and 10."""
    sizes = {(0, 0): 90, (0, 1): 10, (1, 0): 60, (1, 2): 30, (1, 3): 10}
    groups = np.repeat(list(sizes), list(sizes.values()), axis=0)
    chances = source_balanced(groups)
    assert chances.sum() == pytest.approx(1)
    for (kind, source), expected in zip(sizes, (0.25, 0.25, 1 / 6, 1 / 6, 1 / 6), strict=True):
        assert chances[(groups == [kind, source]).all(1)].sum() == pytest.approx(expected)
    drawn = epoch_rows(np.arange(200), np.eye(2)[groups[:, 0]], "source-balanced", np.random.default_rng(0), groups)
    assert len(drawn) == 200
    assert 35 <= (groups[drawn] == [0, 1]).all(1).sum() <= 65  # 50 of 200, where 10 are in the data
