"""Acceptance of models that went wrong in a known way; small nets that convert in a moment, and constructed scores."""

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

from freezenet.convert.acceptance import ValidationScores, Verdict, judge, judge_scores
from freezenet.convert.converter import Converter
from freezenet.convert.float.flatbuffer import read_tree, write_tree
from freezenet.convert.float.operators import custom_operators
from freezenet.convert.options import AcceptanceLimits
from freezenet.convert.ptq.calibration import Calibration
from freezenet.convert.variants import VARIANTS
from freezenet.edge_runtime.images.preprocess import PreprocessSpec

SPEC = PreprocessSpec(size=(32, 32))
POST_TRAINING = ("float32", "float16", "dynamic", "int8", "int16x8")
LABELS = ("dark", "half", "bright")


def images() -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
    """40 images of noise, and their classes: dark, half as bright, or bright."""
    rng = np.random.default_rng(0)
    noise, divisor = rng.integers(0, 256, (40, 32, 32), dtype=np.uint8), rng.integers(1, 9, 40, dtype=np.uint8)
    return noise // divisor[:, None, None], 2 - np.searchsorted([3, 5], divisor, side="right")


def net(classes: int = 3) -> keras.Model:
    """A random convolution under a classifier that is solved for, so that it tells the three kinds of images apart from any start."""
    keras.utils.set_random_seed(1)
    image = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu6")(image)
    x = keras.layers.Flatten()(x)
    model = keras.Model(image, keras.layers.Dense(classes, activation="softmax")(x))
    pixels, labels = images()
    features = keras.Model(image, x).predict(SPEC.normalized(pixels), verbose=0)
    wanted = 2.0 * np.eye(classes)[labels] - 1
    # Ridge regression with a bias, by as many equations as there are images.
    center = features.mean(0)
    spread = features - center
    kernel = spread.T @ np.linalg.solve(spread @ spread.T + np.eye(len(spread)), wanted - wanted.mean(0))
    model.layers[-1].set_weights([kernel, wanted.mean(0) - center @ kernel])
    return model


@pytest.fixture(scope="module")
def model():
    return net()


@pytest.fixture(scope="module")
def pixels():
    return images()[0]


@pytest.fixture(scope="module")
def expected(model, pixels):
    scores = model.predict(SPEC.normalized(pixels), verbose=0)
    np.testing.assert_array_equal(scores.argmax(1), images()[1])
    return scores


@pytest.fixture(scope="module")
def validation(pixels, expected):
    """The network's own answers as truth, so that its recall is 1 in every class that it answers."""
    return ValidationScores(
        pixels, expected, np.eye(3, dtype=bool)[expected.argmax(1)], LABELS, tuple(map(str, range(len(pixels))))
    )


@pytest.fixture(scope="module")
def representative(pixels):
    return Calibration(pixels, ()).representative(SPEC)


@pytest.fixture(scope="module")
def converted(model, representative):
    return {name: Converter(model, representative).to_tflite(VARIANTS[name]) for name in POST_TRAINING}


@pytest.mark.parametrize("name", POST_TRAINING)
def test_a_sound_model_passes_with_its_figures(converted, pixels, expected, name, validation):
    verdict = judge(VARIANTS[name], converted[name], SPEC, validation)
    assert verdict.refused is None
    assert verdict.outcome in (("accepted",) if name in ("float32", "float16") else ("accepted", "undecided"))
    assert verdict.images == 40
    assert json.loads(json.dumps(verdict.to_dict(), allow_nan=False)).keys() == {
        "outcome",
        *(one.name for one in fields(Verdict)),
    }
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


def test_a_collapsed_keras_model_is_named_as_the_culprit(converted, pixels, expected, validation):
    verdict = judge(
        VARIANTS["int8"],
        converted["int8"],
        SPEC,
        replace(validation, expected=np.tile([0.1, 0.8, 0.1], (len(pixels), 1))),
    )
    assert verdict.refused.startswith("the trained model itself gives one class")


