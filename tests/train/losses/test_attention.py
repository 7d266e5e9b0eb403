"""Class statistics and weights against numbers computed by hand, by NumPy or by enumeration of all pairs."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from freezenet.train.losses.attention import ClassStatistics, attention_weights, class_statistics


def test_statistics_by_hand():
    # Inside a class every pair is the same pair; images of a class are affine maps of each other, so every
    # correlation between the classes is that of x = (0, 1, 2, 3) and y = (3, 1, 2, 0).
    pixels = np.array([[[0, 1], [2, 3]], [[0, 2], [4, 6]], [[3, 1], [2, 0]], [[13, 11], [12, 10]]], np.uint8)
    found = class_statistics(pixels, np.array([0, 0, 1, 1]), pairs=10, seed=0)
    assert found.share.tolist() == [0.5, 0.5]
    # class 0: differences 0 1 2 3 -> (0 + 1 + 4 + 9) / 4 = 3.5; class 1: 10 everywhere -> 100
    np.testing.assert_allclose(found.variance, [3.5 / 255**2, 100 / 255**2], rtol=1e-6)
    # x - 1.5 = (-1.5 -.5 .5 1.5), y - 1.5 = (1.5 -.5 .5 -1.5): (-2.25 + .25 + .25 - 2.25) / 5 = -.8
    np.testing.assert_allclose(found.similarity, [-0.8, -0.8], rtol=1e-6)


def test_statistics_approach_the_mean_over_all_pairs():
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (12, 4, 4), np.uint8)
    pixels[:5] = pixels[:5] // 4 + 90  # another spread for class 0
    classes = np.array([0] * 5 + [1] * 4 + [2] * 3)
    found = class_statistics(pixels, classes, pairs=20000, seed=0)
    flat = pixels.reshape(12, -1) / 255.0
    for one in range(3):
        inside, outside = np.flatnonzero(classes == one), np.flatnonzero(classes != one)
        variance = np.mean([np.mean((flat[a] - flat[b]) ** 2) for a, b in product(inside, inside) if a != b])
        similarity = np.mean([np.corrcoef(flat[a], flat[b])[0, 1] for a, b in product(inside, outside)])
        assert found.variance[one] == pytest.approx(variance, rel=0.02)
        assert found.similarity[one] == pytest.approx(similarity, abs=0.01)
        assert found.share[one] == pytest.approx(np.mean(classes == one))


def test_statistics_depend_on_the_seed_only():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 8, 8), np.uint8)
    classes = np.arange(20) % 2
    first = class_statistics(pixels, classes, 30, seed=5)
    assert first.to_dict() == class_statistics(pixels, classes, 30, seed=5).to_dict()
    assert first.to_dict() != class_statistics(pixels, classes, 30, seed=6).to_dict()


def test_constant_images_and_a_class_of_one_image_are_finite():
    pixels = np.stack([np.full((4, 4), value, np.uint8) for value in (0, 0, 255)])
    found = class_statistics(pixels, np.array([0, 0, 1]), 10, 0)
    assert found.similarity.tolist() == [0, 0]
    assert found.variance.tolist() == [0, 0]
    weights = attention_weights(found, 1.0, 1.0, 10.0)
    # all but the share is equal, so the ratio is exp(-(2/3 - 1/3) / 10)
    assert weights[0] / weights[1] == pytest.approx(np.exp(-1 / 30))


def test_weights_are_the_formula():
    statistics = ClassStatistics(np.array([0.6, 0.3, 0.1]), np.array([0.01, 0.05, 0.03]), np.array([0.4, 0.1, 0.7]))
    beta, gamma, temperature = 1.5, 0.7, 3.0
    # z-scores typed out: similarity has mean .4 and population deviation sqrt(.06); variance .03 and sqrt(.0008/3)
    s = np.array([0, -0.3, 0.3]) / np.sqrt(0.06)
    v = np.array([-0.02, 0.02, 0]) / np.sqrt(0.0008 / 3)
    raised = [np.exp((s[c] - beta * p - gamma * v[c]) / temperature) for c, p in enumerate((0.6, 0.3, 0.1))]
    expected = np.array(raised) / (sum(raised) / 3)
    np.testing.assert_allclose(attention_weights(statistics, beta, gamma, temperature), expected, rtol=1e-12)


@pytest.mark.parametrize("temperature", [1e-3, 1.0, 10.0, 1e6])
def test_weights_have_mean_one_and_flatten_with_temperature(temperature):
    rng = np.random.default_rng(0)
    statistics = ClassStatistics(*rng.dirichlet(np.ones(5), 3))
    weights = attention_weights(statistics, 1.0, 1.0, temperature)
    assert weights.mean() == pytest.approx(1)
    assert np.isfinite(weights).all()
    assert (weights >= 0).all()
    if temperature == 1e6:
        np.testing.assert_allclose(weights, 1, atol=1e-5)


def test_difficulty_raises_and_frequency_lowers_a_weight():
    equal = np.full(3, 1 / 3)
    similar = attention_weights(ClassStatistics(equal, equal, np.array([0.1, 0.2, 0.3])), 1, 1, 10)
    assert (np.diff(similar) > 0).all()
    frequent = attention_weights(ClassStatistics(np.array([0.1, 0.3, 0.6]), equal, equal), 1, 1, 10)
    assert (np.diff(frequent) < 0).all()
