"""Batches: every row once, an order that depends on seed and epoch alone."""

from __future__ import annotations

import numpy as np

from freezenet.train.fitting.batches import Batches, EpochCounter

INPUTS = np.arange(40, dtype=np.float16)[:, None]
TARGETS = np.eye(2, dtype=np.float32)[np.arange(40) % 2]
ROWS = np.arange(10, 35)


def order(batches: Batches) -> list[int]:
    return [int(value) for n in range(len(batches)) for value in batches[n][0][:, 0]]


def test_validation_keeps_every_row_in_order():
    batches = Batches(INPUTS, TARGETS, ROWS, 8)
    assert len(batches) == 4
    assert order(batches) == ROWS.tolist()
    inputs, targets = batches[3]
    assert (inputs.shape, inputs.dtype) == ((1, 1), np.float32)
    np.testing.assert_array_equal(targets, TARGETS[[34]])
    batches.start_epoch(5)
    assert order(batches) == ROWS.tolist()


def test_training_shuffles_and_drops_the_incomplete_batch():
    batches = Batches(INPUTS, TARGETS, ROWS, 8, shuffle_seed=1)
    assert len(batches) == 3
    found = order(batches)
    assert len(set(found)) == 24
    assert set(found) <= set(ROWS.tolist())
    assert found != sorted(found)
    for n in range(3):
        inputs, targets = batches[n]
        np.testing.assert_array_equal(targets.argmax(1), inputs[:, 0].astype(int) % 2)


def test_few_rows_make_one_batch():
    batches = Batches(INPUTS, TARGETS, ROWS[:3], 8, shuffle_seed=1)
    assert len(batches) == 1
    assert sorted(order(batches)) == [10, 11, 12]


def test_dropped_rows_come_in_other_epochs():
    batches = Batches(INPUTS, TARGETS, ROWS, 8, shuffle_seed=1)
    seen = set()
    for epoch in range(8):
        batches.start_epoch(epoch)
        seen |= set(order(batches))
    assert seen == set(ROWS.tolist())


def test_order_depends_on_seed_and_epoch_alone():
    one, other, third = (Batches(INPUTS, TARGETS, ROWS, 8, shuffle_seed=seed) for seed in (1, 1, 2))
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
        found = Batches(INPUTS, TARGETS, ROWS, 8, shuffle_seed=1, prepare=noise)
        found.start_epoch(epoch)
        return [found[n][0] for n in range(3)]

    np.testing.assert_array_equal(batches(0), batches(0))
    noises = [batch - np.rint(batch) for epoch in (0, 1) for batch in batches(epoch)]
    assert len({noise.tobytes() for noise in noises}) == 6
