"""Model files with a changed card, and made-up DICOM files."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, RLELossless


@pytest.fixture
def with_card(tmp_path) -> Callable[..., Path]:
    """A function that copies a model with its card changed in place: the flatbuffer, then a new archive."""

    def copy(model: Path, change: Callable[[dict], object], leave_out: str = "") -> Path:
        data = model.read_bytes()
        with zipfile.ZipFile(model) as archive:
            files = {one.filename: archive.read(one) for one in archive.infolist()}
            start = min(one.header_offset for one in archive.infolist())
        card = json.loads(files["card.json"])
        change(card)
        files["card.json"] = json.dumps(card).encode()
        stream = io.BytesIO(data[:start])
        with zipfile.ZipFile(stream, "a", zipfile.ZIP_STORED) as archive:
            for name, content in files.items():
                if name != leave_out:
                    archive.writestr(name, content)
        target = tmp_path / f"changed-{model.name}"
        target.write_bytes(stream.getvalue())
        return target

    return copy


@pytest.fixture
def bare(models, tmp_path) -> Path:
    """The int8 model without the archive behind the flatbuffer."""
    source = models / "int8.tflite"
    with zipfile.ZipFile(source) as archive:
        start = min(one.header_offset for one in archive.infolist())
    target = tmp_path / "bare.tflite"
    target.write_bytes(source.read_bytes()[:start])
    return target


@pytest.fixture(scope="session")
def dicom() -> Callable[..., bytes]:
    """A function that makes a chest X-ray's DICOM file of pixels (h, w); tags of the value None are left out.

    frame: the pixels as encoded by the test, for a compressed transfer syntax; RLE is encoded by pydicom.
    """

    def make(pixels: np.ndarray, syntax: UID = ExplicitVRLittleEndian, frame: bytes | None = None, **tags) -> bytes:
        bits = 8 * pixels.itemsize
        data = Dataset()
        data.SOPClassUID, data.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", "1.2.3"
        data.PatientName, data.Modality, data.BodyPartExamined, data.ViewPosition = "Doe^Jane", "CR", "CHEST", "PA"
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.Rows, data.Columns = pixels.shape
        data.BitsAllocated, data.BitsStored, data.HighBit = bits, bits, bits - 1
        data.PixelRepresentation = int(pixels.dtype.kind == "i")
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = syntax
        if frame is not None:
            data.PixelData = encapsulate([frame])
        elif syntax == RLELossless:
            data.compress(syntax, pixels, encoding_plugin="pydicom", generate_instance_uid=False)
        else:
            little = UID(syntax).is_little_endian
            data.PixelData = pixels.astype(pixels.dtype.newbyteorder("<" if little else ">")).tobytes()
        data["PixelData"].VR = "OB" if UID(syntax).is_encapsulated or bits == 8 else "OW"
        for keyword, value in tags.items():
            if value is None:
                delattr(data, keyword)
            else:
                setattr(data, keyword, value)
        stream = io.BytesIO()
        data.save_as(stream, enforce_file_format=True)
        return stream.getvalue()

    return make