def test_nan_in_the_converted_model(representative, validation):
    broken = net()
    kernel, bias = broken.layers[-1].get_weights()
    broken.layers[-1].set_weights([np.full_like(kernel, np.nan), bias])
    verdict = judge(
        VARIANTS["float32"], Converter(broken, representative).to_tflite(VARIANTS["float32"]), SPEC, validation
    )
    assert verdict.refused.startswith("it gives NaN or infinity")
    assert verdict.largest_difference == np.inf


def test_one_class_for_every_image(expected, representative, validation):
    broken = net()
    kernel, bias = broken.layers[-1].get_weights()
    broken.layers[-1].set_weights([kernel * 0, np.eye(3, dtype=bias.dtype)[1]])
    verdict = judge(VARIANTS["int8"], Converter(broken, representative).to_tflite(VARIANTS["int8"]), SPEC, validation)
    assert verdict.refused.startswith("it gives one class for every image")
    assert verdict.agreement == np.mean(expected.argmax(1) == 1)


def test_calibration_on_unscaled_pixels_is_refused_and_preprocessing_named(model, pixels, validation):
    def unscaled():
        for image in pixels:
            yield [np.repeat(image[None, ..., None], 3, -1).astype(np.float32)]

    verdict = judge(VARIANTS["int8"], Converter(model, unscaled).to_tflite(VARIANTS["int8"]), SPEC, validation)
    assert "preprocessing" in verdict.refused
    assert "from 0 to 255" in verdict.refused and "-1 to 0.996" in verdict.refused


def test_calibration_between_zero_and_one_is_refused(model, pixels, validation):
    def other_scale():
        for image in pixels:
            yield [np.repeat(image[None, ..., None], 3, -1).astype(np.float32) / 255]

    verdict = judge(VARIANTS["int8"], Converter(model, other_scale).to_tflite(VARIANTS["int8"]), SPEC, validation)
    assert "calibration images without the training's preprocessing" in verdict.refused


def test_other_weights_are_refused(representative, validation):
    other = net()
    kernel, bias = other.layers[-1].get_weights()
    other.layers[-1].set_weights([-kernel, bias])
    for name in ("float32", "int8"):
        verdict = judge(VARIANTS[name], Converter(other, representative).to_tflite(VARIANTS[name]), SPEC, validation)
        assert verdict.refused is not None
        assert "largest score difference" in verdict.refused


def test_another_number_of_classes_is_refused(representative, validation):
    content = Converter(net(classes=5), representative).to_tflite(VARIANTS["float32"])
    verdict = judge(VARIANTS["float32"], content, SPEC, validation)
    assert verdict.refused == "the output has shape [1, 5] and not [1, 3]"


@pytest.fixture
def losing(converted, validation):
    """Validation scores on which the float32 file answers `lost` images of one class wrongly that Keras had right, and all others rightly."""

    def make(lost: int) -> tuple[ValidationScores, str, NDArray]:
        interpreter = tf.lite.Interpreter(model_content=converted["float32"])
        interpreter.allocate_tensors()
        found = []
        for tensor in SPEC.normalized(validation.pixels):
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
        return replace(validation, expected=scores, truth=np.eye(3, dtype=bool)[truth]), LABELS[other], answers

    return make


