"""The worst group counts most: weights by hand, and that a training sees them."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from freezenet.train.fitting.batches import Batches
from freezenet.train.fitting.group_weights import GroupWeights, tilted


def test_no_tilt_weighs_all_alike_and_a_large_one_the_worst_alone():
    losses = np.array([0.1, 0.1, 0.1, 2.0])
    np.testing.assert_allclose(tilted(losses, 0), 1)
    np.testing.assert_allclose(tilted(losses, 100), [0, 0, 0, 4], atol=1e-9)
    np.testing.assert_allclose(tilted(losses, 1), np.exp(losses) / np.exp(losses).mean())


def test_each_image_has_the_weight_of_its_class_in_its_source():
    """A network that says class 1 to all: the images of class 0 are learned badly, the weight of one image is that of its group."""
    inputs = np.zeros((12, 3), np.float32)
    targets = np.eye(2, dtype=np.float32)[np.arange(12) % 2]
    groups = np.column_stack([np.arange(12) % 2, np.arange(12) // 6])
    rows = np.arange(1, 11)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])
    model.layers[0].set_weights([np.zeros((3, 2)), np.log([0.2, 0.8])])
    training = Batches(inputs, targets, rows=rows, batch_size=4, shuffle_seed=0)
    judged = Batches(inputs, targets, rows=rows, batch_size=4)
    loss = keras.losses.CategoricalCrossentropy()
    weighing = GroupWeights(training, judged, rows=rows, groups=groups, tilt=2.0, loss=loss)
    weighing.set_model(model)
    weighing.on_epoch_begin(0)
    expected = np.array([0.2, 0.8])[np.arange(12) % 2] ** -2.0
    np.testing.assert_allclose(training.weights[rows], (expected / expected[rows].mean())[rows], rtol=1e-5)
    *_, targets_seen, weights = training[0]
    assert weights.shape == (4,)
    assert weights[targets_seen[:, 0] == 1] == pytest.approx(training.weights[2])
    assert weights[targets_seen[:, 1] == 1] == pytest.approx(training.weights[1])
