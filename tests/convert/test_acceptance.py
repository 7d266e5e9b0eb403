"""The gate on models that went wrong in a known way; small nets that convert in a moment."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.metrics import f1_score, recall_score

from freezenet.convert.acceptance import Evidence, GateLimits, Verdict, judge
from freezenet.convert.converter import Converter
from freezenet.convert.float.flatbuffer import read_tree, write_tree
from freezenet.convert.float.operators import custom_operators
from freezenet.convert.ptq.calibration import Calibration
from freezenet.convert.variants import VARIANTS
from freezenet.edge_runtime.images.preprocess import PreprocessSpec

SPEC = PreprocessSpec(size=(32, 32))
POST_TRAINING = ("float32", "float16", "dynamic", "int8", "int16x8")
LABELS = ("dark", "half", "bright")


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
def evidence(pixels, expected):
    """The network's own answers as truth, so that its recall is 1 in every class that it answers."""
    return Evidence(
        pixels, expected, np.eye(3, dtype=bool)[expected.argmax(1)], LABELS, tuple(map(str, range(len(pixels))))
    )


@pytest.fixture(scope="module")
def representative(pixels):
    return Calibration(pixels, ()).representative(SPEC)


@pytest.fixture(scope="module")
def converted(model, representative):
    return {name: Converter(model, representative).to_tflite(VARIANTS[name]) for name in POST_TRAINING}


@pytest.mark.parametrize("name", POST_TRAINING)
def test_a_sound_model_passes_with_its_figures(converted, pixels, expected, name, evidence):
    verdict = judge(VARIANTS[name], converted[name], SPEC, evidence)
    assert verdict.refused is None
    assert verdict.images == 40
    assert json.loads(json.dumps(verdict.to_dict(), allow_nan=False)).keys() == {one.name for one in fields(Verdict)}
    interpreter = tf.lite.Interpreter(model_content=converted[name])
    interpreter.allocate_tensors()
    found = []
    for image in pixels:
        tensor = np.repeat(image[..., None], 3, -1)[None]
        if interpreter.get_input_details()[0]["dtype"] != np.uint8:
            tensor = ((tensor.astype(np.float64) - 128) / 127.5).astype(np.float32)
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], tensor)
        interpreter.invoke()
        found.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
    assert verdict.agreement == pytest.approx(np.mean(np.argmax(found, 1) == expected.argmax(1)), abs=0.051)
    assert verdict.largest_difference == pytest.approx(np.abs(np.array(found) - expected).max(), abs=0.02)


def test_a_collapsed_keras_model_is_named_as_the_culprit(converted, pixels, expected, evidence):
    verdict = judge(
        VARIANTS["int8"],
        converted["int8"],
        SPEC,
        replace(evidence, expected=np.tile([0.1, 0.8, 0.1], (len(pixels), 1))),
    )
    assert verdict.refused.startswith("the trained model itself gives one class")


def test_nan_in_the_converted_model(representative, evidence):
    broken = net()
    kernel, bias = broken.layers[-1].get_weights()
    broken.layers[-1].set_weights([np.full_like(kernel, np.nan), bias])
    verdict = judge(
        VARIANTS["float32"], Converter(broken, representative).to_tflite(VARIANTS["float32"]), SPEC, evidence
    )
    assert verdict.refused.startswith("it gives NaN or infinity")
    assert verdict.largest_difference == np.inf


def test_one_class_for_every_image(expected, representative, evidence):
    broken = net()
    kernel, bias = broken.layers[-1].get_weights()
    broken.layers[-1].set_weights([kernel * 0, np.eye(3, dtype=bias.dtype)[1]])
    verdict = judge(VARIANTS["int8"], Converter(broken, representative).to_tflite(VARIANTS["int8"]), SPEC, evidence)
    assert verdict.refused.startswith("it gives one class for every image")
    assert verdict.agreement == np.mean(expected.argmax(1) == 1)


def test_calibration_on_unscaled_pixels_is_refused_and_preprocessing_named(model, pixels, evidence):
    def unscaled():
        for image in pixels:
            yield [np.repeat(image[None, ..., None], 3, -1).astype(np.float32)]

    verdict = judge(VARIANTS["int8"], Converter(model, unscaled).to_tflite(VARIANTS["int8"]), SPEC, evidence)
    assert "preprocessing" in verdict.refused
    assert "from 0 to 255" in verdict.refused and "-1 to 0.996" in verdict.refused


