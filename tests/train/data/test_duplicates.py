"""Copies of a picture are found, and different pictures are not joined."""

from __future__ import annotations

import csv

import cv2
import numpy as np
import pytest

from freezenet.edge_runtime.images.reader import read_gray
from freezenet.train.data.duplicates import THUMBNAIL, Duplicates, find_duplicates, same_picture
from freezenet.train.data.phantoms import PATTERNS, draw_phantom


def jpeg(image, quality):
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_GRAYSCALE)


def resized(image, width, height):
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def cropped(image, top, bottom, left, right):
    """Cut shares of the sides off."""
    height, width = image.shape
    return image[int(height * top) : height - int(height * bottom), int(width * left) : width - int(width * right)]


#: What happens to an image on its way from one collection into another.
COPIES = {
    "jpeg 50": lambda image: jpeg(image, 50),
    "square, 224 pixels": lambda image: resized(image, 224, 224),
    "299 pixels, jpeg 80": lambda image: jpeg(resized(image, 299, 299), 80),
    "twice as large": lambda image: cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC),
    "brighter": lambda image: cv2.convertScaleAbs(image, alpha=0.9, beta=15),
    "gamma": lambda image: (255 * (image / 255) ** 0.8).astype(np.uint8),
    "local contrast": lambda image: cv2.createCLAHE(2.0, (8, 8)).apply(image),
    "1 % cropped": lambda image: cropped(image, 0.01, 0.01, 0.01, 0.01),
    "uneven crop": lambda image: jpeg(cropped(image, 0.02, 0, 0.01, 0.02), 75),
}


def thumbnails(images):
    return np.array([THUMBNAIL.pixels(np.ascontiguousarray(image)) for image in images])


def names(count, start=0):
    """Hashes of files of which no two are equal."""
    return [str(number) for number in range(start, start + count)]


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(0)
    return [draw_phantom(pattern, 160, rng) for pattern in PATTERNS for _ in range(15)]


def test_different_phantoms_are_different_pictures(drawn):
    assert find_duplicates(thumbnails(drawn), names(len(drawn))) == []


@pytest.mark.parametrize("kind", COPIES)
def test_copies_of_phantoms_are_found(drawn, kind):
    images = drawn[::6]
    found = find_duplicates(thumbnails([*images, *map(COPIES[kind], images)]), names(2 * len(images)))
    assert found == [Duplicates((number, len(images) + number), exact=False) for number in range(len(images))]


def test_equal_files_are_copies_whatever_they_show():
    blank = np.zeros((3, *THUMBNAIL.size), np.uint8)
    assert find_duplicates(blank, ["a", "b", "a"]) == [Duplicates((0, 2), exact=True)]


def test_a_group_holds_all_copies_of_a_picture(drawn):
    image = drawn[0]
    copies = [jpeg(image, quality) for quality in range(40, 100, 10)]
    found = find_duplicates(thumbnails([image, image, *copies, drawn[1]]), ["x", "x", *names(7)])
    assert found == [Duplicates(tuple(range(8)), exact=False)]


def test_flat_and_mirrored_images_are_no_copies(drawn):
    flat, image = np.full(THUMBNAIL.size, 90, np.uint8), THUMBNAIL.pixels(drawn[0])
    assert not same_picture(flat, flat + 1)
    assert not same_picture(image, flat)
    assert not same_picture(image, np.ascontiguousarray(image[:, ::-1]))
    assert same_picture(image, image)


def test_no_image_and_one_image_have_no_copies(drawn):
    assert find_duplicates(thumbnails([])[:0].reshape(0, *THUMBNAIL.size), []) == []
    assert find_duplicates(thumbnails(drawn[:1]), ["a"]) == []


@pytest.fixture(scope="module")
def real(shared):
    """Gray values of 1,211 chest X-rays and their patients."""
    with (shared / "data/cxr/provenance.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [read_gray(shared / "data/cxr" / row["file"]) for row in rows], [row["patient_id"] for row in rows]


def test_no_two_patients_are_joined_and_real_copies_are_found(real):
    """One search over all images and a copy of some of them by each way: less than one in a hundred may be missed."""
    images, patients = real
    of_copy = list(range(0, len(images), 13))
    copies = [jpeg(COPIES[kind](images[row]), 90) for row, kind in zip(of_copy, list(COPIES) * 99, strict=False)]
    found = find_duplicates(thumbnails([*images, *copies]), names(len(images) + len(copies)))
    rows = [*range(len(images)), *of_copy]
    for group in found:
        assert len({patients[rows[row]] for row in group.rows}) == 1, group
    joined = {row for group in found for row in group.rows if row >= len(images) and rows[row] in group.rows}
    assert len(joined) >= 0.99 * len(copies)
