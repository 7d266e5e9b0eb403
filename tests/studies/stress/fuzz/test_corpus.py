"""The whole files of the corpus are what their names say, by other libraries."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from freezenet.edge_runtime.card import ModelCard
from freezenet.edge_runtime.images.reader import read_gray
from studies.stress.fuzz import dicom, png, tiff
from studies.stress.fuzz.corpus import SHAPE, corpus

RAMP = (np.arange(48 * 40) % 256).reshape(48, 40).astype(np.uint8)
COLOR = np.dstack([RAMP, np.roll(RAMP, 9, 0), np.roll(RAMP, 9, 1)])


def test_it_is_the_same_each_time(corpus_files, models):
    again = corpus(models / "int8.tflite")
    assert again == corpus_files
    assert list(again) == sorted(again)


def test_every_format_is_there(corpus_files):
    kinds = {name.partition("/")[0] for name in corpus_files}
    assert kinds == {"bmp", "jpeg", "png", "tiff", "webp", "tflite"} | ({"dicom"} if dicom.available() else set())


def test_most_images_are_read_as_they_are(corpus_files):
    refused = [
        name for name, data in corpus_files.items() if name.startswith(("jpeg", "bmp", "png")) and not read(data)
    ]
    assert refused == []


def read(data):
    return read_gray(data).size >= SHAPE[0] * SHAPE[1] > 0


def test_the_model_file_has_a_card(corpus_files, tmp_path, models):
    path = tmp_path / "small.tflite"
    path.write_bytes(corpus_files["tflite/card"])
    assert ModelCard.read(path).content == ModelCard.read(models / "int8.tflite").content


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(
    "pixels", [RAMP[..., None], COLOR, np.dstack([COLOR, RAMP]), np.dstack([RAMP, RAMP])], ids=lambda one: one.shape[2]
)
def test_written_pngs_are_read_by_pillow(pixels, interlaced):
    found = np.asarray(Image.open(io.BytesIO(png.written(pixels, interlaced=interlaced))))
    np.testing.assert_array_equal(found.reshape(pixels.shape), pixels)


@pytest.mark.parametrize(
    "options", [{}, {"tile": 32}, {"tile": 16, "deflate": True}, {"order": ">"}, {"deflate": True}], ids=str
)
def test_written_tiffs_are_read_by_opencv(options):
    for dtype in (np.uint8, np.uint16):
        pixels = COLOR.astype(dtype) * (257 if dtype == np.uint16 else 1)
        found = cv2.imdecode(np.frombuffer(tiff.written(pixels, **options), np.uint8), cv2.IMREAD_UNCHANGED)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found[..., ::-1], pixels)


def test_written_planes_are_read_by_pillow():
    image = Image.open(io.BytesIO(tiff.written(COLOR, planes=True)))
    np.testing.assert_array_equal(np.asarray(image), COLOR)


@pytest.mark.skipif(not dicom.available(), reason="needs the extra freezenet[dicom]")
def test_dicom_files_hold_the_drawn_pixels():
    import pydicom

    files = dict(dicom.variants(RAMP, COLOR))
    for name in ("explicit-12bit", "big-endian", "deflated", "rle"):
        np.testing.assert_array_equal(pydicom.dcmread(io.BytesIO(files[name])).pixel_array >> 4, RAMP, err_msg=name)
    np.testing.assert_array_equal(pydicom.dcmread(io.BytesIO(files["colour"])).pixel_array, COLOR)
    assert pydicom.dcmread(io.BytesIO(files["frames"])).pixel_array.shape == (2, *RAMP.shape)
