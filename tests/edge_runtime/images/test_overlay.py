"""The overlay by its properties: where the colour is, what stays gray, how large it is."""

from __future__ import annotations

import io
import json

import cv2
import numpy as np
from PIL import Image

from freezenet.edge_runtime.images.overlay import MAX_SIDE, cam_of, fit, overlay, overlay_png


def saturation(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(picture, cv2.COLOR_BGR2HSV)[..., 1].astype(int)


def test_the_colour_is_where_the_class_is_seen():
    cam = np.zeros((7, 7), np.float32)
    cam[1, 5] = 3.0
    picture = overlay(np.full((140, 280), 100, np.uint8), cam)
    assert picture.shape == (140, 280, 3)
    strongest = np.unravel_index(saturation(picture).argmax(), picture.shape[:2])
    assert 20 <= strongest[0] < 40 and 200 <= strongest[1] < 240
    assert (picture[70:, :140] == 100).all()  # far away nothing is coloured


def test_what_speaks_against_the_class_is_not_shown():
    picture = overlay(np.full((70, 70), 50, np.uint8), np.full((7, 7), -2, np.float32))
    assert (picture == 50).all()


def test_the_strength_of_the_activation_does_not_change_the_colour():
    rng = np.random.default_rng(0)
    gray, cam = rng.integers(0, 256, (64, 64), dtype=np.uint8), rng.random((7, 7), dtype=np.float32)
    np.testing.assert_array_equal(overlay(gray, cam), overlay(gray, cam * 1000))


def test_a_large_image_is_shrunk_to_a_screens_size():
    picture = overlay(np.zeros((3000, 1500), np.uint8), np.ones((7, 7), np.float32))
    assert picture.shape == (MAX_SIDE, MAX_SIDE // 2, 3)


def test_the_png_holds_the_same_pixels():
    gray, cam = np.full((64, 48), 80, np.uint8), np.eye(7, dtype=np.float32)
    read = cv2.imdecode(np.frombuffer(overlay_png(gray, cam), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(read, overlay(gray, cam))


def test_fit_keeps_proportions_and_never_enlarges():
    gray = np.full((300, 200), 7, np.uint8)
    assert fit(gray, 150).shape == (150, 100)
    assert fit(gray, 1).shape == (1, 1)
    assert fit(gray, 300) is gray


def test_the_picture_holds_the_numbers_and_stays_a_png():
    cam = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    png = overlay_png(np.zeros((40, 30), np.uint8), cam)
    np.testing.assert_array_equal(cam_of(png), cam)
    with Image.open(io.BytesIO(png)) as read:  # checks each chunk's sum
        read.load()
        assert json.loads(read.text["freezenet-cam"])["shape"] == [7, 5]
    assert cam_of(cv2.imencode(".png", np.zeros((9, 9), np.uint8))[1].tobytes()) is None
