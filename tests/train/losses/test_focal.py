"""Focal losses against hand-computed values and Keras' own."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from freezenet.train.losses.focal import BinaryFocalCrossentropy, FocalCrossentropy

Y = np.array([[1, 0, 0], [0, 0, 1]], np.float32)
P = np.array([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]], np.float32)
SETS = np.array([[1, 0, 1], [0, 1, 0]], np.float32)


def drawn() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return np.eye(4, dtype=np.float32)[rng.integers(0, 4, 50)], rng.dirichlet(np.ones(4), 50).astype(np.float32)


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
