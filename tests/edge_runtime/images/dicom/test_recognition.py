"""What is taken for DICOM, and what never is."""

from __future__ import annotations

import io
import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from freezenet.edge_runtime.images.dicom.recognition import HEAD, is_dicom, is_dicomdir

PIXELS = np.arange(40 * 50, dtype=np.uint16).reshape(40, 50)


def without_preamble(data: bytes, implicit: bool) -> bytes:
    """The data set alone, as archives of the nineties hold it."""
    found, stream = dcmread(io.BytesIO(data)), io.BytesIO()
    found.file_meta, found.preamble = FileMetaDataset(), None
    found.save_as(stream, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
    return stream.getvalue()


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_files_of_part_10_are_recognized(dicom, syntax):
    data = dicom(PIXELS, syntax)
    assert is_dicom(data)
    assert is_dicom(data[:HEAD])
    assert not is_dicomdir(data)


@pytest.mark.parametrize("implicit", [True, False])
def test_a_data_set_without_preamble_is_recognized(dicom, implicit):
    bare = without_preamble(dicom(PIXELS), implicit)
    assert bare[128:132] != b"DICM"
    assert is_dicom(bare)
    assert not is_dicomdir(bare)


def test_file_meta_information_without_preamble_is_recognized(dicom):
    assert is_dicom(dicom(PIXELS)[132:])


def test_all_samples_are_recognized_and_the_index_is_told_apart(shared):
    samples = [path for path in (shared / "data" / "dicom").iterdir() if path.suffix != ".csv"]
    assert len(samples) == 15
    for path in samples:
        assert is_dicom(path.read_bytes()[:HEAD]), path
        assert is_dicomdir(path.read_bytes()[:HEAD]) == (path.name == "noimage_DICOMDIR"), path


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF", "PPM"])
def test_other_images_are_not_taken_for_it(kind):
    stream = io.BytesIO()
    Image.fromarray(PIXELS.astype(np.uint8)).save(stream, kind)
    assert not is_dicom(stream.getvalue())


def test_other_files_are_not_taken_for_it():
    text = "The file is DICOM (1.2.840.10008.1.2.1), modality CR, body part CHEST.\n" * 20
    for data in (b"", b"\0", bytes(5000), text.encode(), text.encode("utf-16"), b"\x1c\0\0\0TFL3" + bytes(500)):
        assert not is_dicom(data)
        assert not is_dicomdir(data)
    assert not is_dicom(cv2.imencode(".jp2", PIXELS)[1].tobytes())


def test_elements_that_lead_nowhere_are_not_taken_for_it(dicom):
    bare = without_preamble(dicom(PIXELS), implicit=False)
    assert not is_dicom(bare.replace(b"1.2.840.10008.", b"1.2.999.10008."))
    assert not is_dicom(bare[:12])
    assert not is_dicom(bare[8:])


@given(st.binary(max_size=300))
def test_any_bytes_can_be_looked_at(data):
    assert is_dicom(data) == (data[128:132] == b"DICM") or data[:4] in (b"\x02\0\x02\0", b"\x08\0\x16\0")
    is_dicomdir(data)


def test_recognition_needs_no_package():
    code = "import freezenet.edge_runtime.images.dicom.recognition, freezenet.edge_runtime.images.dicom, sys; print({'pydicom', 'numpy', 'cv2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
