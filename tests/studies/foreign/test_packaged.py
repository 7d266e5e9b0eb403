"""The study of a packaged classifier, with a small file of TensorFlow's converter under standard metadata in place of the package's."""

from __future__ import annotations

import csv
import json

import cv2
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from click.testing import CliRunner

from freezenet.convert.package.metadata import LABELS_FILE, Description, described, with_files
from freezenet.edge_runtime.card import CARD_FILE
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from studies.clients.mediapipe import mediapipe_python
from studies.foreign import packaged
from studies.tables.foreign_page import packaged_section
from tests.studies.clients.conftest import available

LABELS = ("Clear", "Diffuse", "Focal", "Reticular")


@pytest.fixture(scope="module")
def model(foreign, tmp_path_factory):
    """uint8 from end to end, with names and normalization in its metadata, and no card.

    MediaPipe hands an integer input the pixels whatever the metadata say, so these say the normalization with which it is right to.
    """
    plain = foreign / "uint8.tflite"
    scale, zero_point = Interpreter(str(plain)).get_input_details()[0]["quantization"]
    spec = PreprocessSpec((48, 48), zero_point, 1 / scale)
    content = described(plain.read_bytes(), Description("small", "of phantoms", "1", ""), spec)
    path = tmp_path_factory.mktemp("package") / "small.tflite"
    path.write_bytes(with_files(content, {LABELS_FILE: "\n".join(LABELS).encode()}))
    return path


@pytest.fixture(scope="module")
def called(model, phantoms):
    """Path -> scores by the interpreter alone: a phantom of 96 pixels has twice the sides of the input, so bilinear is the mean of four pixels."""
    engine = Interpreter(str(model), num_threads=1)
    engine.allocate_tensors()
    (entry,), (end,) = engine.get_input_details(), engine.get_output_details()
    found = {}
    for path in sorted(phantoms.parent.rglob("*.png"))[::9]:
        pixels = np.floor(cv2.imread(str(path)).astype(float).reshape(48, 2, 48, 2, 3).mean((1, 3)) + 0.5)
        engine.set_tensor(entry["index"], pixels.astype(np.uint8)[None])
        engine.invoke()
        scale, zero_point = end["quantization"]
        found[path] = (engine.get_tensor(end["index"])[0].astype(float) - zero_point) * scale
    return found


@pytest.fixture(scope="module")
def table(called, tmp_path_factory):
    """Every second picture has the class that it is called, the others the next one; those whose two highest scores are close are left out."""
    path = tmp_path_factory.mktemp("table") / "pictures.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "class", "source"])
        clear = [(one, scores) for one, scores in called.items() if np.diff(np.sort(scores)[-2:]) > 0.02]
        for number, (one, scores) in enumerate(clear):
            writer.writerow([one.name, LABELS[(scores.argmax() + number % 2) % 4], ("even", "odd")[number % 2]])
    assert number > 4
    return path


@pytest.fixture(scope="module")
def folders(called):
    return sorted({path.parent for path in called})


@pytest.fixture(scope="module")
def python(tools):
    return available(lambda: mediapipe_python(tools))


def test_the_pictures_of_the_table_are_judged_by_metadata_alone(model, table, folders, tmp_path):
    data = packaged.gathered(table, packaged.pictures_in(folders), tmp_path)
    found = packaged.judged(packaged.opened(model, data), data)
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    even = [row for row in rows if row["source"] == "even"]
    assert (found["pictures"], found["right"]) == (len(rows), len(even))
    assert found["accuracy"]["value"] == pytest.approx(len(even) / len(rows), abs=1e-6)
    assert {name: one["accuracy"]["value"] for name, one in found["by_source"].items()} == {
        "even": 1,
        "odd": 0,
    }
    assert [one["class"] for one in found["wrong"]] == [row["class"] for row in rows if row["source"] == "odd"]


def test_mediapipe_gives_the_same_scores_of_the_same_pixels(model, table, folders, called, python, tmp_path):
    classifier = packaged.opened(model, packaged.gathered(table, packaged.pictures_in(folders), tmp_path))
    pixels = [classifier.card.preprocess.pixels(path) for path in called]
    found = packaged.mediapipe_scores(model, list(called), pixels, python)
    expected = np.array(list(called.values()))
    # Two of the 256 numbers that a score can be.
    np.testing.assert_allclose(found["pixels"], expected, rtol=0, atol=2.1 / 256)
    # MediaPipe's bilinear resizing to half the size looks elsewhere than the middle of four pixels.
    np.testing.assert_allclose(found["file"], expected, rtol=0, atol=0.3)


def test_the_raw_pixels_can_be_said(model, table, folders, tmp_path):
    data = packaged.gathered(table, packaged.pictures_in(folders), tmp_path)
    classifier = packaged.opened(model, data)
    spec = packaged.raw_spec(classifier)
    raw = packaged.opened(model, data, [spec])
    values = np.arange(256, dtype=np.uint8).repeat(27).reshape(48, 48, 3)
    np.testing.assert_array_equal(raw._tensor(values)[0], values)


def test_agreement_by_hand():
    ours, theirs = np.array([[0.7, 0.3], [0.4, 0.6], [0.1, 0.9]]), np.array([[0.5, 0.5], [0.6, 0.4], [0.1, 0.9]])
    expected = {"same_class": 2, "largest_difference": 0.2, "median_difference": 0.2}
    assert packaged.agreement(ours, theirs) == pytest.approx(expected)


def test_the_result_is_written_and_shown(model, table, folders, python, tmp_path, monkeypatch):
    monkeypatch.setattr(packaged, "mediapipe_python", lambda tools: python)
    arguments = [str(model), *map(str, folders), "--table", str(table), "--out", str(tmp_path)]
    shown = CliRunner().invoke(packaged.main, arguments)
    assert shown.exit_code == 0, shown.output
    (path,) = tmp_path.glob("packaged-small-*.json")
    result = json.loads(path.read_text())
    metadata, raw = result["readings"]
    assert f"{metadata['right']} of {metadata['pictures']} right" in shown.stdout
    # The metadata say the raw pixels here, so both readings are one.
    assert {**raw, "preprocess": ""} == metadata
    section = packaged_section(result)
    assert f"| freezenet, its metadata alone | {metadata['right']} of {metadata['pictures']} |" in section
    assert str(table.parent) not in json.dumps(result)


def test_a_picture_that_is_missing_and_one_that_is_there_twice_are_named(table, folders, tmp_path):
    with pytest.raises(packaged.DataError, match="lie in none of the folders, first"):
        packaged.gathered(table, {}, tmp_path)
    with pytest.raises(packaged.DataError, match="different names"):
        packaged.pictures_in([*folders, folders[0]])


def test_a_model_with_our_card_is_refused(model, table, tmp_path):
    ours = tmp_path / "ours.tflite"
    ours.write_bytes(with_files(model.read_bytes(), {CARD_FILE: b"{}"}))
    with pytest.raises(packaged.ModelError, match=r"ours\.tflite, which has its card"):
        packaged.opened(ours, table)


def test_the_own_table_names_classes_of_imagenet_once_each_file():
    with packaged.TABLE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file", "class", "source"]
    assert len({row["file"] for row in rows}) == len(rows)
    assert all("/" not in row["file"] and all(row.values()) for row in rows)