def test_a_model_that_loses_answers_is_refused_with_scikit_learns_figures(converted, losing):
    validation, label, answers = losing(8)
    verdict = judge(VARIANTS["int8"], converted["float32"], SPEC, validation)
    macro_f1 = f1_score(validation.truth.argmax(1), answers, average="macro")
    recall = recall_score(validation.truth.argmax(1), answers, average=None)[LABELS.index(label)]
    assert verdict.outcome == "refused"
    assert verdict.macro_f1["keras"]["value"] == 1
    assert verdict.macro_f1["this"]["value"] == pytest.approx(macro_f1, abs=1e-6)
    assert verdict.macro_f1["difference"]["value"] == pytest.approx(macro_f1 - 1, abs=1e-6)
    assert verdict.recall[label]["this"]["value"] == pytest.approx(recall, abs=1e-6)
    assert verdict.recall[label]["difference"]["value"] == pytest.approx(recall - 1, abs=1e-6)
    assert verdict.changed == 8 and verdict.agreement == pytest.approx(0.8)
    assert (
        f"macro-F1 falls from 1.000 [{verdict.macro_f1['keras']['low']:.3f}, 1.000] to {macro_f1:.3f} ["
        in verdict.refused
    )
    assert f"recall of {label} falls from 1.000" in verdict.refused and f"to {recall:.3f}" in verdict.refused
    assert "--no-acceptance" in verdict.refused


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        (AcceptanceLimits(f1_kept=0.5), "recall of"),
        (AcceptanceLimits(recall_loss=1.0), "macro-F1 falls"),
        (AcceptanceLimits(f1_kept=0.5, recall_loss=1.0, agreement=0.95), "fewer than 95% keep their class"),
        (AcceptanceLimits(f1_kept=0.5, recall_loss=1.0), None),
    ],
)
def test_each_limit_can_be_set(converted, losing, limits, named):
    refused = judge(VARIANTS["int8"], converted["float32"], SPEC, losing(8)[0], limits).refused
    assert refused is None if named is None else named in refused


# Constructed scores: four classes in turn, each image its own patient, and Keras right on all but the named ones.
FOUR = ("a", "b", "c", "d")


def constructed(images: int, wrong: int = 0) -> tuple[ValidationScores, NDArray]:
    """Validation scores of `images` images, of which Keras has the last `wrong` wrong, and the class that it answers."""
    truth = np.arange(images) % 4
    answers = truth.copy()
    answers[images - wrong :] = (truth[images - wrong :] + 1) % 4
    patients = tuple(map(str, range(images)))
    pixels = np.zeros((images, 1, 1), np.uint8)
    return ValidationScores(pixels, scores_of(answers), np.eye(4, dtype=bool)[truth], FOUR, patients), answers


def scores_of(answers: NDArray) -> NDArray:
    return np.where(np.arange(4) == answers[:, None], 0.91, 0.03).astype(np.float32)


def with_losses(answers: NDArray, lost: int, won: int = 0) -> NDArray:
    """Answers of which the first `lost` became wrong and the last `won`, wrong before, became right."""
    changed = answers.copy()
    changed[:lost] = (changed[:lost] + 1) % 4
    changed[len(answers) - won :] = (changed[len(answers) - won :] - 1) % 4
    return changed


def int8_verdict(images: int, lost: int, won: int = 0, wrong: int = 0, **limits) -> Verdict:
    validation, answers = constructed(images, wrong)
    found = scores_of(with_losses(answers, lost, won))
    return judge_scores(VARIANTS["int8"], found, validation, AcceptanceLimits(**limits))


def test_nothing_lost_is_accepted():
    assert int8_verdict(34, 0).outcome == int8_verdict(34, 0, strict=True).outcome == "accepted"


def test_two_changed_images_of_34_are_undecided():
    """Half of all draws of patients hold neither or one of the two, and two of two for the worse come by chance in a quarter."""
    verdict = int8_verdict(34, 2)
    assert (verdict.outcome, verdict.refused) == ("undecided", None)
    # a: 9 images, 8 found; b: 9, 8 found, 1 wrong answer; c: 8 found, 1 wrong; d: all.
    macro_f1 = (2 * 8 / (9 + 8) + 2 * 8 / (9 + 9) + 2 * 8 / (8 + 9) + 1) / 4
    assert verdict.macro_f1["difference"]["value"] == pytest.approx(macro_f1 - 1, abs=1e-6)
    assert verdict.macro_f1["difference"]["high"] == 0
    assert verdict.undecided.startswith(
        "34 validation images are too few to tell this from chance: macro-F1 falls from "
    )
    assert verdict.undecided.endswith("; accepted because strict is not set")


def test_strict_refuses_what_cannot_be_told():
    verdict = int8_verdict(34, 2, strict=True)
    assert verdict.outcome == "refused" and verdict.undecided is None
    assert "34 validation images are too few" in verdict.refused and "refused because strict is set" in verdict.refused


