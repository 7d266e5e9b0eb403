"""Straightening: the identity, turns, what the corners must be, and the largest size."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.photo.straighten import inside, straighten

PICTURE = np.random.default_rng(0).integers(0, 256, (40, 60), np.uint8)
WHOLE = np.array([[0.0, 0], [60, 0], [60, 40], [0, 40]])


def test_the_whole_picture_stays_as_it_is():
    np.testing.assert_array_equal(straighten(PICTURE, WHOLE), PICTURE)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_corners_that_begin_elsewhere_turn_the_picture(turns):
    np.testing.assert_array_equal(straighten(PICTURE, np.roll(WHOLE, -turns, axis=0)), np.rot90(PICTURE, turns))


def test_a_part_is_cut_out():
    part = np.array([[10.0, 5], [40, 5], [40, 35], [10, 35]])
    np.testing.assert_array_equal(straighten(PICTURE, part), PICTURE[5:35, 10:40])


def test_the_longest_side_has_a_limit():
    assert straighten(PICTURE, WHOLE, longest=30).shape == (20, 30)


def test_a_perspective_is_undone():
    smooth = cv2.resize(PICTURE[:5, :6], (300, 200), interpolation=cv2.INTER_CUBIC)
    corners = np.array([[40.0, 30], [330, 60], [310, 280], [60, 260]])
    source = np.array([[0, 0], [300, 0], [300, 200], [0, 200]], np.float32)
    move = cv2.getPerspectiveTransform(source - 0.5, (corners - 0.5).astype(np.float32))
    seen = cv2.warpPerspective(smooth, move, (400, 320))
    back = cv2.resize(straighten(seen, corners), (300, 200), interpolation=cv2.INTER_AREA)
    assert np.abs(back.astype(int) - smooth)[3:-3, 3:-3].mean() < 1.5


def test_corners_move_inwards_by_a_share_of_the_size():
    np.testing.assert_allclose(inside(np.array([[0.0, 0], [100, 0], [100, 100], [0, 100]]), 0.02)[0], [2, 2])
    np.testing.assert_allclose(inside(WHOLE, -0.01)[2], [60.6, 40.4])


@pytest.mark.parametrize(
    "corners",
    [
        WHOLE[:3],
        np.zeros((4, 2)),
        [[0, 0], [10, 0], [20, 0], [30, 0]],
        [[0, 0], [60, 40], [60, 0], [0, 40]],
        [[0, 0], [60, 0], [20, 10], [0, 40]],
        [[0, 0], [np.nan, 0], [20, 10], [0, 40]],
        [[0, 0], [np.inf, 0], [20, 10], [0, 40]],
    ],
    ids=["three", "one point", "a line", "crossed", "dented", "NaN", "infinite"],
)
def test_other_corners_are_refused(corners):
    with pytest.raises(DataError, match="Four corners"):
        straighten(PICTURE, np.asarray(corners))
