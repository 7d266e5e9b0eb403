"""The gate on models that went wrong in a known way; small nets that convert in a moment."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from convert.calibration import Calibration
from convert.gate import judge
from convert.operators import custom_operators
from convert.tflite import VARIANTS, Converter
from edge_runtime.preprocess import PreprocessSpec

SPEC = PreprocessSpec(size=(32, 32))


def net(classes: int = 3) -> keras.Model:
    keras.utils.set_random_seed(1)
    image = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu6")(image)
    x = keras.layers.Flatten()(x)
    return keras.Model(image, keras.layers.Dense(classes, activation="softmax")(x))


@pytest.fixture(scope="module")
def model():
    return net()


@pytest.fixture(scope="module")
def pixels():
    """Images that are dark, bright or half and half, so that a random net gives them different classes."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (40, 32, 32), dtype=np.uint8) // rng.integers(1, 9, (40, 1, 1), dtype=np.uint8)


@pytest.fixture(scope="module")
def expected(model, pixels):
    scores = model.predict(SPEC.normalized(pixels), verbose=0)
    assert len(set(scores.argmax(1))) > 1
    return scores


@pytest.fixture(scope="module")
def representative(pixels):
    return Calibration(pixels, ()).representative(SPEC)


@pytest.fixture(scope="module")
def converted(model, representative):
    return {name: Converter(model, representative).to_tflite(variant) for name, variant in VARIANTS.items()}


@pytest.mark.parametrize("name", list(VARIANTS))
def test_a_sound_model_passes_with_its_figures(converted, pixels, expected, name):
    verdict = judge(VARIANTS[name], converted[name], SPEC, pixels, expected)
    assert verdict.refused is None
    assert verdict.to_dict() == {
        "images": 40,
        "agreement": verdict.agreement,
        "largest_difference": verdict.largest_difference,
        "refused": None,
    }
    interpreter = tf.lite.Interpreter(model_content=converted[name])
    interpreter.allocate_tensors()
    found = []
    for image in pixels:
        tensor = np.repeat(image[..., None], 3, -1)[None]
        if name != "int8":
            tensor = ((tensor.astype(np.float64) - 128) / 127.5).astype(np.float32)
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], tensor)
        interpreter.invoke()
        found.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
    assert verdict.agreement == pytest.approx(np.mean(np.argmax(found, 1) == expected.argmax(1)), abs=0.051)
    assert verdict.largest_difference == pytest.approx(np.abs(np.array(found) - expected).max(), abs=0.02)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_keras_model_with_nan_is_named_as_the_culprit(converted, pixels, expected, value):
    broken = expected.copy()
    broken[3, 1] = value
    verdict = judge(VARIANTS["float32"], converted["float32"], SPEC, pixels, broken)
    assert verdict.refused.startswith("the trained model itself gives NaN or infinity")


def test_a_collapsed_keras_model_is_named_as_the_culprit(converted, pixels, expected):
    verdict = judge(VARIANTS["int8"], converted["int8"], SPEC, pixels, np.tile([0.1, 0.8, 0.1], (len(pixels), 1)))
    assert verdict.refused.startswith("the trained model itself gives one class")


def test_nan_in_the_converted_model(pixels, expected, representative):
    broken = net()
    kernel, bias = broken.layers[-1].get_weights()
    broken.layers[-1].set_weights([np.full_like(kernel, np.nan), bias])
    verdict = judge(
        VARIANTS["float32"], Converter(broken, representative).to_tflite(VARIANTS["float32"]), SPEC, pixels, expected
    )
    assert verdict.refused.startswith("it gives NaN or infinity")
    assert verdict.largest_difference == np.inf


def test_one_class_for_every_image(pixels, expected, representative):
    broken = net()
    kernel, bias = broken.layers[-1].get_weights()
    broken.layers[-1].set_weights([kernel * 0, np.eye(3, dtype=bias.dtype)[1]])
    verdict = judge(
        VARIANTS["int8"], Converter(broken, representative).to_tflite(VARIANTS["int8"]), SPEC, pixels, expected
    )
    assert verdict.refused.startswith("it gives one class for every image")
    assert verdict.agreement == np.mean(expected.argmax(1) == 1)


def test_calibration_on_unscaled_pixels_is_refused_and_preprocessing_named(model, pixels, expected):
    def unscaled():
        for image in pixels:
            yield [np.repeat(image[None, ..., None], 3, -1).astype(np.float32)]

    verdict = judge(VARIANTS["int8"], Converter(model, unscaled).to_tflite(VARIANTS["int8"]), SPEC, pixels, expected)
    assert "preprocessing" in verdict.refused
    assert "from 0 to 255" in verdict.refused and "-1 to 0.996" in verdict.refused


def test_calibration_between_zero_and_one_is_refused(model, pixels, expected):
    def other_scale():
        for image in pixels:
            yield [np.repeat(image[None, ..., None], 3, -1).astype(np.float32) / 255]

    verdict = judge(VARIANTS["int8"], Converter(model, other_scale).to_tflite(VARIANTS["int8"]), SPEC, pixels, expected)
    assert "calibration images without the training's preprocessing" in verdict.refused


def test_other_weights_are_refused(pixels, expected, representative):
    other = net()
    kernel, bias = other.layers[-1].get_weights()
    other.layers[-1].set_weights([-kernel, bias])
    for name in ("float32", "int8"):
        verdict = judge(
            VARIANTS[name], Converter(other, representative).to_tflite(VARIANTS[name]), SPEC, pixels, expected
        )
        assert verdict.refused is not None
        assert "largest score difference" in verdict.refused


def test_another_number_of_classes_is_refused(pixels, expected, representative):
    content = Converter(net(classes=5), representative).to_tflite(VARIANTS["float32"])
    verdict = judge(VARIANTS["float32"], content, SPEC, pixels, expected)
    assert verdict.refused == "the output has shape [1, 5] and not [1, 3]"


def flex_model() -> bytes:
    @tf.function(input_signature=[tf.TensorSpec((1, 32, 32, 3), tf.float32)])
    def network(image):
        return tf.linalg.det(tf.reshape(image, (3, 32, 32)))[None]

    module = tf.Module()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()], module)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    return converter.convert()


def test_operators_outside_the_builtin_set_are_refused_and_named(pixels, expected, converted):
    content = flex_model()
    assert custom_operators(content) == ["FlexMatrixDeterminant"]
    assert custom_operators(converted["int8"]) == []
    verdict = judge(VARIANTS["float32"], content, SPEC, pixels, expected)
    assert verdict.refused == "it needs operators outside the builtin set: FlexMatrixDeterminant"