def test_ten_points_lost_on_91_images_are_refused():
    """Nine of 91; all nine for the worse come by chance once in 512."""
    verdict = int8_verdict(91, 9)
    assert verdict.outcome == "refused"
    assert verdict.macro_f1["difference"]["value"] == pytest.approx(-0.1, abs=0.005)
    assert verdict.macro_f1["difference"]["high"] < -0.01
    assert "macro-F1 falls from 1.000" in verdict.refused and "too few" not in verdict.refused


def test_ten_points_lost_on_91_images_are_refused_where_some_are_won_too():
    """Twelve lost, three won: 15 coins show twelve heads or more with p = .018."""
    verdict = int8_verdict(91, 12, won=3, wrong=9)
    assert verdict.outcome == "refused" and verdict.changed == 15


def test_changes_either_way_are_no_loss():
    """Six lost and six won in a file that is as good as before."""
    assert int8_verdict(91, 6, won=6, wrong=12, recall_loss=1).outcome in ("accepted", "undecided")
    assert int8_verdict(91, 6, won=6, wrong=12, recall_loss=1).refused is None


@pytest.mark.parametrize(("lost", "outcome"), [(1, "undecided"), (4, "undecided"), (5, "refused"), (8, "refused")])
def test_a_class_of_eight_that_is_lost_is_refused_from_the_fifth_image_on(lost, outcome):
    """Four of four for the worse come by chance once in 16, five of five once in 32. Macro-F1 and agreement have no say here."""
    validation, answers = constructed(32)
    answers[4 * np.arange(lost)] = 1  # images of class a
    limits = AcceptanceLimits(f1_kept=0, agreement=0)
    verdict = judge_scores(VARIANTS["int8"], scores_of(answers), validation, limits)
    assert verdict.outcome == outcome
    assert verdict.recall["a"]["difference"]["value"] == pytest.approx(-lost / 8)
    assert "recall of a falls from 1.000" in (verdict.refused or verdict.undecided)


def test_images_of_one_patient_count_once():
    """Nine lost images of 91, but of two patients: two coins."""
    validation, answers = constructed(91)
    patients = ("first",) * 5 + ("second",) * 4 + validation.patients[9:]
    found = scores_of(with_losses(answers, 9))
    verdict = judge_scores(VARIANTS["int8"], found, replace(validation, patients=patients))
    assert verdict.outcome == "undecided"


def test_seven_changed_of_34_do_not_show_a_collapse_but_twenty_do():
    """79 % agreement is below 80 %, which 34 images cannot tell from 80; 41 % they can."""
    few = int8_verdict(34, 7, f1_kept=0, recall_loss=1)
    assert few.outcome == "undecided" and "fewer than 80% keep their class" in few.undecided
    many = int8_verdict(34, 20, f1_kept=0, recall_loss=1)
    assert many.outcome == "refused" and "fewer than 80% keep their class" in many.refused


def test_one_class_for_all_is_a_collapse_only_where_enough_answers_changed():
    """Keras finds 3 of 40 in a second class. A file that misses all three may have lost three; one that misses nine has collapsed."""
    for others, outcome in ((3, "undecided"), (9, "refused")):
        truth = (np.arange(40) < others).astype(int)
        validation = ValidationScores(
            np.zeros((40, 1, 1), np.uint8),
            scores_of(truth),
            np.eye(4, dtype=bool)[truth],
            FOUR,
            tuple(map(str, range(40))),
        )
        verdict = judge_scores(VARIANTS["int8"], scores_of(0 * truth), validation)
        assert verdict.outcome == outcome
        assert "it gives one class for every image" in (verdict.refused or verdict.undecided)


def test_a_broken_file_is_refused_on_any_number_of_images():
    validation, answers = constructed(8)
    scores = scores_of(answers)
    nan = np.where(np.arange(8)[:, None] == 3, np.nan, scores)
    assert "NaN" in judge_scores(VARIANTS["int8"], nan, validation).refused
    assert "scores differ by more" in judge_scores(VARIANTS["float32"], scores + np.float32(0.01), validation).refused
    wrong = judge_scores(VARIANTS["int8"], scores, validation, wrong_input="its uint8 input stands for something else")
    assert wrong.refused.startswith("its uint8 input stands for something else (100.0% of 8 images keep their class")


