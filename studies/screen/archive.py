"""Archives of any size made of a few images: each file has bytes of its own, and the pixels of one of the images."""

from __future__ import annotations

import io
from pathlib import Path

from freezenet.edge_runtime.images.dicom.recognition import is_dicom

#: Every so many files, one is cut to a third, one repeats an earlier one, and one JPEG is wrapped into a DICOM file.
DAMAGED_EVERY, REPEATED_EVERY, WRAPPED_EVERY = 100, 50, 4
#: Files of a folder.
_FOLDER = 1000
#: Bytes in front of a DICOM file's mark, which say nothing (PS3.10, 7.1).
_PREAMBLE = 128


def write_archive(folder: Path, images: list[Path], files: int) -> None:
    """Fill a folder with changed copies of images: no two have equal content but for those that repeat one, on purpose."""
    contents = [path.read_bytes() for path in images]
    for number in range(files):
        home = folder / f"{number // _FOLDER:03d}"
        home.mkdir(parents=True, exist_ok=True)
        own = number // 2 if number % REPEATED_EVERY == REPEATED_EVERY - 1 else number
        image = contents[own % len(contents)]
        if own % WRAPPED_EVERY == WRAPPED_EVERY - 1 and image.startswith(b"\xff\xd8"):
            image = wrapped_jpeg(image, own)
        data = distinct(image, own)
        if number % DAMAGED_EVERY == DAMAGED_EVERY // 2:
            data = data[: len(data) // 3]
        (home / f"{number:06d}{'.dcm' if is_dicom(data) else images[own % len(images)].suffix}").write_bytes(data)


def distinct(data: bytes, number: int) -> bytes:
    """Return a file with other bytes and the same pixels: a number in the preamble of a DICOM file, behind the end of others."""
    if data[_PREAMBLE : _PREAMBLE + 4] == b"DICM":
        return f"number {number}".encode().ljust(_PREAMBLE, b"\0") + data[_PREAMBLE:]
    return data + f"\0number {number}\0".encode()


def wrapped_jpeg(data: bytes, number: int) -> bytes:
    """Return a gray JPEG as the frame of a DICOM file, of one study for every ten numbers, in twelve months."""
    import pydicom
    from pydicom.dataset import FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import DigitalXRayImageStorageForPresentation, JPEGBaseline8Bit, generate_uid

    from freezenet.edge_runtime.images.header import image_size

    size = image_size(data)
    assert size is not None
    found = pydicom.Dataset()
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    found.SOPClassUID = DigitalXRayImageStorageForPresentation
    found.SOPInstanceUID = generate_uid(entropy_srcs=[f"image {number}"])
    found.StudyInstanceUID = generate_uid(entropy_srcs=[f"study {number // 10}"])
    found.SeriesInstanceUID = generate_uid(entropy_srcs=[f"series {number // 10}"])
    found.StudyDate = f"2026{number % 12 + 1:02d}15"
    found.Modality, found.BodyPartExamined, found.ViewPosition = "DX", "CHEST", "PA"
    found.PresentationLUTShape = "IDENTITY"
    found.PhotometricInterpretation, found.SamplesPerPixel, found.PixelRepresentation = "MONOCHROME2", 1, 0
    found.Columns, found.Rows = size
    found.BitsAllocated, found.BitsStored, found.HighBit = 8, 8, 7
    found.PixelData = encapsulate([data + b"\0" * (len(data) % 2)])
    found["PixelData"].VR = "OB"
    stream = io.BytesIO()
    found.save_as(stream, enforce_file_format=True)
    return stream.getvalue()