def test_calibration_between_zero_and_one_is_refused(model, pixels, evidence):
    def other_scale():
        for image in pixels:
            yield [np.repeat(image[None, ..., None], 3, -1).astype(np.float32) / 255]

    verdict = judge(VARIANTS["int8"], Converter(model, other_scale).to_tflite(VARIANTS["int8"]), SPEC, evidence)
    assert "calibration images without the training's preprocessing" in verdict.refused


def test_other_weights_are_refused(representative, evidence):
    other = net()
    kernel, bias = other.layers[-1].get_weights()
    other.layers[-1].set_weights([-kernel, bias])
    for name in ("float32", "int8"):
        verdict = judge(VARIANTS[name], Converter(other, representative).to_tflite(VARIANTS[name]), SPEC, evidence)
        assert verdict.refused is not None
        assert "largest score difference" in verdict.refused


def test_another_number_of_classes_is_refused(representative, evidence):
    content = Converter(net(classes=5), representative).to_tflite(VARIANTS["float32"])
    verdict = judge(VARIANTS["float32"], content, SPEC, evidence)
    assert verdict.refused == "the output has shape [1, 5] and not [1, 3]"


@pytest.fixture
def losing(converted, evidence):
    """Evidence on which the float32 file answers `lost` images of one class wrongly that Keras had right, and all others rightly."""

    def make(lost: int) -> tuple[Evidence, str, NDArray]:
        interpreter = tf.lite.Interpreter(model_content=converted["float32"])
        interpreter.allocate_tensors()
        found = []
        for tensor in SPEC.normalized(evidence.pixels):
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], tensor[None])
            interpreter.invoke()
            found.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
        found = np.array(found)
        answers = found.argmax(1)
        common = int(np.bincount(answers).argmax())
        other = (common + 1) % 3
        truth = answers.copy()
        truth[np.flatnonzero(answers == common)[:lost]] = other
        scores = np.where(np.arange(3) == truth[:, None], 0.9, 0.05).astype(np.float32)
        return replace(evidence, expected=scores, truth=np.eye(3, dtype=bool)[truth]), LABELS[other], answers

    return make


def test_a_model_that_loses_answers_is_refused_with_scikit_learns_figures(converted, losing):
    evidence, label, answers = losing(4)
    verdict = judge(VARIANTS["int8"], converted["float32"], SPEC, evidence)
    macro_f1 = f1_score(evidence.truth.argmax(1), answers, average="macro")
    recall = recall_score(evidence.truth.argmax(1), answers, average=None)[LABELS.index(label)]
    assert verdict.macro_f1["keras"]["value"] == 1
    assert verdict.macro_f1["this"]["value"] == pytest.approx(macro_f1, abs=1e-6)
    assert verdict.recall[label]["this"]["value"] == pytest.approx(recall, abs=1e-6)
    assert verdict.changed == 4 and verdict.agreement == pytest.approx(0.9)
    assert (
        f"macro-F1 falls from 1.000 [{verdict.macro_f1['keras']['low']:.3f}, 1.000] to {macro_f1:.3f} ["
        in verdict.refused
    )
    assert f"recall of {label} falls from 1.000" in verdict.refused and f"to {recall:.3f}" in verdict.refused
    assert "--no-gate" in verdict.refused


def test_a_loss_that_one_image_explains_is_tolerated_unless_asked_otherwise(converted, losing):
    evidence, label, answers = losing(1)
    assert f1_score(evidence.truth.argmax(1), answers, average="macro") < 0.99
    assert judge(VARIANTS["int8"], converted["float32"], SPEC, evidence).refused is None
    strict = judge(VARIANTS["int8"], converted["float32"], SPEC, evidence, GateLimits(tolerated_images=0))
    assert "macro-F1 falls" in strict.refused and f"recall of {label} falls" in strict.refused


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        (GateLimits(f1_kept=0.5), "recall of"),
        (GateLimits(recall_loss=1.0), "macro-F1 falls"),
        (GateLimits(f1_kept=0.5, recall_loss=1.0, agreement=0.95), "fewer than 95% keep their class"),
        (GateLimits(f1_kept=0.5, recall_loss=1.0), None),
    ],
)
def test_each_limit_can_be_set(converted, losing, limits, named):
    refused = judge(VARIANTS["int8"], converted["float32"], SPEC, losing(4)[0], limits).refused
    assert refused is None if named is None else named in refused


