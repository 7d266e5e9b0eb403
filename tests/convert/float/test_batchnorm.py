from __future__ import annotations

import keras
import numpy as np
import pytest

from freezenet.convert.float.batchnorm import fuse_batchnorm


def shaken(model: keras.Model) -> keras.Model:
    """Give every BatchNorm statistics and scales that are not those of a new layer."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shapes = [weight.shape for weight in layer.weights]
            layer.set_weights([rng.uniform(0.5, 1.5, shape).astype(np.float32) for shape in shapes])
    return model


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).uniform(-1, 1, (4, 96, 96, 3)).astype(np.float32)


def test_a_folded_run_gives_the_same_scores_without_batchnorm(run, images):
    model = shaken(run.model())
    fused = fuse_batchnorm(model)
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in fused.layers)
    np.testing.assert_allclose(fused.predict(images, verbose=0), model.predict(images, verbose=0), atol=1e-5)


def test_the_trained_model_keeps_its_weights(run):
    model = run.model()
    before = [weight.copy() for weight in model.get_weights()]
    fuse_batchnorm(model)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_one_kernel_by_hand():
    image = keras.Input((1, 1, 1))
    norm = keras.layers.BatchNormalization(epsilon=0.0)
    model = keras.Model(image, norm(keras.layers.Conv2D(1, 1, name="c")(image)))
    model.get_layer("c").set_weights([np.full((1, 1, 1, 1), 3.0), np.array([1.0])])
    norm.set_weights(
        [np.array([2.0]), np.array([0.5]), np.array([4.0]), np.array([16.0])]
    )  # scale, shift, mean, variance
    kernel, bias = fuse_batchnorm(model).get_layer("c").get_weights()
    assert kernel.item() == 3 * 2 / 4
    assert bias.item() == 0.5 + (1 - 4) * 2 / 4


def kinds(model: keras.Model) -> list[str]:
    return [layer.__class__.__name__ for layer in model.layers[1:]]


@pytest.mark.parametrize("kind", ["activated", "used twice"])
def test_a_batchnorm_without_a_convolution_of_its_own_becomes_a_depthwise_one(kind, images):
    image = keras.Input((96, 96, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu" if kind == "activated" else None)(image)
    y = keras.layers.BatchNormalization(name="norm")(x)
    if kind == "used twice":
        y = keras.layers.Add()([x, y])
    model = shaken(keras.Model(image, y))
    fused = fuse_batchnorm(model)
    assert kinds(fused) == ["Conv2D", *(["ReLU"] if kind == "activated" else []), "DepthwiseConv2D",
                             *(["Add"] if kind == "used twice" else [])]  # fmt: skip
    assert fused.get_layer("norm").kernel_size == (1, 1)
    np.testing.assert_allclose(fused.predict(images, verbose=0), model.predict(images, verbose=0), atol=1e-5)


def test_a_block_of_densenet_and_a_head_with_batchnorm(images):
    """BatchNorm in front of what it belongs to: before ReLU and convolution, before the dense layer."""
    image = keras.Input((96, 96, 3))
    x = keras.layers.Conv2D(4, 7, strides=8, use_bias=False, name="first")(image)
    y = keras.layers.BatchNormalization(name="norm")(x)
    y = keras.layers.Activation("relu", name="relu")(y)
    y = keras.layers.Conv2D(2, 3, padding="same", activation="swish", name="grown")(y)
    x = keras.layers.GlobalMaxPooling2D(name="pool")(keras.layers.Concatenate(name="join")([x, y]))
    x = keras.layers.Dense(5, activation="relu", name="hidden")(x)
    x = keras.layers.BatchNormalization(name="head_norm", scale=False)(keras.layers.Dropout(0.3, name="drop")(x))
    model = shaken(keras.Model(image, keras.layers.Dense(3, activation="softmax", use_bias=False, name="scores")(x)))
    fused = fuse_batchnorm(model)
    assert [layer.name for layer in fused.layers[1:]] == [
        "first", "norm", "relu", "grown", "grown_activation", "join", "pool", "hidden", "hidden_activation", "drop", "scores",
    ]  # fmt: skip
    assert isinstance(fused.get_layer("relu"), keras.layers.ReLU)  # what is fused in a file is looked for by this class
    assert fused.get_layer("scores").activation is keras.activations.softmax  # an output's own stays
    np.testing.assert_allclose(fused.predict(images, verbose=0), model.predict(images, verbose=0), atol=1e-5)
