"""Simulated photographs of films, and the frame over them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from freezenet.edge_runtime.images.photo.straighten import inside, straighten
from studies.phone import node
from studies.phone.film import FRAMES, KINDS, SURROUNDS, measure, photographed
from studies.tables.phone_page import film_table
from studies.tools import MissingToolError


@pytest.fixture(scope="module")
def film():
    coarse = np.random.default_rng(0).integers(30, 200, (6, 5), np.uint8)
    return cv2.resize(coarse, (300, 360), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize("surround", SURROUNDS)
def test_a_photograph_shows_the_film_within_its_corners(film, surround):
    photo = photographed(film, 3, surround)
    assert cv2.imdecode(np.frombuffer(photo.jpeg, np.uint8), cv2.IMREAD_COLOR).shape == (1600, 1200, 3)
    assert (photo.corners > 0).all() and (photo.corners < [1200, 1600]).all()
    back = straighten(photo.gray, photo.corners)
    same = cv2.resize(back, film.shape[::-1], interpolation=cv2.INTER_AREA)
    assert np.corrcoef(same.ravel(), film.ravel())[0, 1] > 0.95
    assert abs(np.median(photo.gray[:20]) - SURROUNDS[surround]) < 10
    assert photographed(film, 3, surround).jpeg == photo.jpeg


def test_it_is_what_the_app_does(film):
    corners = np.array([[20.5, 14], [270, 25], [250, 340.5], [12, 300]])
    job = {"task": "straighten", "data": film.ravel().tolist(), "width": 300, "height": 360, "longest": 2048}
    try:
        (answer,) = node.ask([{**job, "corners": corners.tolist()}])
    except MissingToolError as error:
        pytest.skip(str(error))
    (inwards,) = node.ask([{"task": "inside", "corners": corners.tolist(), "share": 0.005}])
    np.testing.assert_allclose(inwards, inside(corners))
    mine = straighten(film, corners)
    assert (answer["height"], answer["width"]) == mine.shape
    assert np.abs(np.reshape(answer["data"], mine.shape) - mine.astype(int)).max() <= 2


def test_every_photograph_is_counted(phone_model, phantoms, tmp_path):
    blank = tmp_path / "blank.png"
    cv2.imwrite(str(blank), np.full((90, 80), 90, np.uint8))
    result = measure(phone_model, [*sorted(phantoms.parent.rglob("*.png"))[:2], blank], [blank])
    for one in result["frames"].values():
        assert tuple(one) == KINDS
        assert sum(sum(counts.values()) for counts in one.values()) == 8
        assert sum(one["refused"].values()) >= 2 and sum(one["other"].values()) == 2
    assert list(result["frames"]) == list(FRAMES)
    assert 0 <= result["corners"]["missed"] <= 6
    assert film_table(result).count("\n") == 2 + len(FRAMES)