def test_a_model_that_no_runtime_loads_is_refused_and_the_others_go_on(converted, validation):
    tree = read_tree(converted["int8"])
    for code in tree.operatorCodes:
        code.version = 99
    verdict = judge(VARIANTS["int8"], write_tree(tree), SPEC, validation)
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


def test_operators_outside_the_builtin_set_are_refused_and_named(converted, validation):
    content = flex_model()
    assert custom_operators(content) == ["FlexMatrixDeterminant"]
    assert custom_operators(converted["int8"]) == []
    verdict = judge(VARIANTS["float32"], content, SPEC, validation)
    assert verdict.refused == "it needs operators outside the builtin set: FlexMatrixDeterminant"


@pytest.fixture(scope="module")
def labelled(model, pixels, representative):
    """(validation, int8 file) of the same network with a sigmoid for each label, thresholds of its own and a temperature."""
    dense = model.layers[-1]
    keras.utils.set_random_seed(1)
    scores = keras.layers.Dense(3, activation="sigmoid")
    network = keras.Model(model.input, scores(model.layers[-2].output))
    scores.set_weights(dense.get_weights())
    expected = network.predict(SPEC.normalized(pixels), verbose=0)
    decision = {
        "task": "multi-label",
        "confidence": {"temperature": 1.5},
        "thresholds": {label: widest_gap(column) for label, column in zip(LABELS, scaled(expected).T, strict=True)},
    }
    validation = ValidationScores(
        pixels, expected, expected > 0.5, LABELS, tuple(map(str, range(len(pixels)))), decision
    )
    return validation, Converter(network, representative).to_tflite(VARIANTS["int8"])


def scaled(scores):
    return expit(logit(np.clip(scores.astype(np.float64), 1e-7, 1 - 1e-7)) / 1.5)


def widest_gap(probabilities: NDArray) -> float:
    """The middle of the widest gap in the upper half, so that rounding moves no image over the threshold."""
    upper = np.sort(probabilities)[len(probabilities) // 2 :]
    first = np.diff(upper).argmax()
    return float(upper[first : first + 2].mean())


def at_thresholds(scores, validation):
    return scaled(scores) >= [validation.decision["thresholds"][label] for label in LABELS]


def test_labels_are_judged_at_their_thresholds_with_scikit_learns_figures(labelled):
    validation, content = labelled
    verdict = judge(VARIANTS["int8"], content, SPEC, validation, AcceptanceLimits(f1_kept=0, recall_loss=1))
    assert verdict.refused is None
    answers = at_thresholds(validation.expected, validation)
    assert (answers != (validation.expected >= 0.5)).any(), "the thresholds decide something"
    assert verdict.macro_f1["keras"]["value"] == pytest.approx(
        f1_score(validation.truth, answers, average="macro", zero_division=0), abs=1e-6
    )
    recall = recall_score(validation.truth, answers, average=None, zero_division=0)
    for label, value in zip(LABELS, recall, strict=True):
        assert verdict.recall[label]["keras"]["value"] == pytest.approx(value, abs=1e-6)


def test_a_lost_label_is_refused_by_its_recall(labelled):
    """The truth is what Keras answers, so each label that the file does not answer is lost."""
    validation, content = labelled
    raised = np.where(np.arange(3) == 1, np.maximum(validation.expected, 0.99), validation.expected)
    validation = replace(validation, expected=raised, truth=at_thresholds(raised, validation))
    verdict = judge(VARIANTS["int8"], content, SPEC, validation, AcceptanceLimits(agreement=0))
    assert verdict.changed >= 3
    assert f"recall of {LABELS[1]} falls from 1.000" in verdict.refused
    assert f"recall of {LABELS[0]}" not in verdict.refused


def test_one_label_set_for_every_image(labelled):
    validation, content = labelled
    never = {**validation.decision, "thresholds": dict.fromkeys(LABELS, 1.0)}
    verdict = judge(VARIANTS["int8"], content, SPEC, replace(validation, decision=never))
    assert verdict.refused.startswith("the trained model itself gives one class for every image")
