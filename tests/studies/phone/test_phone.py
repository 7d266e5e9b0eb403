"""The apps' modules give the answers of `freezenet predict` in Node, three browser engines and on a JVM."""

from __future__ import annotations

import os
import shutil

import cv2
import numpy as np
import pytest

from freezenet.edge_runtime.images.reader import read_gray
from studies.phone.matrix import ENGINES, Agreement, ask_engine, expected_of
from studies.phone.pictures import KINDS, varied
from studies.tables.phone_table import phone_table


@pytest.fixture(scope="module")
def files(phantoms, tmp_path_factory):
    """Phantoms in every kind of file, and one on which there is nothing to see."""
    folder = tmp_path_factory.mktemp("files")
    blank = folder / "blank.png"
    cv2.imwrite(str(blank), np.full((50, 60), 90, np.uint8))
    return [*varied(sorted(phantoms.parent.rglob("*.png"))[::16], folder), blank]


@pytest.fixture(scope="module")
def expected(phone_model, files):
    return expected_of(phone_model, files)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_gives_the_same_answers(phone_model, files, expected, tools, engine):
    found = ask_engine(engine, phone_model, files, expected, tools)
    if found.missing and not (os.environ.get("FREEZENET_CI") and os.geteuid() == 0 and shutil.which("apt-get")):
        pytest.skip(found.missing)
    assert found.missing is None
    assert found.is_whole, found
    assert found.largest < 1e-9
    assert {one["reason"] for one in expected} >= {None, "not a chest X-ray"}


def test_pictures_of_every_kind_show_the_same(phantoms, tmp_path):
    sources = sorted(phantoms.parent.rglob("*.png"))[: len(KINDS)]
    plain, png, exif, color = varied(sources, tmp_path)
    assert plain == sources[0]
    np.testing.assert_array_equal(read_gray(png), read_gray(sources[1]))
    for made, source in ((exif, sources[2]), (color, sources[3])):
        assert made.suffix == ".jpg"
        # The same way up, but for what JPEG loses.
        assert np.abs(read_gray(made).astype(int) - read_gray(source)).mean() < 6
    stored = cv2.imread(str(exif), cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
    assert np.abs(stored.astype(int) - read_gray(sources[2])).mean() > 6
    assert np.ptp(cv2.imread(str(color)).astype(int), axis=-1).max() > 0


def test_a_table_of_what_was_asked():
    good = Agreement("Node", "v20", 80, 80, 80, 80, 1e-17, 31.4)
    bad = Agreement("Firefox", "", 80, missing="The program firefox-esr is required.")
    engines = {"node": good.__dict__, "firefox": bad.__dict__}
    table = phone_table({"engines": engines})
    assert "| Node (v20) | 80 of 80 | 80 of 80 | 80 of 80 | 1.0e-17 | 31 |" in table
    assert "not run" in table and "firefox-esr is required" in table
    assert good.is_whole and not bad.is_whole
