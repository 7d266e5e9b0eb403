"""Small files that foreign software wrote or damage made, each with what is right; they lie outside of the repository."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydicom import dcmread

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.reader import read_gray

#: What a sentence must say of a file that is not read.
REFUSED = {
    "images/jpeg_512_bytes_zeroed.jpg": "Corrupt JPEG data",
    "images/tiff8_deflate_damaged_tile.tif": "damaged one (deflate)",
    "images/gray8_compression_34712_jpeg2000.tif": "JPEG 2000 (34712)",
    "images/gray_4bit.tif": "gray of 4 bits",
    "images/rgb16_planar.tif": "3 planes of 16 bits",
    "images/jpeg-3000-scans.jpg": "at most 100 scans",
    "dicom/view_oblique.dcm": "'OBLIQUE'",
    "dicom/orientation_lateral.dcm": "'A/F'",
    "dicom/for_processing.dcm": "'FOR PROCESSING'",
}
#: Files that are read, and with which other file they agree within how many levels.
AGREE = {
    "images/minIsWhite_16bit.tif": ("images/minIsWhite_8bit.tif", 0),
    "images/exif6.webp": ("images/exif6.jpg", 40),
    "images/twelve-bits-one-hot-pixel.png": ("images/twelve-bits.png", 1),
}
#: Read without more; of os2_core, navy, the key and the J2K stream the tests below say more.
READ = {
    "images/minIsWhite_8bit.tif", "images/exif6.jpg", "images/twelve-bits.png", "images/xray.jfif", "images/os2_core_8bit.bmp",
    "images/png16_rgb_navy.png", "images/gray_tRNS.png", "images/gray-gamma18-icc.jpg", "dicom/rle_padded_with_space.dcm",
    "dicom/view_lateral_decubitus_refused.dcm", "dicom/j2k_12bit_stream_bitsstored_10.dcm",
}  # fmt: skip
#: Files about something else than reading; they are read as any other.
ELSEWHERE = {
    "images/chest-blur-3.png": "the OOD gate", "images/chest-noise-3.png": "the OOD gate", "images/chest-frame-3.png": "the OOD gate",
    "images/chest-q50-3.jpg": "the OOD gate", "images/chest-orig-3.png": "the OOD gate",
    "dicom/birth-date-zeros.dcm": "reports", "dicom/patient-sex-U.dcm": "reports", "dicom/study_time_colons.dcm": "reports",
    "dicom/name_cyrillic_iso_ir_144.dcm": "reports", "dicom/name_utf8.dcm": "reports",
    "dicom/same_uid_patient_a.dcm": "the node", "dicom/same_uid_patient_b.dcm": "the node",
}  # fmt: skip


@pytest.fixture
def cases(shared) -> Path:
    folder = shared / "cases"
    if not folder.is_dir():
        pytest.skip(f"{folder} with files that once failed is not here")
    return folder


def test_each_file_has_its_place_in_a_table(cases):
    files = {f"{path.parent.name}/{path.name}" for kind in ("images", "dicom") for path in (cases / kind).iterdir()}
    assert files == {*REFUSED, *AGREE, *READ, *ELSEWHERE}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_cannot_be_trusted_is_refused_by_name_within_a_second(cases, name):
    started = time.perf_counter()
    with pytest.raises(DataError) as caught:
        read_gray(cases / name)
    assert REFUSED[name] in str(caught.value)
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("name", sorted(AGREE))
def test_two_files_of_one_picture_agree(cases, name):
    other, levels = AGREE[name]
    difference = np.abs(read_gray(cases / name).astype(int) - read_gray(cases / other))
    # A hot pixel itself is white.
    assert np.sort(difference, axis=None)[-2] <= levels
    assert difference.mean() < 2


@pytest.mark.parametrize("name", sorted(READ | ELSEWHERE.keys()))
def test_the_others_are_read(cases, name):
    gray = read_gray(cases / name)
    assert gray.min() < 100
    assert "navy" in name or gray.std() > 10


def test_the_pictures_are_right(cases):
    os2 = cv2.imread(str(cases / "images/os2_core_8bit.bmp"), cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(read_gray(cases / "images/os2_core_8bit.bmp"), os2)
    assert os2.shape == (353, 435)
    assert np.abs(read_gray(cases / "images/png16_rgb_navy.png").astype(float) - 32768 * 0.114 / 257).max() <= 0.6
    assert read_gray(cases / "images/gray_tRNS.png").max() == 254  # the key is 255
    rle = dcmread(cases / "dicom/rle_padded_with_space.dcm")
    with pytest.warns(UserWarning, match="non-conformant padding"):
        np.testing.assert_array_equal(read_gray(cases / "dicom/rle_padded_with_space.dcm"), rle.pixel_array)
    stream = dcmread(cases / "dicom/j2k_12bit_stream_bitsstored_10.dcm")
    assert stream.BitsStored == 10
    assert read_gray(cases / "dicom/j2k_12bit_stream_bitsstored_10.dcm").max() == round(3967 * 255 / 4095)
