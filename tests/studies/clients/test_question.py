"""The questions hold the pixels, tensors and scores that the model files promise."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from freezenet import Classifier, FreezenetError
from freezenet.edge_runtime.images.preprocess import pixel_hash
from studies.clients.question import Question, model_files, questions


def test_every_variant_of_the_conversion_is_asked_for(models):
    named = json.loads((models / "conversion.json").read_text())["variants"]
    assert [one.variant for one in questions(models)] == list(named)


def test_a_golden_question_is_the_card_s(models):
    question = Question.golden(models / "int8.tflite", "int8")
    vectors = question.card.golden
    assert [pixel_hash(image) for image in question.pixels] == [one["pixels_sha256"] for one in vectors]
    assert question.expected[0].tolist() == [np.float32(vectors[0]["scores"][label]) for label in question.card.labels]
    np.testing.assert_array_equal(question.tensors, np.repeat(question.pixels[..., None], 3, axis=-1))


def test_float_tensors_are_normalized(models):
    question = Question.golden(models / "float32.tflite", "float32")
    assert question.tensors.dtype == np.float32
    np.testing.assert_allclose(question.tensors[..., 0], (question.pixels - 128.0) / 127.5, atol=1e-6)


def test_other_pixels_expect_what_the_edge_runtime_answers(models):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 96, 96), dtype=np.uint8)
    question = Question.of_pixels(models / "int8.tflite", "int8", pixels)
    np.testing.assert_array_equal(question.expected, Classifier(models / "int8.tflite").scores(pixels))


def test_apps_get_their_own_file_where_there_is_one(models, tmp_path):
    folder = shutil.copytree(models, tmp_path / "models")
    written = json.loads((folder / "conversion.json").read_text())
    del written["variants"]["float32"]["profiles"]["app"]
    (folder / "conversion.json").write_text(json.dumps(written))
    assert model_files(folder)["int8"].name == "int8.tflite"
    assert model_files(folder, app=True)["int8"].name == "int8-app.tflite"
    assert model_files(folder, app=True)["float32"].name == "float32.tflite"


def test_a_folder_without_models_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(FreezenetError, match=r"conversion.json inside is required. Got: "):
        questions(tmp_path)
