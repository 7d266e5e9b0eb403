"""Losses against hand-computed values, finite differences, Keras' own, and each other on the three backends."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.utils.class_weight import compute_class_weight

from freezenet.train.losses import (
    BWCCE,
    AttentionWeightedCrossentropy,
    BinaryFocalCrossentropy,
    ClassBalancedCrossentropy,
    FocalCrossentropy,
    InverseFrequencyCrossentropy,
    WeightedCrossentropy,
)

Y = np.array([[1, 0, 0], [0, 0, 1]], np.float32)
P = np.array([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]], np.float32)
SETS = np.array([[1, 0, 1], [0, 1, 0]], np.float32)
WEIGHTED = (AttentionWeightedCrossentropy, BWCCE, ClassBalancedCrossentropy, InverseFrequencyCrossentropy)
COUNTS = np.array([10, 30, 60])


def drawn() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return np.eye(4, dtype=np.float32)[rng.integers(0, 4, 50)], rng.dirichlet(np.ones(4), 50).astype(np.float32)


@pytest.mark.parametrize("kind", WEIGHTED)
def test_value_by_hand(kind):
    loss = kind([0.5, 1.0, 1.5])
    # (.5 * -ln .7 + 1.5 * -ln .5) / 2 = (.178337 + 1.039721) / 2
    assert float(loss(Y, P)) == pytest.approx(0.609029, abs=1e-6)
    np.testing.assert_allclose(loss.call(Y, P), [0.1783375, 1.0397208], rtol=1e-6)


def test_published_weights_scale_the_loss():
    weights = np.array([0.00525, 0.00579, 0.00566])
    published, scaled = (AttentionWeightedCrossentropy(w) for w in (weights, weights / weights.mean()))
    assert float(published(Y, P)) == pytest.approx(float(scaled(Y, P)) * weights.mean(), rel=1e-5)


def test_clip():
    certain = np.array([[1, 0, 0], [1, 0, 0]], np.float32)
    # the right class has probability 0 in row two: -ln 1e-7 = 16.118; in row one 1 - 1e-7, about 0
    np.testing.assert_allclose(AttentionWeightedCrossentropy([1, 1, 1]).call(Y, certain), [0, 16.118096], atol=1e-5)


def test_inverse_frequency_weights():
    # 100 / (3 * 10), 100 / (3 * 30), 100 / (3 * 60)
    weights = InverseFrequencyCrossentropy.weights_of(COUNTS)
    np.testing.assert_allclose(weights, [3.3333333, 1.1111111, 0.5555556], rtol=1e-6)
    answers = np.repeat([0, 1, 2], COUNTS)
    np.testing.assert_allclose(weights, compute_class_weight("balanced", classes=np.arange(3), y=answers))


def test_bwcce_weights():
    # (1 - .1) / 2, (1 - .3) / 2, (1 - .6) / 2
    np.testing.assert_allclose(BWCCE.weights_of(COUNTS), [0.45, 0.35, 0.2])


def test_class_balanced_weights():
    # Effective numbers at beta .9: (1 - .9^n) / .1 = 6.513216, 9.576088, 9.982030; inverses scaled to the sum 3
    inverse = 1 / np.array([6.5132156, 9.5760884, 9.9820299])
    np.testing.assert_allclose(
        ClassBalancedCrossentropy.weights_of(COUNTS, 0.9), 3 * inverse / inverse.sum(), rtol=1e-6
    )
    np.testing.assert_allclose(ClassBalancedCrossentropy.weights_of(COUNTS, 0.0), [1, 1, 1])
    frequency = InverseFrequencyCrossentropy.weights_of(COUNTS)
    np.testing.assert_allclose(
        ClassBalancedCrossentropy.weights_of(COUNTS, 0.9999999), 3 * frequency / frequency.sum(), rtol=1e-4
    )


def test_focal_by_hand():
    # (1 - .7)^2 * -ln .7 = .0321005, (1 - .5)^2 * -ln .5 = .1732868
    np.testing.assert_allclose(FocalCrossentropy([1, 1, 1], 2.0).call(Y, P), [0.0321005, 0.1732868], rtol=1e-5)
    np.testing.assert_allclose(FocalCrossentropy([2, 1, 0.5], 2.0).call(Y, P), [0.0642010, 0.0866434], rtol=1e-5)


@pytest.mark.parametrize("alpha", [[1, 1, 1, 1], [0.25, 0.5, 0.75, 1]])
def test_focal_is_that_of_keras(alpha):
    y, p = drawn()
    theirs = keras.losses.CategoricalFocalCrossentropy(alpha=alpha, gamma=1.5)(y, p)
    assert float(FocalCrossentropy(alpha, 1.5)(y, p)) == pytest.approx(float(theirs), rel=1e-4)


def test_focal_without_gamma_is_cross_entropy():
    y, p = drawn()
    theirs = keras.losses.CategoricalCrossentropy()(y, p)
    assert float(FocalCrossentropy([1] * 4, 0.0)(y, p)) == pytest.approx(float(theirs), rel=1e-5)


def test_binary_focal_by_hand():
    p = np.array([[0.8, 0.4, 0.5]], np.float32)
    y = np.array([[1, 0, 1]], np.float32)
    # .3 * [(.2)^1.5 * -ln .8 + (.4)^1.5 * -ln .6 + (.5)^1.5 * -ln .5] / 3 = .1 * (.0199585 + .1292315 + .2450644)
    assert float(BinaryFocalCrossentropy(0.3, 1.5)(y, p)) == pytest.approx(0.0394254, rel=1e-4)


def test_binary_focal_without_gamma_is_binary_cross_entropy():
    p = P * 0.9
    theirs = keras.losses.BinaryCrossentropy(label_smoothing=0.1)(SETS, p)
    assert float(BinaryFocalCrossentropy(1.0, 0.0, 0.1)(SETS, p)) == pytest.approx(float(theirs), rel=1e-4)


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
    assert float(AttentionWeightedCrossentropy([1] * 4, smoothing)(y, p)) == pytest.approx(float(theirs), rel=1e-5)


def test_sample_weights_and_reduction():
    loss = AttentionWeightedCrossentropy([1, 1, 1], reduction="sum")
    assert float(loss(Y, P, sample_weight=np.array([2.0, 0.0]))) == pytest.approx(-2 * np.log(0.7), rel=1e-5)


@pytest.mark.parametrize(
    "loss",
    [
        AttentionWeightedCrossentropy(np.array([0.5, 1.5, 1.0]), 0.2),
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
    model.compile("adam", AttentionWeightedCrossentropy([1, 2, 3]))
    model.save(tmp_path / "m.keras")
    assert keras.saving.load_model(tmp_path / "m.keras").loss.weights == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("weights", [[], [1, 0, 1], [1, -1]])
def test_impossible_weights_are_refused(weights):
    with pytest.raises(ValueError, match="positive weight"):
        AttentionWeightedCrossentropy(weights)
