"""The weighted cross-entropy and its kin against hand-computed values, finite differences and Keras' own."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from freezenet.train.losses.focal import BinaryFocalCrossentropy, FocalCrossentropy
from freezenet.train.losses.weighted import WeightedCrossentropy

Y = np.array([[1, 0, 0], [0, 0, 1]], np.float32)
P = np.array([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]], np.float32)
SETS = np.array([[1, 0, 1], [0, 1, 0]], np.float32)


def drawn() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return np.eye(4, dtype=np.float32)[rng.integers(0, 4, 50)], rng.dirichlet(np.ones(4), 50).astype(np.float32)


def test_value_by_hand():
    loss = WeightedCrossentropy([0.5, 1.0, 1.5])
    # (.5 * -ln .7 + 1.5 * -ln .5) / 2 = (.178337 + 1.039721) / 2
    assert float(loss(Y, P)) == pytest.approx(0.609029, abs=1e-6)
    np.testing.assert_allclose(loss.call(Y, P), [0.1783375, 1.0397208], rtol=1e-6)


def test_published_weights_scale_the_loss():
    weights = np.array([0.00525, 0.00579, 0.00566])
    published, scaled = (WeightedCrossentropy(w) for w in (weights, weights / weights.mean()))
    assert float(published(Y, P)) == pytest.approx(float(scaled(Y, P)) * weights.mean(), rel=1e-5)


def test_clip():
    certain = np.array([[1, 0, 0], [1, 0, 0]], np.float32)
    # the right class has probability 0 in row two: -ln 1e-7 = 16.118; in row one 1 - 1e-7, about 0
    np.testing.assert_allclose(WeightedCrossentropy([1, 1, 1]).call(Y, certain), [0, 16.118096], atol=1e-5)


@pytest.mark.parametrize(
    "loss",
    [
        WeightedCrossentropy([0.5, 1.0, 1.5], label_smoothing=0.1),
        FocalCrossentropy([0.5, 1.0, 1.5], 0.5, label_smoothing=0.1),
        FocalCrossentropy([0.5, 1.0, 1.5], 2.0),
        BinaryFocalCrossentropy(0.3, 1.5, 0.1),
    ],
    ids=["weighted", "focal .5", "focal 2", "binary focal"],
)
def test_gradient_against_finite_differences(loss):
    p, y = tf.constant(P, tf.float64), tf.constant(SETS, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(p)
        value = tf.reduce_sum(loss.call(y, p))
    gradient, step = tape.gradient(value, p).numpy(), 1e-6
    for index in np.ndindex(P.shape):
        shift = np.zeros(P.shape)
        shift[index] = step
        ends = [float(tf.reduce_sum(loss.call(y, p + sign * shift))) for sign in (1, -1)]
        assert gradient[index] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_unit_weights_are_keras_cross_entropy(smoothing):
    y, p = drawn()
    theirs = keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)(y, p)
    assert float(WeightedCrossentropy([1] * 4, smoothing)(y, p)) == pytest.approx(float(theirs), rel=1e-5)


def test_sample_weights_and_reduction():
    loss = WeightedCrossentropy([1, 1, 1], reduction="sum")
    assert float(loss(Y, P, sample_weight=np.array([2.0, 0.0]))) == pytest.approx(-2 * np.log(0.7), rel=1e-5)


@pytest.mark.parametrize(
    "loss",
    [
        WeightedCrossentropy(np.array([0.5, 1.5, 1.0]), 0.2),
        FocalCrossentropy([1, 2, 3], 1.5, label_smoothing=0.1),
        BinaryFocalCrossentropy(0.3, 1.5, 0.1),
    ],
)
def test_config_round_trip(loss):
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
    assert float(again(Y, P)) == float(loss(Y, P))


def test_a_compiled_model_is_saved_with_its_loss(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, activation="softmax")])
    model.compile("adam", WeightedCrossentropy([1, 2, 3]))
    model.save(tmp_path / "m.keras")
    assert keras.saving.load_model(tmp_path / "m.keras").loss.weights == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("weights", [[], [1, 0, 1], [1, -1]])
def test_impossible_weights_are_refused(weights):
    with pytest.raises(ValueError, match="positive weight"):
        WeightedCrossentropy(weights)
