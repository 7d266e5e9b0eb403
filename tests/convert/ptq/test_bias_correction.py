from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from freezenet.convert.ptq.bias_correction import correct_biases
from freezenet.convert.ptq.ranges import Observation, least_error


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(0, 1, (12, 16, 16, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def reference():
    keras.utils.set_random_seed(5)
    image = keras.Input((16, 16, 3), name="image")
    x = keras.layers.ReLU(6.0, name="relu")(keras.layers.Conv2D(6, 3, padding="same", name="first")(image))
    x = keras.layers.DepthwiseConv2D(3, name="second")(keras.layers.ZeroPadding2D()(x))
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, keras.layers.Dense(3, activation="softmax", name="scores")(x))


@pytest.fixture(scope="module")
def coarse(reference):
    """The network with kernels of 4 bits, biased on purpose."""
    model = keras.models.clone_model(reference)
    model.set_weights([np.floor(weight * 8) / 8 for weight in reference.get_weights()])
    return model


@pytest.fixture(scope="module")
def corrected(reference, coarse, images):
    return correct_biases(coarse, reference, images)


def outputs(model, name, images):
    return keras.Model(model.input, model.get_layer(name).output).predict(images, verbose=0)


def test_the_mean_error_of_a_layer_vanishes_on_its_own_images(reference, coarse, corrected, images):
    wanted = outputs(reference, "first", images).mean((0, 1, 2))
    assert np.abs(outputs(coarse, "first", images).mean((0, 1, 2)) - wanted).max() > 0.02
    np.testing.assert_allclose(outputs(corrected, "first", images).mean((0, 1, 2)), wanted, atol=1e-5)


def test_a_later_layer_is_corrected_on_the_rounded_outputs_of_the_corrected_ones(reference, corrected, images):
    """Rounding by TensorFlow's fake quantization instead of the module's own."""
    before = outputs(reference, "relu", images)
    low, high = least_error(Observation(float(before.min()), float(before.max()), before.ravel()))
    after = tf.quantization.fake_quant_with_min_max_args(outputs(corrected, "relu", images), low, high)
    found = corrected.get_layer("second")(np.pad(after, [(0, 0), (1, 1), (1, 1), (0, 0)])).numpy()
    wanted = outputs(reference, "second", images)
    np.testing.assert_allclose(found.mean((0, 1, 2)), wanted.mean((0, 1, 2)), atol=1e-3)


def test_logits_have_the_wanted_mean(reference, coarse, corrected, images):
    def mean(model):
        scores = np.log(model.predict(images, verbose=0))
        return (scores - scores.mean(1, keepdims=True)).mean(0)

    assert np.abs(mean(corrected) - mean(reference)).max() < 0.2 * np.abs(mean(coarse) - mean(reference)).max()


def test_only_biases_change_and_both_networks_are_left_as_they_were(reference, coarse, corrected, images):
    before = [weight.copy() for weight in coarse.get_weights()]
    again = correct_biases(coarse, reference, images)
    for one, old, new, same in zip(
        coarse.get_weights(), before, again.get_weights(), corrected.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, old)
        np.testing.assert_array_equal(new, same)
        assert (one.ndim == 1) or np.array_equal(one, new)


def test_a_channel_far_above_the_others_is_not_clipped(images):
    """One constant channel, as a dead kernel with a bias gives it; the range of the pooled values must hold it."""
    keras.utils.set_random_seed(5)
    image = keras.Input((16, 16, 3), name="image")
    x = keras.layers.ReLU(6.0)(keras.layers.Conv2D(6, 3, name="first")(image))
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(image, keras.layers.Dense(3, activation="softmax", name="scores")(x))
    for channel in range(6):
        kernel, bias = model.get_layer("first").get_weights()
        kernel[..., channel], bias[:] = 0, 0
        bias[channel] = 5.0
        model.get_layer("first").set_weights([kernel, bias])
        found = correct_biases(model, model, images).get_layer("scores").get_weights()[1]
        # At most half a step of 5/255 in each of 6 channels, times weights below 1.
        assert np.abs(found - model.get_layer("scores").get_weights()[1]).max() < 0.06


def test_a_network_without_error_keeps_its_biases(reference, images):
    same = correct_biases(reference, reference, images)
    np.testing.assert_allclose(
        same.get_layer("first").get_weights()[1], reference.get_layer("first").get_weights()[1], atol=1e-6
    )
