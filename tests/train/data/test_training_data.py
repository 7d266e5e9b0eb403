"""Samples and their images in one order: what is skipped moves both, and everything that the training asks for fits the rows."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.train.data.images import read_images
from freezenet.train.data.loading import load
from freezenet.train.data.training_data import TrainingData

SPEC = PreprocessSpec(size=(32, 32))


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for label in "AB":
        (tmp_path / label).mkdir()
        for number in range(3):
            assert cv2.imwrite(f"{tmp_path}/{label}/{number}.png", rng.integers(0, 256, (64, 96), np.uint8))
    return tmp_path


def test_unreadable_images_are_skipped_and_named(folder, capsys):
    whole = read_images(load(folder), SPEC)
    (folder / "A" / "1bad.png").write_bytes(b"no image")  # between two good ones, whose rows move
    found = TrainingData.read(load(folder), SPEC, skip_unreadable=True)
    assert [sample.file for sample in found.dataset.samples] == [f"{one}/{n}.png" for one in "AB" for n in range(3)]
    skipped = capsys.readouterr().err.splitlines()
    assert len(skipped) == 1
    assert skipped[0].startswith(f"skipped {folder / 'A' / '1bad.png'}: ")
    assert found.images.hashes == whole.hashes
    assert (found.images.pixels == whole.pixels).all()
    with pytest.raises(FreezenetError, match="1 of 7"):
        TrainingData.read(load(folder), SPEC)


def test_everything_is_in_the_order_of_the_samples(folder):
    data = TrainingData.read(load(folder), SPEC)
    assert data.splits.tolist() == [""] * 6
    data = data.with_splits(["train", "test", "validation", "test", "train", "train"])
    assert data.rows("test").tolist() == [1, 3]
    assert [sample.split for sample in data.dataset.samples] == data.splits.tolist()
    assert data.labels == ("A", "B")
    assert data.classes.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.truth.tolist() == [[True, False]] * 3 + [[False, True]] * 3
    assert data.targets.dtype == np.float32
    assert data.patients.tolist() == [f"{label}/{number}.png" for label in "AB" for number in range(3)]


def test_a_class_whose_images_are_all_skipped_is_refused(folder):
    for image in (folder / "B").iterdir():
        image.write_bytes(b"no image")
    with pytest.raises(FreezenetError, match=r"A readable image of every class is required\. Got: none of B\."):
        TrainingData.read(load(folder), SPEC, skip_unreadable=True)
