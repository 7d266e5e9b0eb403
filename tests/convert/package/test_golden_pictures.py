from __future__ import annotations

import io
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from freezenet.convert.package.golden_pictures import area_means, golden_images
from freezenet.edge_runtime.images.preprocess import PreprocessSpec

SIZES = [(96, 96), (224, 224), (64, 96), (224, 160)]


def opened(size, name):
    return Image.open(io.BytesIO(golden_images(PreprocessSpec(size=size))[f"golden-{name}"]))


def gray(size, name):
    return np.asarray(opened(size, name).convert("L"))


def test_equal_bytes_every_time():
    spec = PreprocessSpec(size=(96, 96))
    first = dict(golden_images(spec))
    golden_images.cache_clear()
    assert golden_images(spec) == first
    assert len(set(first.values())) == len(first) == 9


@pytest.mark.parametrize("size", SIZES)
def test_small_enough_for_every_model(size):
    assert sum(map(len, golden_images(PreprocessSpec(size=size)).values())) < 45_000 * max(size) / 224


@pytest.mark.parametrize("size", SIZES)
def test_each_is_what_it_is_for(size):
    height, width = size
    assert opened(size, "half.png").size == (2 * width, 2 * height)
    across, down = (there / to for there, to in zip(opened(size, "fraction.png").size, (width, height), strict=True))
    assert 1 < down < 2 and 1 < across < 2 and across != down and across % 1 and down % 1
    small = opened(size, "enlarged.png").size
    assert small[0] < width and small[1] < height and min(small) >= 32
    assert opened(size, "tie.png").size == (2 * width, height)
    color = np.asarray(opened(size, "color.png").convert("RGB")).astype(int)
    assert np.abs(color - color[..., :1]).mean() > 10
    assert opened(size, "gamma.png").info["gamma"] == 1.0 and "chromaticity" in opened(size, "gamma.png").info
    turned = opened(size, "turned.jpg")
    assert turned.mode == "L" and turned.size == (height, width) and turned.getexif()[0x0112] == 6
    assert opened(size, "luminance.jpg").mode == "RGB"
    assert len(np.unique(gray(size, "constant.png"))) == 1


@pytest.mark.parametrize("size", SIZES)
def test_every_mean_of_the_tie_is_a_half_around_even_and_odd_values(size):
    pairs = gray(size, "tie.png").reshape(*size, 2).astype(int)
    assert (pairs.sum(-1) % 2 == 1).all()
    assert set(np.unique(pairs.min(-1) % 2)) == {0, 1}
    rounded = PreprocessSpec(size=size).pixels(golden_images(PreprocessSpec(size=size))["golden-tie.png"])
    np.testing.assert_array_equal(rounded, np.rint(pairs.mean(-1)))


@pytest.mark.parametrize("size", SIZES)
def test_no_mean_of_the_fraction_hangs_on_the_last_bits(size):
    means = area_means(gray(size, "fraction.png"), size)
    # Float32 sums of numbers up to 255, some of them fused, differ by a few times 255 * 2^-24.
    assert np.abs(means % 1 - 0.5).min() > 1e-4
    rounded = PreprocessSpec(size=size).pixels(golden_images(PreprocessSpec(size=size))["golden-fraction.png"])
    np.testing.assert_array_equal(rounded, np.floor(means + 0.5))


def test_the_area_mean_by_hand():
    image = np.array([[0, 3, 6]], np.uint8)
    # 1.5 pixels each: 0 and half of 3; half of 3 and 6.
    np.testing.assert_allclose(area_means(image, (1, 2)), [[1.0, 5.0]])


def test_the_chunks_that_are_added_have_their_checksums():
    data = golden_images(PreprocessSpec(size=(96, 96)))["golden-gamma.png"]
    place = data.index(b"cHRM")
    size = int.from_bytes(data[place - 4 : place], "big")
    assert int.from_bytes(data[place + 4 + size : place + 8 + size], "big") == zlib.crc32(
        data[place : place + 4 + size]
    )


def test_nothing_of_a_patient_leaves_with_the_model(phantoms):
    """No golden picture is one of the data set, also not after the resize."""
    spec = PreprocessSpec(size=(96, 96))
    of_data = {cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).tobytes() for path in phantoms.parent.rglob("*.png")}
    for content in golden_images(spec).values():
        assert spec.pixels(content).tobytes() not in of_data
