"""A film is found in simulated photographs whose corners are known, and straightened; without a film, that is said."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from freezenet.edge_runtime.images.photo.film import find_film
from freezenet.edge_runtime.images.photo.straighten import inside, straighten
from studies.phone.film import SURROUNDS, photographed


def drawn(seed: int, shape: tuple[int, int]) -> np.ndarray:
    """A picture (h, w) with structure up to its edges, darker than a white and lighter than a black surround."""
    coarse = np.random.default_rng(seed).integers(40, 190, (7, 6), np.uint8)
    return np.clip(cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC), 30, 200)


@pytest.mark.parametrize("surround", SURROUNDS)
@pytest.mark.parametrize(("seed", "shape"), [(1, (300, 300)), (2, (420, 300)), (3, (260, 400)), (4, (700, 620))])
def test_the_corners_lie_within_a_few_pixels_and_the_film_comes_back(seed, shape, surround):
    film = drawn(seed, shape)
    photo = photographed(film, seed, surround)
    found = find_film(photo.gray)
    assert found is not None
    # The photograph has 1600 pixels along its longest side.
    assert np.abs(found - photo.corners).max() < 4
    back = cv2.resize(straighten(photo.gray, inside(found)), shape[::-1], interpolation=cv2.INTER_AREA)
    assert np.corrcoef(back.ravel(), film.ravel())[0, 1] > 0.97


@pytest.mark.parametrize("turns", range(4))
def test_a_turned_photograph_gives_the_same_corners_turned(turns):
    photo = photographed(drawn(5, (360, 300)), 5, "white").gray
    found = find_film(photo)
    turned = find_film(np.rot90(photo, turns).copy())
    assert found is not None and turned is not None
    high, wide = photo.shape
    for _ in range(turns):  # np.rot90: (x, y) goes to (y, wide - x)
        found = np.stack([found[:, 1], wide - found[:, 0]], 1)
        high, wide = wide, high
    distance = np.linalg.norm(turned[:, None] - found[None], axis=-1).min(1)
    assert distance.max() < 1.5
    # Clockwise from the upper left, also then.
    assert np.argmin(turned.sum(1)) == 0
    assert (turned[1, 0] > turned[0, 0]) and (turned[3, 1] > turned[0, 1])


def test_glare_beside_the_film_is_no_part_of_it():
    photo = photographed(drawn(6, (360, 300)), 6, "white")
    y, x = np.mgrid[: photo.gray.shape[0], : photo.gray.shape[1]]
    place = photo.corners[[1, 2]].mean(0)
    glare = -70 * np.exp(-(((x - place[0]) / 90) ** 2) - ((y - place[1]) / 90) ** 2)
    found = find_film(np.clip(photo.gray + glare, 0, 255).astype(np.uint8))
    assert found is not None and np.abs(found - photo.corners).max() < 8


def pictures_without_film() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    disc = np.full((400, 500), 230, np.uint8)
    cv2.circle(disc, (250, 200), 130, 60, -1)
    small = np.full((400, 500), 230, np.uint8)
    small[180:220, 230:280] = 60
    sliver = np.full((400, 500), 230, np.uint8)
    cv2.fillConvexPoly(sliver, np.array([[60, 60], [440, 180], [460, 340], [250, 240]]), 60)
    return {
        "constant": np.full((300, 300), 90, np.uint8),
        "noise": rng.integers(0, 256, (300, 400), np.uint8),
        "whole": drawn(7, (400, 360)),
        "disc": disc,
        "small": small,
        "oblique": sliver,
        "tiny": np.full((32, 32), 7, np.uint8),
        "gradient": np.tile(np.arange(256, dtype=np.uint8), (256, 1)),
    }


@pytest.mark.parametrize("name", pictures_without_film())
def test_where_there_is_no_film_none_is_found(name):
    assert find_film(pictures_without_film()[name]) is None


@pytest.mark.parametrize("side", range(4))
def test_a_film_that_runs_out_of_the_picture_is_not_straightened(side):
    picture = np.full((400, 500), 230, np.uint8)
    picture[50:350, :300] = drawn(8, (300, 300))
    assert find_film(np.rot90(picture, side).copy()) is None
