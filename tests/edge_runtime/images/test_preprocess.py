"""The preprocessing against arithmetic by hand."""

from __future__ import annotations

import hashlib
import io
import json

import cv2
import numpy as np
import pytest
from PIL import Image

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.images.preprocess import PREPROCESS_VERSION, PreprocessSpec, pixel_hash


def random_gray(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)


def test_spec_survives_json():
    spec = PreprocessSpec(size=(64, 96), mean=120.5, std=60.25)
    values = json.loads(json.dumps(spec.to_dict()))
    assert values["size"] == [64, 96]
    assert PreprocessSpec.from_dict(values) == spec


def test_dictionary_holds_every_rule():
    assert PreprocessSpec().to_dict() == {
        "size": [224, 224],
        "mean": 128.0,
        "std": 127.5,
        "color": "gray",
        "resize": "area",
        "version": PREPROCESS_VERSION,
    }


@pytest.mark.parametrize(
    "change",
    [
        {"version": PREPROCESS_VERSION + 1},
        {"color": "rgb"},
        {"resize": "bilinear"},
        {"std": 0.0},
        {"std": -1.0},
        {"size": [16, 224]},
        {"size": [224]},
        {"size": ["wide", "high"]},
        {"size": 224},
        {"std": "large"},
        {"crop": 0.9},
    ],
)
def test_a_spec_that_cannot_be_followed_to_the_letter_is_refused(change):
    with pytest.raises(FreezenetError, match="Got:"):
        PreprocessSpec.from_dict({**PreprocessSpec().to_dict(), **change})


def test_normalization_is_by_hand_and_repeated_to_three_channels():
    pixels = np.array([[0, 128], [255, 64]], np.uint8)
    out = PreprocessSpec(mean=128.0, std=127.5).normalized(pixels)
    by_hand = [[-128 / 127.5, 0.0], [127 / 127.5, -64 / 127.5]]
    assert out.dtype == np.float32
    assert out.shape == (2, 2, 3)
    for channel in range(3):
        np.testing.assert_allclose(out[..., channel], by_hand, rtol=1e-6)


def test_normalization_of_a_stack_equals_that_of_its_images():
    spec, stack = PreprocessSpec(mean=100, std=50), np.stack([random_gray(32, 32, seed) for seed in range(3)])
    np.testing.assert_array_equal(spec.normalized(stack), np.stack([spec.normalized(one) for one in stack]))


def test_uint8_input_is_the_raw_pixels():
    pixels = random_gray(40, 32)
    tensor = PreprocessSpec(size=(40, 32)).network_input(pixels, np.uint8)
    assert tensor.shape == (1, 40, 32, 3)
    assert tensor.dtype == np.uint8
    for channel in range(3):
        np.testing.assert_array_equal(tensor[0, ..., channel], pixels)


def test_float_input_is_one_normalized_image():
    pixels = random_gray(40, 32)
    tensor = PreprocessSpec(size=(40, 32)).network_input(pixels, np.dtype("float32"))
    assert tensor.shape == (1, 40, 32, 3)
    np.testing.assert_allclose(tensor[0, ..., 1], (pixels.astype(np.float64) - 128) / 127.5, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.int16])
def test_another_input_dtype_is_refused(dtype):
    with pytest.raises(FreezenetError, match=np.dtype(dtype).name):
        PreprocessSpec(size=(32, 32)).network_input(random_gray(32, 32), dtype)


def test_area_resize_by_two_is_the_block_average():
    gray = random_gray(128, 96)
    average = gray.reshape(64, 2, 48, 2).mean(axis=(1, 3))
    out = PreprocessSpec(size=(64, 48)).resized(gray)
    assert out.shape == (64, 48)
    assert np.abs(out - average).max() <= 0.5


def test_area_resize_by_three_and_four_is_the_block_average():
    gray = random_gray(3 * 32, 4 * 40)
    average = gray.reshape(32, 3, 40, 4).mean(axis=(1, 3))
    assert np.abs(PreprocessSpec(size=(32, 40)).resized(gray) - average).max() <= 0.5 + 1e-3


def test_an_image_of_the_right_size_is_not_touched():
    gray = random_gray(32, 48)
    np.testing.assert_array_equal(PreprocessSpec(size=(32, 48)).resized(gray), gray)


def test_size_is_height_then_width():
    assert PreprocessSpec(size=(32, 48)).pixels(random_gray(100, 100)).shape == (32, 48)


def test_path_bytes_and_array_give_equal_pixels(tmp_path):
    gray, spec = random_gray(90, 80), PreprocessSpec(size=(32, 32))
    stream = io.BytesIO()
    Image.fromarray(gray).save(stream, "PNG")
    (tmp_path / "one.png").write_bytes(stream.getvalue())
    expected = spec.resized(gray)
    for source in (gray, stream.getvalue(), tmp_path / "one.png", str(tmp_path / "one.png")):
        np.testing.assert_array_equal(spec.pixels(source), expected)


def test_an_array_is_taken_in_opencvs_channel_order():
    blue = np.zeros((40, 40, 3), np.uint8)
    blue[..., 0] = 255
    assert PreprocessSpec(size=(32, 32)).decode(blue).flat[0] == round(0.114 * 255)


def test_pixel_hash_is_sha256_of_the_rows():
    pixels = random_gray(32, 40)
    by_hand = hashlib.sha256(b"".join(bytes(row.tolist()) for row in pixels)).hexdigest()
    assert pixel_hash(pixels) == by_hand
    assert pixel_hash(np.asfortranarray(pixels)) == by_hand
    assert pixel_hash(cv2.copyMakeBorder(pixels, 1, 1, 1, 1, cv2.BORDER_CONSTANT)[1:-1, 1:-1]) == by_hand


def test_pixel_hash_sees_one_changed_pixel():
    pixels = random_gray(32, 40)
    changed = pixels.copy()
    changed[5, 7] ^= 1
    assert pixel_hash(pixels) != pixel_hash(changed)


@pytest.mark.parametrize("shape", [(31, 400), (400, 31, 3), (1, 1)])
def test_an_array_is_held_to_the_same_bounds_as_a_file(shape):
    with pytest.raises(FreezenetError, match="at least 32 x 32"):
        PreprocessSpec().decode(np.zeros(shape, np.uint8))
    with pytest.raises(FreezenetError, match="at most 100 megapixels"):
        PreprocessSpec().decode(np.broadcast_to(np.uint8(0), (10_001, 10_000)))


def test_the_pixels_of_an_8_bit_png_are_its_samples(tmp_path):
    """Whatever the rules for more bits are: the hash of such a file never changes."""
    samples = (np.arange(224 * 224) * 7 % 97).astype(np.uint8).reshape(224, 224)
    samples[5, 5] = 255  # one hot pixel
    (tmp_path / "one.png").write_bytes(cv2.imencode(".png", samples)[1].tobytes())
    found = pixel_hash(PreprocessSpec().pixels(tmp_path / "one.png"))
    assert found == hashlib.sha256(samples.tobytes()).hexdigest()
    assert found.startswith("9d72d7bf817f73b4")


def test_int8_input_is_the_raw_pixel_less_128():
    pixels = random_gray(40, 32)
    tensor = PreprocessSpec(size=(40, 32)).network_input(pixels, np.int8)
    assert tensor.shape == (1, 40, 32, 3) and tensor.dtype == np.int8
    np.testing.assert_array_equal(tensor[0, ..., 2], pixels.astype(int) - 128)
