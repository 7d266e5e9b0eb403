"""The fused network computes and trains what the network does, with the same variables."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from freezenet.train.network.fuse import FusedConvolution, fused


def network(trainable_norm: bool = False, bias: bool = False) -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 5))
    x = layers.Conv2D(6, 3, strides=2, padding="same", use_bias=bias)(inputs)
    x = layers.BatchNormalization(name="norm1")(x)
    x = layers.ReLU(6)(x)
    y = layers.Conv2D(12, 1, use_bias=bias, name="expand")(x)
    y = layers.BatchNormalization(scale=False)(y)
    y = layers.ReLU(6)(y)
    y = layers.DepthwiseConv2D(3, padding="same", use_bias=bias)(y)
    y = layers.BatchNormalization(center=False)(y)
    y = layers.Conv2D(6, 1, strides=1, use_bias=bias)(y)
    x = layers.Add()([x, layers.BatchNormalization()(y)])
    x = layers.Conv2D(4, 1, strides=2)(x)  # not stride 1, and nothing behind it: stays
    x = layers.Conv2D(4, 1, name="alone", use_bias=True)(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(x))
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = trainable_norm
            for weight in layer.weights:
                weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return model


def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    return rng.normal(size=(32, 8, 8, 5)).astype(np.float32), np.eye(3, dtype=np.float32)[rng.integers(0, 3, 32)]


def fused_layers(model: keras.Model) -> list[FusedConvolution]:
    return [layer for layer in model.layers if isinstance(layer, FusedConvolution)]


@pytest.mark.parametrize("bias", [False, True])
def test_outputs_are_equal(bias):
    model = network(bias=bias)
    x, _ = data()
    np.testing.assert_allclose(fused(model)(x), model(x), rtol=1e-5, atol=1e-6)
    assert [layer.norm is not None for layer in fused_layers(fused(model))] == [True, True, True, True, False]


def test_training_moves_the_same_variables_in_the_same_way():
    one, other = network(), network()
    x, y = data()
    for trained in (one, fused(other)):
        trained.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy")
        trained.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    start = network()
    moved = [np.abs(a - b).max() for a, b in zip(one.get_weights(), start.get_weights(), strict=True)]
    assert sum(distance > 1e-3 for distance in moved) >= 6  # the kernels, and not the fixed norms
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_variables_are_shared_and_frozen_ones_stay_frozen():
    model = network()
    model.get_layer("expand").trainable = False
    quick = fused(model)
    assert {id(variable) for variable in quick.variables} == {id(variable) for variable in model.variables}
    assert {id(v) for v in quick.trainable_variables} == {id(v) for v in model.trainable_variables}


def test_a_norm_that_learns_is_left_alone():
    model = network(trainable_norm=True)
    quick = fused(model)
    assert all(layer.norm is None for layer in fused_layers(quick))  # only 1 x 1 convolutions became products
    assert len(fused_layers(quick)) == 3
    x, _ = data()
    np.testing.assert_allclose(quick(x, training=True), model(x, training=True), rtol=1e-4, atol=1e-5)


def test_an_output_that_two_layers_read_keeps_its_norm_apart():
    inputs = keras.Input((4, 4, 3))
    x = layers.Conv2D(3, 3, padding="same")(inputs)
    normed = layers.BatchNormalization(trainable=False)(x)
    model = keras.Model(inputs, layers.Add()([x, normed]))
    assert not fused_layers(fused(model))


@pytest.mark.parametrize("precision", ["mixed_bfloat16"], indirect=True)
def test_mixed_precision_stays(precision):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        quick = fused(network())
        x, _ = data()
        assert {layer.compute_dtype for layer in fused_layers(quick)} == {"bfloat16"}
        assert all(layer.convolution.kernel.dtype == "float32" for layer in fused_layers(quick))
        assert np.isfinite(np.asarray(quick(x), np.float32)).all()
    finally:
        keras.config.set_dtype_policy(policy)
