"""The classifier against the same steps done by hand with OpenCV and the interpreter."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from freezenet.edge_runtime.classifier import Classifier, Prediction
from freezenet.edge_runtime.decision import NOT_CHEST
from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.interpreter import Interpreter
from freezenet.edge_runtime.ood import OneClassGate, ood_to_dict

VARIANTS = ["float32", "float16", "dynamic", "int8"]


def some_images(phantoms):
    return sorted(phantoms.parent.rglob("*.png"))[::40]


def by_hand(model, gray: np.ndarray) -> np.ndarray:
    """Scores of a gray image with nothing of the preprocessing module."""
    interpreter = Interpreter(model)
    height, width = interpreter.inputs[0]["shape"][1:3]
    pixels = cv2.resize(gray, (int(width), int(height)), interpolation=cv2.INTER_AREA)
    tensor = np.stack([pixels] * 3, -1)[None]
    if interpreter.inputs[0]["dtype"] == np.float32:
        tensor = ((tensor.astype(np.float64) - 128.0) / 127.5).astype(np.float32)
    return interpreter.invoke(tensor)[0][0]


@pytest.mark.parametrize("variant", VARIANTS)
def test_prediction_equals_the_steps_by_hand(models, phantoms, variant):
    model = models / f"{variant}.tflite"
    classifier = Classifier(model)
    for image in some_images(phantoms):
        expected = by_hand(model, cv2.imread(str(image), cv2.IMREAD_GRAYSCALE))
        answer = classifier.predict(image)
        np.testing.assert_allclose(list(answer.probabilities.values()), expected, atol=1e-5)
        assert answer.label == classifier.card.labels[int(np.argmax(expected))]


def test_a_larger_image_is_shrunk_like_by_hand(models, phantoms):
    gray = cv2.imread(str(some_images(phantoms)[0]), cv2.IMREAD_GRAYSCALE)
    large = cv2.resize(gray, (500, 380), interpolation=cv2.INTER_CUBIC)
    answer = Classifier(models / "float32.tflite").predict(cv2.imencode(".png", large)[1].tobytes())
    expected = by_hand(models / "float32.tflite", large)
    np.testing.assert_allclose(list(answer.probabilities.values()), expected, atol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_probabilities_are_in_the_models_order_and_sum_to_one(models, run, phantoms, variant):
    answer = Classifier(models / f"{variant}.tflite").predict(some_images(phantoms)[0])
    assert list(answer.probabilities) == list(run.labels)
    assert sum(answer.probabilities.values()) == pytest.approx(1, abs=0.01)
    assert all(0 <= score <= 1 for score in answer.probabilities.values())
    assert answer.probabilities[answer.label] == max(answer.probabilities.values())


def test_timings_of_the_three_stages_are_positive(models, phantoms):
    timings = Classifier(models / "int8.tflite").predict(some_images(phantoms)[0]).timings_ms
    assert list(timings) == ["decode", "preprocess", "invoke"]
    assert all(value > 0 for value in timings.values())


def test_path_bytes_and_array_give_the_same_answer(models, phantoms):
    image, classifier = some_images(phantoms)[1], Classifier(models / "int8.tflite")
    gray = cv2.imread(str(image), cv2.IMREAD_GRAYSCALE)
    expected = classifier.predict(image).probabilities
    for source in (str(image), image.read_bytes(), gray, cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)):
        assert classifier.predict(source).probabilities == expected


def test_a_classifier_keeps_no_state_between_images(models, phantoms):
    classifier, images = Classifier(models / "int8.tflite"), some_images(phantoms)
    forward = [classifier.predict(image).probabilities for image in images]
    backward = [classifier.predict(image).probabilities for image in reversed(images)]
    assert forward == backward[::-1]


def test_scores_of_pixels_are_those_of_the_predictions(models, phantoms):
    classifier, images = Classifier(models / "int8.tflite"), some_images(phantoms)
    pixels = np.stack([classifier.card.preprocess.pixels(image) for image in images])
    scores = classifier.scores(pixels)
    assert scores.dtype == np.float32
    assert scores.shape == (len(images), len(classifier.card.labels))
    expected = [list(classifier.predict(image).probabilities.values()) for image in images]
    np.testing.assert_allclose(scores, expected, atol=1e-7)


def test_runtime_is_named_with_its_version(models):
    from importlib.metadata import version

    name, number = Classifier(models / "int8.tflite").runtime.split(" ")
    assert number == version(name)


def test_prediction_as_json_is_rounded():
    prediction = Prediction("b", {"a": 0.12345678, "b": 0.87654322}, {"decode": 1.23456})
    assert json.loads(json.dumps(prediction.to_dict())) == {
        "label": "b",
        "probabilities": {"a": 0.123457, "b": 0.876543},
        "chest_xray": None,
        "abstained": False,
        "reason": None,
        "timings_ms": {"decode": 1.235},
    }


def test_what_is_no_chest_x_ray_has_no_probabilities_as_json():
    refused = Prediction(None, {"a": 0.1, "b": 0.9}, {}, reason=NOT_CHEST, gated=True).to_dict()
    assert (refused["probabilities"], refused["chest_xray"]) == (None, False)
    # A blank image is none, also for a model without a gate.
    assert Prediction(None, {"a": 1.0}, {}, reason=NOT_CHEST).to_dict()["chest_xray"] is False
    unsure = Prediction(None, {"a": 0.5, "b": 0.5}, {}, reason="uncertain", gated=True).to_dict()
    assert (unsure["probabilities"], unsure["chest_xray"]) == ({"a": 0.5, "b": 0.5}, True)


def test_a_model_without_a_card_is_refused(bare):
    Interpreter(bare)  # the model itself is sound
    with pytest.raises(FreezenetError, match=r"A model with a card\.json inside is required\. Got: bare\.tflite"):
        Classifier(bare)


def test_a_truncated_model_is_refused_before_a_runtime_can_trip_over_it(models, tmp_path, monkeypatch):
    """The archive stands at the end of the file, so whatever was cut off, the card is gone."""
    monkeypatch.setattr("freezenet.edge_runtime.classifier.Interpreter", lambda *_, **__: pytest.fail("it was asked"))
    data = (models / "int8.tflite").read_bytes()
    cut = tmp_path / "cut.tflite"
    for keep in (8, 1000, len(data) // 2, len(data) - 20_000, len(data) - 1):
        cut.write_bytes(data[:keep])
        with pytest.raises(FreezenetError, match=r"is required\. Got: cut\.tflite"):
            Classifier(cut)


def test_a_card_with_another_number_of_labels_is_refused(models, with_card):
    model = with_card(models / "int8.tflite", lambda card: card["labels"].append("Other"))
    with pytest.raises(FreezenetError, match=r"5 labels is required\. Got: 4 scores"):
        Classifier(model)


def test_a_bad_image_leaves_the_classifier_usable(models, phantoms):
    classifier = Classifier(models / "int8.tflite")
    for bad in (b"", b"text", "missing.png", np.zeros((40, 40), np.float32)):
        with pytest.raises(FreezenetError):
            classifier.predict(bad)
    assert classifier.predict(some_images(phantoms)[0]).label in classifier.card.labels


# ---- abstention, class activation map, identity


def test_a_card_with_a_high_bar_makes_the_classifier_abstain(models, phantoms, with_card):
    image = some_images(phantoms)[0]
    plain = Classifier(models / "int8.tflite").predict(image)
    bar = {"temperature": 1.0, "abstain_below": 1.0}
    answer = Classifier(with_card(models / "int8.tflite", lambda card: card.update(confidence=bar))).predict(image)
    assert (answer.label, answer.abstained, answer.reason) == (None, True, "uncertain")
    assert answer.probabilities == pytest.approx(plain.probabilities, abs=0.01)
    assert answer.to_dict()["reason"] == "uncertain"


def test_a_gate_reads_the_models_own_features(models, phantoms, with_card):
    """A gate around the features of one image, taken from the interpreter directly, passes that image alone."""
    images, model = some_images(phantoms), models / "int8.tflite"
    plain = Classifier(model)
    engine = Interpreter(model)
    tensor = plain.card.preprocess.network_input(plain.card.preprocess.pixels(images[0]), np.uint8)
    features = engine.invoke(tensor)[plain.card.content["outputs"].index("features")][0]
    gate = ood_to_dict(OneClassGate(features, np.eye(len(features)), 1e-5))
    gated = Classifier(with_card(model, lambda card: card.update(gate=gate)))
    assert gated.predict(images[0]).label == plain.predict(images[0]).label
    assert {gated.predict(image).reason for image in images[1:]} == {"not a chest X-ray"}
    assert gated.predict(images[1], overlay=True).overlay is None


def test_a_gate_needs_the_features(models, with_card):
    gate = {"kind": "logistic", "weights": [1.0], "bias": 0.0, "threshold": 0.5}
    with pytest.raises(FreezenetError, match=r"features is required by the OOD gate.*profile edge"):
        Classifier(with_card(models / "int8-app.tflite", lambda card: card.update(gate=gate)))


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_blank_image_gets_no_label(models, value):
    answer = Classifier(models / "int8.tflite").predict(np.full((200, 200), value, np.uint8))
    assert (answer.label, answer.reason) == (None, "not a chest X-ray")


def test_the_overlay_shows_the_activation_of_the_most_probable_class(models, phantoms):
    from freezenet.edge_runtime.images.overlay import overlay_png

    image, classifier = some_images(phantoms)[0], Classifier(models / "int8.tflite")
    gray = cv2.imread(str(image), cv2.IMREAD_GRAYSCALE)
    answer = classifier.predict(image, overlay=True)
    tensor = classifier.card.preprocess.network_input(classifier.card.preprocess.pixels(image), np.uint8)
    cam = Interpreter(models / "int8.tflite").invoke(tensor)[classifier.card.content["outputs"].index("cam")][0]
    assert answer.overlay == overlay_png(gray, cam[..., classifier.card.labels.index(answer.label)])
    assert list(answer.timings_ms) == ["decode", "preprocess", "invoke", "overlay"]
    assert classifier.predict(image).overlay is None


def test_a_model_without_a_map_says_which_one_has_it(models, phantoms):
    with pytest.raises(FreezenetError, match=r"class activation map \(profile edge\) is required"):
        Classifier(models / "int8-app.tflite").predict(some_images(phantoms)[0], overlay=True)


def test_the_identity_names_the_file_that_answered(models):
    import hashlib
    import zipfile

    model = models / "int8.tflite"
    identity = Classifier(model).identity
    assert identity["model"] == "int8.tflite"
    assert identity["model_sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    with zipfile.ZipFile(model) as archive:
        assert identity["card_sha256"] == hashlib.sha256(archive.read("card.json")).hexdigest()


@pytest.mark.parametrize("how", ["replaced", "overwritten", "removed"])
def test_the_identity_is_that_of_the_bytes_that_were_loaded(models, phantoms, tmp_path, how):
    import hashlib

    path, image = tmp_path / "int8.tflite", some_images(phantoms)[0]
    path.write_bytes((models / "int8.tflite").read_bytes())
    classifier = Classifier(path)
    expected = classifier.predict(image, overlay=True)
    other = (models / "float32.tflite").read_bytes()
    if how == "replaced":
        (tmp_path / "new").write_bytes(other)
        (tmp_path / "new").replace(path)
    elif how == "overwritten":
        with path.open("r+b") as file:
            file.write(other)
            file.truncate(1000)
    else:
        path.unlink()
    for one in (classifier, classifier.another(), classifier.another().another()):
        assert one.file.content is classifier.file.content
        assert one.identity["model_sha256"] == hashlib.sha256((models / "int8.tflite").read_bytes()).hexdigest()
        assert one.identity["card_sha256"] != Classifier(models / "float32.tflite").identity["card_sha256"]
        answer = one.predict(image, overlay=True)
        assert (answer.probabilities, answer.overlay) == (expected.probabilities, expected.overlay)
