"""What a DICOM file says that it is, against pydicom's own writing of it."""

from __future__ import annotations

import io

import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from freezenet.edge_runtime.images.dicom.identity import Identity, dicom_identity

WHOLE = Identity("1.2.3", "1.2.3.4", "1.2.3.4.5", "2026-11")


def written(syntax=ExplicitVRLittleEndian, study="1.2.3"):
    """A file of 100,000 bytes behind its tags."""
    found = pydicom.Dataset()
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = syntax
    found.SOPClassUID, found.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.3.4.5"
    found.StudyInstanceUID, found.SeriesInstanceUID, found.StudyDate = study, "1.2.3.4", "20261129"
    found.PatientName = "Nobody"
    found.add_new(0x7FE00010, "OB", b"\1" * 100_000)
    stream = io.BytesIO()
    found.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_the_beginning_of_a_file_tells(syntax):
    data = written(syntax)
    assert dicom_identity(data) == WHOLE
    # As much is told by what a broken transfer left.
    assert dicom_identity(data[:1000]) == WHOLE


def test_what_is_compressed_as_a_whole_is_not_unpacked():
    assert dicom_identity(written(DeflatedExplicitVRLittleEndian)) == Identity()


@pytest.mark.parametrize("data", [b"", b"DICM", b"\0" * 128 + b"DICM", b"\xff" * 5000])
def test_what_is_none_says_nothing(data):
    assert dicom_identity(data) == Identity()


def test_a_value_of_a_megabyte_is_not_split_into_uids():
    """Implicit VR has no limit of its own: "1.2\\1.2\\..." would become a quarter of a million values."""
    assert dicom_identity(written(ImplicitVRLittleEndian, study="1.2\\" * 250_000 + "1")) == Identity()
