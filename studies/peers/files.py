"""The files that are read: one image as a small and a large JPEG, as PNG, and as 16-bit DICOM."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.files import write_bytes

#: Name of the file -> side in pixels.
SIDES = {"jpeg-512.jpg": 512, "jpeg-2048.jpg": 2048, "png-2048.png": 2048, "dicom-2000.dcm": 2000}
#: Standard deviation of the detector noise in gray levels: an enlarged image is smoother than what a detector gives, and
#: a smooth file is decoded faster.
_NOISE = 2.0
_JPEG_QUALITY = 95
#: Bits that the DICOM file stores in the 16 of each sample.
_STORED_BITS = 12


def write_files(folder: Path, image: Path | None = None) -> dict[str, Path]:
    """Write the files and return their names and paths.

    image: an X-ray that `freezenet.edge_runtime.images.reader.read_gray` reads, made square and enlarged or reduced; None draws a phantom.
    Equal arguments write equal pixels.
    """
    rng = np.random.default_rng(0)
    if image is None:
        from freezenet.train.data.phantoms import draw_phantom

        gray = draw_phantom("Clear", 1024, rng, noise=0)
    else:
        from freezenet.edge_runtime.images.reader import read_gray

        gray = read_gray(image)
    for name, side in SIDES.items():
        enlarged = side > min(gray.shape)
        scaled = cv2.resize(gray, (side, side), interpolation=cv2.INTER_CUBIC if enlarged else cv2.INTER_AREA)
        # 0..1 of the full range.
        noisy = np.clip((scaled + rng.normal(0, _NOISE, scaled.shape)) / 255, 0, 1)
        path = folder / name
        if path.suffix == ".dcm":
            write_dicom(path, np.rint(noisy * ((1 << _STORED_BITS) - 1)).astype(np.uint16))
        else:
            quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY] if path.suffix == ".jpg" else []
            encoded = cv2.imencode(path.suffix, np.rint(noisy * 255).astype(np.uint8), quality)[1]
            write_bytes(path, encoded.tobytes())
    return {name: folder / name for name in SIDES}


def write_dicom(path: Path, stored: NDArray[np.uint16]) -> None:
    """Write values (h, w) uint16 as an uncompressed digital radiograph whose window is the whole range."""
    import pydicom
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

    data = pydicom.Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    data.StudyInstanceUID, data.SeriesInstanceUID = generate_uid(), generate_uid()
    data.Modality, data.BodyPartExamined, data.ViewPosition = "DX", "CHEST", "PA"
    data.PresentationIntentType, data.PresentationLUTShape = "FOR PRESENTATION", "IDENTITY"
    data.PhotometricInterpretation, data.SamplesPerPixel, data.PixelRepresentation = "MONOCHROME2", 1, 0
    data.Rows, data.Columns = stored.shape
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, _STORED_BITS, _STORED_BITS - 1
    data.RescaleIntercept, data.RescaleSlope, data.RescaleType = 0, 1, "US"
    data.WindowCenter, data.WindowWidth = 1 << (_STORED_BITS - 1), 1 << _STORED_BITS
    data.PixelData = stored.astype("<u2").tobytes()
    data.save_as(path, enforce_file_format=True)
