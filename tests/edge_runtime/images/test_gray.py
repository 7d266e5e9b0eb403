"""Samples as gray values: arrays follow the same rules as files, alpha lies on black, a few odd samples change nothing."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.images.gray import on_black, to_gray
from freezenet.train.data.phantoms import draw_phantom

HEIGHT, WIDTH = 120, 90
GRAY = draw_phantom("Focal", HEIGHT, np.random.default_rng(1))[:, :WIDTH].copy()
COLOR = np.dstack([GRAY, np.roll(GRAY, 9, 0), draw_phantom("Diffuse", HEIGHT, np.random.default_rng(2))[:, :WIDTH]])
#: Each value 0..255 many times.
RAMP = (np.arange(HEIGHT * WIDTH) % 256).reshape(HEIGHT, WIDTH)


def test_arrays_follow_the_same_rules_as_files():
    np.testing.assert_array_equal(to_gray(GRAY), GRAY)
    np.testing.assert_array_equal(to_gray(GRAY[..., None]), GRAY)
    np.testing.assert_array_equal(to_gray((RAMP * 257).astype(np.uint16)), RAMP)
    np.testing.assert_allclose(
        to_gray(COLOR[..., ::-1]).astype(int), np.asarray(Image.fromarray(COLOR).convert("L")).astype(int), atol=1
    )


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((40, 40), np.float32),
        np.zeros((40, 40), np.int16),
        np.zeros((40, 40), bool),
        np.zeros(40, np.uint8),
        np.zeros((1, 40, 40, 3), np.uint8),
        np.zeros((40, 40, 2), np.uint8),
        np.zeros((40, 40, 4), np.uint8),
        np.zeros((0, 0), np.uint16),
    ],
    ids=lambda image: f"{image.dtype}{image.shape}",
)
def test_arrays_of_another_kind_are_refused(image):
    with pytest.raises(FreezenetError, match=r"8- or 16-bit samples is required\. Got:"):
        to_gray(image)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_alpha_lies_on_black(dtype):
    full = np.iinfo(dtype).max
    rng = np.random.default_rng(3)
    stored = rng.integers(0, full, (100, 40, 4), dtype=dtype, endpoint=True)
    expected = np.rint(stored[..., :3].astype(float) * stored[..., 3:] / full)
    found = on_black(stored.copy())
    assert found.shape == (100, 40, 3)
    np.testing.assert_allclose(found.astype(float), expected, atol=1)
    for other in (GRAY, COLOR):
        assert on_black(other) is other
