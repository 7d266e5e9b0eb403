"""Trainings leave nothing of themselves in memory, however many there are in one process."""

from __future__ import annotations

import gc

import keras
import numpy as np
import tensorflow as tf

from freezenet.train.fitting.traces import forgotten_traces


def fit() -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])
    model.compile("adam", "categorical_crossentropy")
    model.optimizer.build(model.trainable_variables)
    model.fit(np.ones((8, 3), np.float32), np.eye(2, dtype=np.float32)[[0, 1] * 4], verbose=0)


def kept_steps() -> int:
    """Number of traced training steps in memory."""
    keras.backend.clear_session()
    gc.collect()
    return sum(isinstance(one, tf.Graph) and "one_step" in getattr(one, "name", "") for one in gc.get_objects())


def test_a_training_step_is_forgotten_with_its_training():
    before = kept_steps()
    for _ in range(3):
        with forgotten_traces():
            fit()
    assert kept_steps() == before


def test_without_it_each_of_them_is_kept():
    """What the other test forgets: where TensorFlow forgets by itself, `freezenet.train.fitting.traces` can go."""
    before = kept_steps()
    fit()
    assert kept_steps() == before + 1


def test_gradients_of_operations_stay():
    from tensorflow.python.framework import ops

    before = set(ops.gradient_registry.list())
    with forgotten_traces():
        fit()
    assert set(ops.gradient_registry.list()) == before
