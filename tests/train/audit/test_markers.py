"""Marks in the border: found where they are drawn, and tested by random orders of the classes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from freezenet.train.audit.markers import SIDE, mark_cells, mark_places, painted_over
from freezenet.train.audit.markers import test_by_class as by_class


def chest(seed=0):
    rng = np.random.default_rng(seed)
    smooth = cv2.GaussianBlur(rng.normal(120, 400, (SIDE, SIDE)).astype(np.float32), (0, 0), 12)
    return np.clip(smooth + rng.normal(0, 4, smooth.shape), 0, 200).astype(np.uint8)


def lettered(image, at, letter="L"):
    out = image.copy()
    cv2.putText(out, letter, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 2)
    return out


@pytest.mark.parametrize("letter", ["L", "R", "AP"])
def test_a_letter_in_a_corner_is_found_there_and_painted_over(letter):
    plain = chest()
    image = lettered(plain, (8, 26), letter)
    places = mark_places(image)
    changed = image != plain
    assert places[changed].mean() > 0.9
    cells = mark_cells(places[None])[0]
    assert cells[0] and cells[-1]
    mended = painted_over(image, places)
    assert abs(mended[changed].astype(int) - plain[changed]).mean() < 25


def test_nothing_is_found_without_a_letter_or_within_the_lungs():
    assert not mark_places(chest()).any()
    assert not mark_places(lettered(chest(), (110, 130))).any()


def test_the_test_is_of_patients_and_by_chance_rarely_right():
    rng = np.random.default_rng(0)
    classes = np.repeat(["a", "b"], 60)
    patients = np.array([f"p{number // 2}" for number in range(120)])
    told = np.zeros((120, 65), bool)
    told[classes == "b", 7] = rng.random(60) < 0.7
    found = by_class(told, classes, patients, seed=0)
    assert found.found and found.cell == (0, 7) and found.shares["a"] == 0 < found.shares["b"]
    by_chance = [by_class(rng.random((120, 65)) < 0.3, classes, patients, seed=0).found for _ in range(8)]
    assert sum(by_chance) <= 1
    # One patient with many images proves nothing.
    one = np.zeros((120, 65), bool)
    one[60:62, 3] = True
    assert not by_class(one, classes, patients, seed=0).found


def test_no_mark_at_all():
    found = by_class(np.zeros((6, 65), bool), np.array(list("aaabbb")), np.array(list("123456")), seed=0)
    assert not found.found and found.p == 1
