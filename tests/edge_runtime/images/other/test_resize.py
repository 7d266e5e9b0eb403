"""The ways to resize, against the programs that are named for them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from freezenet.edge_runtime.images.other.resize import METHODS, resize

SIZES = [(61, 83), (48, 31), (24, 40)]
RNG = np.random.default_rng(0)
PICTURES = [RNG.integers(0, 256, (61, 83), np.uint8), RNG.integers(0, 256, (61, 83, 3), np.uint8)]


@pytest.mark.parametrize("picture", PICTURES, ids=["gray", "colour"])
@pytest.mark.parametrize("size", [*SIZES, (80, 100)])
def test_antialias_and_nearest_are_those_of_pillow(picture, size):
    for method, filter_ in (("antialias", Image.Resampling.BILINEAR), ("nearest", Image.Resampling.NEAREST)):
        theirs = np.asarray(Image.fromarray(picture).resize((size[1], size[0]), filter_))
        difference = np.abs(resize(picture, size, method).astype(int) - theirs)
        assert difference.max() <= (1 if method == "antialias" else 0)


@pytest.mark.parametrize("picture", PICTURES, ids=["gray", "colour"])
@pytest.mark.parametrize("size", SIZES)
def test_bilinear_and_area_are_those_of_tensorflow(picture, size):
    import tensorflow as tf

    image = picture.reshape(*picture.shape[:2], -1)
    for method in ("bilinear", "area"):
        theirs = np.asarray(tf.image.resize(image, size, method)).reshape(*size, *picture.shape[2:])
        assert np.abs(resize(picture, size, method) - theirs).max() <= (0.51 if method == "bilinear" else 1.01)


@pytest.mark.parametrize("method", METHODS)
def test_the_same_size_changes_nothing_and_a_constant_stays_one(method):
    np.testing.assert_array_equal(resize(PICTURES[0], (61, 83), method), PICTURES[0])
    assert set(resize(np.full((61, 83), 77, np.uint8), (24, 40), method).ravel()) == {77}
