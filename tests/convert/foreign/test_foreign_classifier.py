"""Files of TensorFlow's converter, against the Keras network that they are of."""

from __future__ import annotations

import pickle
from dataclasses import replace

import cv2
import numpy as np
import pytest

from freezenet.convert.foreign.asked import Asked
from freezenet.convert.foreign.classifier import ForeignClassifier, is_ours
from freezenet.convert.foreign.reading import read_foreign
from freezenet.edge_runtime.errors import ModelError
from freezenet.edge_runtime.integrity.model_file import ModelFile

LABELS = "Clear,Diffuse,Focal,Reticular"
SPEC = "mean=127.5,std=127.5,resize=bilinear"


def opened(folder, name, spec=SPEC, labels=LABELS) -> ForeignClassifier:
    file = ModelFile.read(folder / f"{name}.tflite")
    return ForeignClassifier(file, read_foreign(file, Asked.read(spec, labels)))


@pytest.fixture(scope="module")
def paths(phantoms):
    # Those that the network was made of, among others.
    return sorted(phantoms.parent.rglob("*.png"))[::3]


@pytest.fixture(scope="module")
def expected(foreign, paths):
    """What Keras says of the files as TensorFlow decodes and resizes them."""
    import keras
    import tensorflow as tf

    images = [tf.image.resize(tf.io.decode_png(path.read_bytes(), channels=3), (48, 48)) for path in paths]
    scores = keras.saving.load_model(foreign / "model.keras").predict((np.array(images) - 127.5) / 127.5, verbose=0)
    assert len(set(scores.argmax(1))) == 4
    return scores


def answered(classifier, paths):
    spec = classifier.card.preprocess
    return classifier.scores(np.array([spec.pixels(path) for path in paths]))


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("float32", SPEC),
        ("logits", SPEC),
        ("channels-first", SPEC),
        ("open-batch", SPEC),
        ("open-size", f"{SPEC},size=48"),
        ("float32", f"{SPEC},color=bgr"),
        ("float32", f"{SPEC},color=gray"),
    ],
)
def test_float_files_score_as_keras_does(foreign, paths, expected, name, spec):
    # Whole gray values differ from TensorFlow's fractions by half a level.
    found = answered(opened(foreign, name, spec), paths)
    np.testing.assert_allclose(found, expected, atol=0.02)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)


def test_integer_files_answer_as_the_float_file_and_as_each_other(foreign, paths, expected):
    signed, unsigned = (answered(opened(foreign, name), paths) for name in ("int8", "uint8"))
    np.testing.assert_array_equal(signed, unsigned)
    np.testing.assert_allclose(signed, expected, atol=0.12)
    clear = np.sort(expected, 1)[:, -1] - np.sort(expected, 1)[:, -2] > 0.25
    assert clear.sum() > 10
    np.testing.assert_array_equal(signed.argmax(1)[clear], expected.argmax(1)[clear])


def test_an_integer_file_gets_and_gives_what_its_scales_mean(foreign, paths):
    """By hand, with the interpreter alone."""
    from ai_edge_litert.interpreter import Interpreter

    classifier = opened(foreign, "int8")
    pixels = classifier.card.preprocess.pixels(paths[0])
    engine = Interpreter(str(foreign / "int8.tflite"), num_threads=1)
    engine.allocate_tensors()
    into, out = engine.get_input_details()[0], engine.get_output_details()[0]
    scale, zero = into["quantization"]
    values = (pixels.astype(np.float64) - 127.5) / 127.5
    engine.set_tensor(into["index"], np.clip(np.round(values / scale + zero), -128, 127).astype(np.int8)[None])
    engine.invoke()
    scale, zero = out["quantization"]
    by_hand = (engine.get_tensor(out["index"]).astype(np.float64) - zero) * scale
    np.testing.assert_allclose(classifier.scores(pixels[None]), by_hand, atol=1e-7)


def test_a_single_score_is_that_of_the_second_class(foreign, paths):
    classifier = opened(foreign, "single", labels="no,yes")
    found = answered(classifier, paths)
    assert found.shape[1] == 2
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)
    values = (classifier.card.preprocess.pixels(paths[0]) - np.float32(127.5)) / 127.5
    alone = classifier.interpreter.invoke(values[None].astype(np.float32))[0][0, 0]
    assert found[0, 1] == pytest.approx(float(alone), abs=1e-6)


def test_a_file_answers_through_every_door(foreign, paths):
    classifier = opened(foreign, "float32")
    prediction = classifier.predict(paths[0])
    scores = answered(classifier, paths[:1])[0]
    assert prediction.label == LABELS.split(",")[scores.argmax()]
    assert list(prediction.probabilities.values()) == pytest.approx(scores.tolist())
    assert prediction.chest_xray is None and classifier.identity["model"] == "float32.tflite"
    other = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(answered(other, paths[:1])[0], scores)
    kept = ForeignClassifier(classifier.file, classifier.reading, trust_tags=False).another()
    assert not kept.trust_tags and kept.file.proven and kept.interpreter.runtime == classifier.interpreter.runtime


def test_probabilities_that_are_none_are_refused(foreign, paths):
    classifier = opened(foreign, "logits", f"{SPEC},scores=probabilities")
    with pytest.raises(ModelError, match="scores=logits"):
        answered(classifier, paths[:3])


def test_ours_is_told_from_others(foreign, models):
    assert is_ours(ModelFile.read(models / "int8.tflite"))
    assert not is_ours(ModelFile.read(foreign / "int8.tflite"))


def test_colours_are_seen(foreign, tmp_path):
    """A model for colours, of a picture in colour, in both orders."""
    colors = np.random.default_rng(1).integers(0, 256, (48, 48, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), colors[..., ::-1])
    rgb, bgr = (opened(foreign, "float32", f"{SPEC},color={color}") for color in ("rgb", "bgr"))
    one, other = (answered(each, [tmp_path / "a.png"]) for each in (rgb, bgr))
    values = (colors.astype(np.float32) - 127.5) / 127.5
    np.testing.assert_allclose(one, rgb.interpreter.invoke(values[None])[0], atol=1e-6)
    np.testing.assert_allclose(other, rgb.interpreter.invoke(values[None, ..., ::-1].copy())[0], atol=1e-6)
    assert replace(rgb.reading, facts="") != replace(bgr.reading, facts="")
