"""Files made to be slow or large: each is refused or read, and costs a thread next to nothing."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.bounds import apart, cost
from freezenet.edge_runtime.images.bounds.memory import MEMORY
from freezenet.edge_runtime.images.reader import read_gray
from studies.stress.siege import pictures
from studies.stress.siege.documents import DOCUMENTS
from studies.stress.siege.pictures import PICTURES

ATTACKS = {**PICTURES, **DOCUMENTS}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_file_made_to_be_slow_costs_a_thread_little(name):
    data = ATTACKS[name](300_000)
    started = time.thread_time()
    try:
        gray = read_gray(data, (224, 224))
        assert gray.dtype == np.uint8 and gray.ndim == 2
    except DataError as error:
        assert " is required. Got: " in str(error) or " are required. Got: " in str(error)
    # Without the limits some of them take half a minute; with them, this thread waits for a process at most.
    assert time.thread_time() - started < 5
    assert MEMORY.taken == 0


def test_the_scans_of_a_shared_case_are_refused_at_once(shared):
    data = (shared / "cases" / "images" / "jpeg-3000-scans.jpg").read_bytes()
    with pytest.raises(DataError, match="at most 100 scans is required"):
        read_gray(data)


@pytest.mark.parametrize("scans, components, refused", [(1, 1, False), (3, 3, False), (5, 3, True)])
def test_a_baseline_jpeg_may_have_a_scan_for_each_component(scans, components, refused):
    scan = pictures._scan(1, 0, 63, bytes(16))
    data = pictures._jpeg(0xC0, 64, 64, components, scan * scans)
    if refused:
        with pytest.raises(DataError, match="at most 4 scans is required"):
            read_gray(data)
    else:
        assert read_gray(data).shape == (64, 64)


@pytest.mark.parametrize("quality, progressive", [(95, 0), (60, 1)])
def test_ordinary_files_are_decoded_by_the_thread_itself(quality, progressive, monkeypatch):
    monkeypatch.setattr(apart.APART, "gray", None)
    noise = np.random.default_rng(0).integers(0, 255, (2000, 2400), np.uint8)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_PROGRESSIVE, progressive]
    assert read_gray(cv2.imencode(".jpg", noise, options)[1].tobytes()).shape == (2000, 2400)
    for kind in (".png", ".bmp", ".tif"):
        assert np.array_equal(read_gray(cv2.imencode(kind, noise[:1024, :1024])[1].tobytes()), noise[:1024, :1024])
    assert read_gray(cv2.imencode(".png", noise.astype(np.uint16) << 4)[1].tobytes()).shape == (2000, 2400)


def test_the_largest_images_fit_the_budget_and_no_larger_ones():
    hundred = (10_000, 10_000)
    fits = [
        cost.samples_cost(hundred, 1, 2, 10**8, is_deflated=True),
        cost.samples_cost((5000, 5000), 4, 2, 10**8, is_deflated=True),
        cost.jpeg_cost(hundred, 3, 1, 10**8, False),
        cost.jpeg_cost((6000, 6000), 3, 10, 10**8, True),
        cost.webp_cost((5000, 5000), 10**8, False),
    ]
    assert [one.memory <= MEMORY.total for one in fits] == [True] * len(fits)
    assert cost.jpeg_cost(hundred, 3, 10, 10**8, True).memory > MEMORY.total
