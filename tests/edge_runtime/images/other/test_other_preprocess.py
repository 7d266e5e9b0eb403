from __future__ import annotations

import cv2
import numpy as np
import pytest

from freezenet.edge_runtime.errors import DataError, SettingError
from freezenet.edge_runtime.images.other.preprocess import OtherPreprocess

COLORED = np.stack([np.full((40, 60), value, np.uint8) for value in (10, 120, 250)], -1)  # red, green, blue


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "colours.png"
    cv2.imwrite(str(path), COLORED[..., ::-1])
    return path


def test_colours_are_in_the_order_that_is_asked_for(picture):
    for color, expected in (("rgb", (10, 120, 250)), ("bgr", (250, 120, 10))):
        spec = OtherPreprocess(size=(20, 30), color=color, means=(0,), stds=(1,))
        np.testing.assert_array_equal(spec.normalized(spec.pixels(picture))[3, 3], expected)


def test_each_channel_has_its_mean_in_the_order_of_the_input(picture):
    spec = OtherPreprocess(size=(20, 30), color="bgr", means=(200, 100, 0), stds=(50, 10, 1))
    np.testing.assert_allclose(spec.normalized(spec.pixels(picture))[0, 0], (1, 2, 10))


@pytest.mark.parametrize("channels", [1, 3])
def test_gray_is_luminance_in_each_channel(picture, channels):
    spec = OtherPreprocess(size=(20, 30), color="gray", channels=channels)
    values = spec.normalized(spec.pixels(picture))
    assert spec.shape == (20, 30) and values.shape == (20, 30, channels)
    assert np.abs(values - (0.299 * 10 + 0.587 * 120 + 0.114 * 250)).max() <= 0.5


def test_files_and_arrays_in_opencv_order_are_the_same(picture):
    spec = OtherPreprocess(size=(20, 30))
    np.testing.assert_array_equal(spec.pixels(picture), spec.pixels(COLORED[..., ::-1]))
    np.testing.assert_array_equal(spec.pixels(picture), spec.pixels(picture.read_bytes()))


def test_a_gray_file_has_three_equal_channels_and_sixteen_bits_keep_their_depth(tmp_path):
    cv2.imwrite(str(tmp_path / "deep.png"), np.full((40, 40), 2048, np.uint16))
    pixels = OtherPreprocess(size=(20, 20)).pixels(tmp_path / "deep.png")
    assert set(pixels.ravel()) == {128} and pixels.shape == (20, 20, 3)


def test_crops():
    image = np.zeros((40, 80), np.uint8)
    image[:, 20:60] = 200
    image[10:30, 30:50] = 255

    def seen(crop):
        return OtherPreprocess(size=(20, 20), color="gray", channels=1, crop=crop).resized(image)

    assert set(seen("center")[0]) == {200} and set(seen(0.5).ravel()) == {255}
    padded = seen("pad")
    assert not padded[:4].any() and not padded[-4:].any() and padded[10].any()
    assert {0, 200} <= set(seen("none")[0])


@pytest.mark.parametrize("shape", [(32, 3_000_000), (3_000_000, 32), (32, 1_000_000, 3)])
def test_a_strip_is_not_padded_beyond_all_memory(shape):
    with pytest.raises(DataError, match="at most 100 megapixels"):
        OtherPreprocess(size=(20, 20), crop="pad").resized(np.zeros(shape, np.uint8))


def test_the_center_has_the_shape_of_the_input():
    image = np.tile(np.arange(90, dtype=np.uint8), (30, 1))
    pixels = OtherPreprocess(size=(10, 20), color="gray", channels=1, crop="center", resize="area").resized(image)
    # A part of 30 x 60 from column 15 on.
    np.testing.assert_array_equal(pixels[0], np.arange(16, 76, 3))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"size": (0, 20)}, "size of two sides"),
        ({"color": "hsv"}, "One of gray, rgb, bgr"),
        ({"resize": "lanczos"}, "One of area"),
        ({"crop": 2.0}, "a share from 0 to 1"),
        ({"crop": "left"}, "One of none"),
        ({"means": (1, 2)}, "one for each of 3 channels"),
        ({"stds": (0,)}, "std above 0"),
        ({"means": (float("nan"),)}, "finite mean"),
        ({"channels": 1}, "pass color=gray"),
        ({"channels": 4}, "inputs of 1 and of 3"),
    ],
)
def test_what_cannot_be_followed_is_refused(wrong, said):
    with pytest.raises(SettingError, match=said):
        OtherPreprocess(**{"size": (20, 20), **wrong})
