"""Scale and shift of an inference BatchNorm against the layer itself, for every combination of its settings."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from freezenet.train.network.batchnorm import affine, traced_affine


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("center", [True, False])
def test_scale_and_shift_are_what_the_layer_does(scale, center):
    rng = np.random.default_rng(0)
    norm = keras.layers.BatchNormalization(scale=scale, center=center)
    norm.build((None, 5))
    norm.set_weights([rng.uniform(0.1, 3, 5) for _ in norm.weights])
    x = rng.normal(size=(7, 5))
    expected = keras.ops.convert_to_numpy(norm(x, training=False))
    factor, moved = affine(norm)
    assert factor.dtype == moved.dtype == np.float64
    np.testing.assert_allclose(x * factor + moved, expected, rtol=1e-5, atol=1e-5)
    bias = rng.normal(size=5).astype(np.float32)
    factor, moved = map(keras.ops.convert_to_numpy, traced_affine(norm, bias))
    np.testing.assert_allclose((x - bias) * factor + moved, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(traced_affine(norm)[1]), affine(norm)[1], rtol=1e-5, atol=1e-6
    )
