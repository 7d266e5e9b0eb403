"""Made-up archives: contents that differ, pixels that do not."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
import pytest

from freezenet.edge_runtime.images.dicom.recognition import is_dicom
from freezenet.edge_runtime.images.reader import read_gray
from studies.screen.archive import write_archive


@pytest.fixture
def images(tmp_path, dicom):
    gray = (np.add.outer(np.arange(120), np.arange(90)) % 256).astype(np.uint8)
    paths = [tmp_path / "a.jpg", tmp_path / "b.png", tmp_path / "c.dcm"]
    for path in paths[:2]:
        cv2.imwrite(str(path), gray)
    paths[2].write_bytes(dicom(gray))
    return paths


def test_every_file_differs_but_for_repeated_ones_and_pixels_stay(images, tmp_path):
    write_archive(tmp_path / "archive", images, 200)
    files = sorted(path for path in (tmp_path / "archive").rglob("*") if path.is_file())
    contents = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    # 49 is as 24, 149 as 74; 99 and 199 would be as files that are repetitions themselves.
    assert len(files) == 200 and len(set(contents)) == 200 - 2
    wrapped = [number for number, path in enumerate(files) if is_dicom(path.read_bytes()) and number % 3 != 2]
    assert wrapped
    for number in (0, 1, 2, wrapped[0]):
        assert np.array_equal(read_gray(files[number]), read_gray(images[number % 3]))