def test_a_model_that_no_runtime_loads_is_refused_and_the_others_go_on(converted, evidence):
    tree = read_tree(converted["int8"])
    for code in tree.operatorCodes:
        code.version = 99
    verdict = judge(VARIANTS["int8"], write_tree(tree), SPEC, evidence)
    assert verdict.images == 0
    assert (
        verdict.refused.startswith("it cannot be loaded: A model that ai-edge-litert") and "version" in verdict.refused
    )


def flex_model() -> bytes:
    @tf.function(input_signature=[tf.TensorSpec((1, 32, 32, 3), tf.float32)])
    def network(image):
        return tf.linalg.det(tf.reshape(image, (3, 32, 32)))[None]

    module = tf.Module()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()], module)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    return converter.convert()


def test_operators_outside_the_builtin_set_are_refused_and_named(converted, evidence):
    content = flex_model()
    assert custom_operators(content) == ["FlexMatrixDeterminant"]
    assert custom_operators(converted["int8"]) == []
    verdict = judge(VARIANTS["float32"], content, SPEC, evidence)
    assert verdict.refused == "it needs operators outside the builtin set: FlexMatrixDeterminant"


@pytest.fixture(scope="module")
def labelled(model, pixels, representative):
    """(evidence, int8 file) of the same network with a sigmoid for each label, thresholds of its own and a temperature."""
    dense = model.layers[-1]
    keras.utils.set_random_seed(1)
    scores = keras.layers.Dense(3, activation="sigmoid")
    network = keras.Model(model.input, scores(model.layers[-2].output))
    scores.set_weights(dense.get_weights())
    expected = network.predict(SPEC.normalized(pixels), verbose=0)
    decision = {
        "task": "multi-label",
        "confidence": {"temperature": 1.5},
        "thresholds": dict(zip(LABELS, np.median(expected, 0).round(3).tolist(), strict=True)),
    }
    evidence = Evidence(pixels, expected, expected > 0.5, LABELS, tuple(map(str, range(len(pixels)))), decision)
    return evidence, Converter(network, representative).to_tflite(VARIANTS["int8"])


def at_thresholds(scores, evidence):
    scaled = expit(logit(np.clip(scores, 1e-7, 1 - 1e-7)) / 1.5)
    return scaled >= [evidence.decision["thresholds"][label] for label in LABELS]


def test_labels_are_judged_at_their_thresholds_with_scikit_learns_figures(labelled):
    evidence, content = labelled
    verdict = judge(VARIANTS["int8"], content, SPEC, evidence, GateLimits(f1_kept=0, recall_loss=1))
    assert verdict.refused is None
    answers = at_thresholds(evidence.expected, evidence)
    assert (answers != (evidence.expected >= 0.5)).any(), "the thresholds decide something"
    assert verdict.macro_f1["keras"]["value"] == pytest.approx(
        f1_score(evidence.truth, answers, average="macro", zero_division=0), abs=1e-6
    )
    recall = recall_score(evidence.truth, answers, average=None, zero_division=0)
    for label, value in zip(LABELS, recall, strict=True):
        assert verdict.recall[label]["keras"]["value"] == pytest.approx(value, abs=1e-6)


def test_a_lost_label_is_refused_by_its_recall(labelled):
    """The truth is what Keras answers, so each label that the file does not answer is lost."""
    evidence, content = labelled
    raised = np.where(np.arange(3) == 1, np.maximum(evidence.expected, 0.99), evidence.expected)
    evidence = replace(evidence, expected=raised, truth=at_thresholds(raised, evidence))
    verdict = judge(VARIANTS["int8"], content, SPEC, evidence, GateLimits(agreement=0))
    assert verdict.changed >= 3
    assert f"recall of {LABELS[1]} falls from 1.000" in verdict.refused
    assert f"recall of {LABELS[0]}" not in verdict.refused


def test_one_label_set_for_every_image(labelled):
    evidence, content = labelled
    never = {**evidence.decision, "thresholds": dict.fromkeys(LABELS, 1.0)}
    verdict = judge(VARIANTS["int8"], content, SPEC, replace(evidence, decision=never))
    assert verdict.refused.startswith("the trained model itself gives one class for every image")
