"""Gray values of every kind of file against independent readers, for one small image; and that the comparison can fail."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from freezenet.train.data.phantoms import draw_phantom
from studies.stress.gray_values import dicom_files, rules
from studies.stress.gray_values.__main__ import LEVELS, compare, main, twelve_bits
from studies.stress.gray_values.files import Picture, pictures, wide

GRAY = draw_phantom("Focal", 96, np.random.default_rng(3))[:, :88].copy()
#: What must be refused; all else must be read.
REFUSED = {
    "JPEG 12 bits": "JPEG of 12 bits", "JPEG lossless": "lossless JPEG", "Others JPEG-LS": "JPEG-LS", "Others JPEG 2000": "JPEG 2000",
    "WebP animated": "an animation", "TIFF pages": "2 pages", "TIFF 12 bits, colour, planes": "3 planes of 16 bits",
    "TIFF 16 bits, colour, planes": "3 planes of 16 bits", "TIFF i2": "signed integers", "TIFF f4": "float32", "TIFF u4": "uint32",
}  # fmt: skip
dcmtk = pytest.mark.skipif(shutil.which("dcmcjpls") is None, reason="DCMTK is not installed")


def check(rows):
    for kind, row in rows.items():
        assert row.failures == [], kind
        assert row.read + bool(row.refused) == row.files == 1 or kind.startswith("TIFF 8 bits, "), kind
        unread = kind.startswith("TIFF") and any(
            what in kind for what in ("lzma", "zstd", "jpeg2000", "gray with alpha")
        )
        assert bool(row.refused) == (kind in REFUSED or unread), kind
        if kind in REFUSED:
            assert all(REFUSED[kind] in text for text in row.refused), row.refused


def test_every_kind_of_image_file_is_within_two_levels_or_refused_by_name():
    rows = compare(pictures(GRAY))
    assert len(rows) > 90
    assert REFUSED.keys() <= rows.keys()
    check(rows)


@dcmtk
def test_every_kind_of_dicom_file_is_within_two_levels_of_dcmtk():
    rows = compare(dicom_files.dicom_pictures(GRAY))
    assert len(rows) > 60
    check(rows)


@dcmtk
def test_lossy_jpeg_of_12_bits_is_decoded_as_dcmtk_does():
    assert twelve_bits([GRAY], []) == (4, 4)


def test_a_wrong_picture_is_found():
    good = next(iter(pictures(GRAY)))
    wrong = Picture("wrong", good.data, lambda: good.expected() + LEVELS + 1)
    turned = Picture("turned", good.data, lambda: good.expected().T)
    rows = compare([good, wrong, turned])
    assert [len(row.failures) for row in rows.values()] == [0, 1, 1]


def test_the_rules_by_hand():
    assert rules.by_rules(np.array([[0, 7, 255]], np.uint8)).tolist() == [[0, 7, 255]]
    assert rules.by_rules(np.array([[0, 1023]], np.uint16)).tolist() == [[0, 255]]
    hot = np.full((40, 40), 4095, np.uint16)
    hot[0, 0] = 65535
    assert (rules.by_rules(hot) == 255).all()
    assert rules.by_rules(np.array([[[255, 0, 0]]], np.uint8)).round(3).tolist() == [[76.245]]
    assert rules.by_rules(np.array([[200]], np.uint8), np.array([[0]], np.uint8)).tolist() == [[0]]
    assert rules.signed_by_rules(np.array([[-128, 127, -2000]], np.int16), -2000).tolist() == [[0, 255, 0]]
    assert wide(GRAY, 8) is GRAY
    assert wide(GRAY, 12).max() <= 4095


@dcmtk
def test_the_command_prints_the_table_and_writes_the_result(tmp_path, phantoms):
    done = CliRunner().invoke(main, [str(phantoms.parent), "--files", "1", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "| JPEG gray | 1 | 1 |" in done.output
    assert " 0 neither." in done.output
    assert [path.name.startswith("gray-values-") for path in tmp_path.iterdir()] == [True]
