"""`freezenet predict --photo`: the answer is that of the straightened film, and says so."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from freezenet.cli import cli
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.photo.film import find_film
from freezenet.edge_runtime.images.photo.reading import read_photo
from freezenet.edge_runtime.images.photo.straighten import inside, straighten
from freezenet.edge_runtime.images.reader import read_gray
from studies.phone.film import photographed

SAID = "A film was found and straightened."
NOT_FOUND = "No film was found; the picture was read as it is."


@pytest.fixture(scope="module")
def scan(phantoms):
    return next(iter(sorted(phantoms.parent.rglob("*.png"))))


@pytest.fixture(scope="module")
def photo(scan, tmp_path_factory):
    path = tmp_path_factory.mktemp("photo") / "photo.jpg"
    path.write_bytes(photographed(read_gray(scan), 3, "white").jpeg)
    return path


@pytest.fixture
def freezenet():
    from click.testing import CliRunner

    return lambda *arguments: CliRunner().invoke(cli, [str(one) for one in arguments])


def test_the_answer_is_that_of_the_film(models, scan, photo, freezenet):
    model = models / "int8.tflite"
    done = freezenet("predict", model, photo, scan, "--photo", "--json")
    assert done.exit_code == 0, done.output
    of_photo, of_scan = (json.loads(line) for line in done.stdout.splitlines())
    classifier, gray = Classifier(model), read_gray(photo)
    corners = find_film(gray)
    assert of_photo["photo"]["film_found"] is True and of_photo["photo"]["said"] == SAID
    np.testing.assert_allclose(of_photo["photo"]["corners"], corners, atol=0.06)
    assert of_photo["probabilities"] == classifier.predict(straighten(gray, inside(corners))).to_dict()["probabilities"]
    assert classifier.predict(photo, photo=True).probabilities != classifier.predict(photo).probabilities
    assert of_scan["photo"] == {"film_found": False, "corners": None, "said": NOT_FOUND}
    assert of_scan["probabilities"] == classifier.predict(read_gray(scan)).to_dict()["probabilities"]


def test_it_says_so_in_words_and_only_where_it_was_asked(models, scan, photo, freezenet):
    model = models / "int8.tflite"
    lines = freezenet("predict", model, photo, scan, "--photo", "--workers", 2).stdout.splitlines()
    assert [line.split("\t")[3] for line in lines] == [SAID, NOT_FOUND]
    assert len(freezenet("predict", model, photo).stdout.rstrip("\n").split("\t")) == 3
    assert "photo" not in json.loads(freezenet("predict", model, photo, "--json").stdout)


def test_the_map_lies_over_the_straightened_film(models, photo):
    overlay = Classifier(models / "int8.tflite").predict(photo, overlay=True, photo=True).overlay
    shown = cv2.imdecode(np.frombuffer(overlay, np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape[:2] == read_photo(photo)[0].shape


def test_an_array_is_a_photograph_too(photo):
    np.testing.assert_array_equal(read_photo(read_gray(photo))[0], read_photo(photo.read_bytes())[0])


def test_a_dicom_file_is_no_photograph():
    with pytest.raises(DataError, match="without --photo"):
        read_photo(bytes(128) + b"DICM" + bytes(200))


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff", b"text"])
def test_what_is_no_picture_is_refused_as_ever(content):
    with pytest.raises(DataError, match="required"):
        read_photo(content)
