"""All images of a data set in memory, and the unreadable ones told."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
import pytest

from freezenet.edge_runtime.errors import DataError, FreezenetError
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.train.data.images import read_images, read_pixels, read_what_can_be_read
from freezenet.train.data.loading import load

SPEC = PreprocessSpec(size=(32, 32))


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for label in "AB":
        (tmp_path / label).mkdir()
        for number in range(3):
            assert cv2.imwrite(f"{tmp_path}/{label}/{number}.png", rng.integers(0, 256, (64, 96), np.uint8))
    return tmp_path


def test_pixels_and_hashes_are_those_of_the_files(folder):
    dataset = load(folder)
    images = read_images(dataset, SPEC)
    assert images.pixels.shape == (6, 32, 32)
    assert images.pixels.dtype == np.uint8
    for row, path in enumerate(dataset.paths):
        whole = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        # 64 x 96 to 32 x 32 by area: the mean of 2 x 3 pixels, rounded
        mean = whole.reshape(32, 2, 32, 3).mean((1, 3))
        assert np.abs(images.pixels[row] - mean).max() <= 0.5 + 1e-6
        assert images.hashes[row] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_unreadable_images_are_counted_and_three_named(folder):
    for number in range(4):
        (folder / "A" / f"bad{number}.png").write_bytes(b"no image")
    (folder / "B" / "empty.png").write_bytes(b"")
    with pytest.raises(FreezenetError) as caught:
        read_images(load(folder), SPEC)
    message = str(caught.value)
    assert "5 of 11" in message
    assert "and 2 more" in message
    assert all(f"bad{number}.png" in message for number in range(3))
    assert "bad3.png" not in message


def test_a_file_that_vanished_is_named(folder):
    dataset = load(folder)
    dataset.paths[4].unlink()
    with pytest.raises(FreezenetError, match=r"1 of 6.*1\.png: No such file"):
        read_images(dataset, SPEC)


def test_sizes_are_those_of_the_files(folder):
    assert cv2.imwrite(f"{folder}/A/9.jpg", np.zeros((900, 1200), np.uint8))  # decoded at an eighth of its size
    (folder / "B" / "bad.png").write_bytes(b"no image")
    dataset = load(folder)
    reading = read_what_can_be_read(dataset.paths, SPEC)
    assert reading.sizes.tolist() == [[96, 64]] * 3 + [[1200, 900]] + [[96, 64]] * 3 + [[0, 0]]
    assert list(reading.failures) == [7]
    assert reading.hashes[7] == ""
    assert reading.pixels.shape == (8, 32, 32)


def test_pixels_of_a_run_are_those_of_the_device(folder):
    paths = load(folder).paths
    pixels, hashes = read_pixels(paths, SPEC)
    assert hashes == tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)
    assert (pixels == np.stack([SPEC.pixels(path) for path in paths])).all()
    again, _ = read_pixels(paths, SPEC, expected_sha256=hashes)
    assert (again == pixels).all()
    empty, none = read_pixels([], SPEC, expected_sha256=[])
    assert empty.shape == (0, 32, 32) and none == ()


def test_each_file_of_a_run_is_read_once(folder, monkeypatch):
    paths = load(folder).paths
    read = []
    original = type(paths[0]).read_bytes
    monkeypatch.setattr(type(paths[0]), "read_bytes", lambda path: read.append(path) or original(path))
    read_pixels(paths, SPEC)
    assert sorted(read) == sorted(paths)


def test_a_file_of_a_run_that_changed_or_vanished_is_named(folder):
    paths = load(folder).paths
    _, hashes = read_pixels(paths, SPEC)
    paths[2].write_bytes(b"no image")
    with pytest.raises(DataError, match=r"2\.png, which has changed since the training; train again\."):
        read_pixels(paths, SPEC, expected_sha256=hashes)
    with pytest.raises(DataError, match=r"Readable images .*2\.png: .*cannot be decoded"):
        read_pixels(paths, SPEC)
    paths[1].unlink()
    with pytest.raises(DataError, match=r"1\.png, which does not exist; if the data was moved, pass --data\."):
        read_pixels(paths, SPEC, expected_sha256=hashes)
