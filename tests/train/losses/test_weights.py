"""Weights of the numbers of images against hand-computed values and scikit-learn's."""

from __future__ import annotations

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from freezenet.train.losses.weights import bwcce, class_balanced, inverse_frequency

COUNTS = np.array([10, 30, 60])


def test_inverse_frequency_weights():
    # 100 / (3 * 10), 100 / (3 * 30), 100 / (3 * 60)
    weights = inverse_frequency(COUNTS)
    np.testing.assert_allclose(weights, [3.3333333, 1.1111111, 0.5555556], rtol=1e-6)
    answers = np.repeat([0, 1, 2], COUNTS)
    np.testing.assert_allclose(weights, compute_class_weight("balanced", classes=np.arange(3), y=answers))


def test_bwcce_weights():
    # (1 - .1) / 2, (1 - .3) / 2, (1 - .6) / 2
    np.testing.assert_allclose(bwcce(COUNTS), [0.45, 0.35, 0.2])


def test_class_balanced_weights():
    # Effective numbers at beta .9: (1 - .9^n) / .1 = 6.513216, 9.576088, 9.982030; inverses scaled to the sum 3
    inverse = 1 / np.array([6.5132156, 9.5760884, 9.9820299])
    np.testing.assert_allclose(class_balanced(COUNTS, 0.9), 3 * inverse / inverse.sum(), rtol=1e-6)
    np.testing.assert_allclose(class_balanced(COUNTS, 0.0), [1, 1, 1])
    frequency = inverse_frequency(COUNTS)
    np.testing.assert_allclose(class_balanced(COUNTS, 0.9999999), 3 * frequency / frequency.sum(), rtol=1e-4)
