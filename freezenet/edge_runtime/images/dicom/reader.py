"""A DICOM file as gray values.

In this order: the transfer syntax, the presence of one gray image, its size, the header of its frame, what the tags say
that it shows; only then it is decoded and shown as PS3.4, N.2 asks for.
"""

from __future__ import annotations

import zlib
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread, uid
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import Tag

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.dicom.frame import SUPPORTED, open_frame
from freezenet.edge_runtime.images.dicom.grayscale import displayed
from freezenet.edge_runtime.images.dicom.samples import OVERLAY_BITS, check_unused_bits
from freezenet.edge_runtime.images.dicom.subject import check_subject
from freezenet.edge_runtime.images.dicom.tags import integer, named, shown, text
from freezenet.edge_runtime.images.dicom.views import DESCRIPTIONS
from freezenet.edge_runtime.images.limits import MAX_PIXELS
from freezenet.edge_runtime.system.chatter import without_pydicom_warnings

#: All that is looked at; nothing else is kept, no patient's name or number.
TAGS = ("SOPClassUID", "Modality", "PresentationIntentType", "PatientOrientation", "BodyPartExamined",
        "AnatomicRegionSequence", "ViewPosition", "ViewCodeSequence", *DESCRIPTIONS,
        "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "Rows", "Columns", "BitsAllocated",
        "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit",
        "ModalityLUTSequence", "RescaleSlope", "RescaleIntercept", "VOILUTSequence", "WindowCenter", "WindowWidth",
        "VOILUTFunction", "PixelData")  # fmt: skip

_NUMBERS = [*(Tag(tag_for_keyword(keyword) or 0) for keyword in TAGS), *OVERLAY_BITS]
_FOR_PROCESSING = frozenset({uid.DigitalXRayImageStorageForProcessing, uid.DigitalMammographyXRayImageStorageForProcessing,
                             uid.DigitalIntraOralXRayImageStorageForProcessing})  # fmt: skip
# A deflated file may grow a thousandfold: no more than the largest image is unpacked.
_MAX_INFLATED = 2 * MAX_PIXELS
_DAMAGED = "A whole DICOM file is required. Got: a damaged or truncated one; copy it again."


def read(data: bytes, trust_tags: bool) -> NDArray[np.uint8]:
    """Return the gray values (h, w) uint8 of the file; see `freezenet.edge_runtime.images.dicom.read_dicom_gray`."""
    # What pydicom has to say about odd values is said by our own sentences or does not matter.
    with without_pydicom_warnings():
        found, syntax = _parsed(data)
        _check_one_gray_image(found)
        frame = open_frame(found, syntax)
        if trust_tags:
            check_subject(found)
        codes = frame.codes(integer(found, "Rows"), integer(found, "Columns"))
        if frame.stream is None:
            check_unused_bits(codes, frame.form, found)
        return displayed(codes, frame.form, found)


def _parsed(data: bytes) -> tuple[Dataset, uid.UID]:
    """Return the data set, reduced to TAGS, and the transfer syntax."""
    try:
        stream = BytesIO(data)
        stream.seek(132 if data[128:132] == b"DICM" else 0)
        # File meta information is always explicit and little-endian: PS3.10, 7.1.
        meta = read_dataset(stream, False, True, stop_when=lambda tag, _vr, _length: tag >> 16 != 2)
        syntax = text(meta, "TransferSyntaxUID")
        if syntax is not None and syntax not in SUPPORTED:
            raise DataError(
                f"An image in a transfer syntax that can be decoded is required. Got: {named('TransferSyntaxUID')} "
                f"{shown(uid.UID(syntax).name)}; export it uncompressed."
            )
        if syntax == uid.DeflatedExplicitVRLittleEndian:
            found = dcmread(BytesIO(_inflated(stream.read())), force=True, specific_tags=_NUMBERS)
        else:
            found = dcmread(BytesIO(data), force=True, specific_tags=_NUMBERS)
    except (DataError, MemoryError):
        raise
    except Exception:  # a damaged file may break the parser anywhere
        raise DataError(_DAMAGED) from None
    if syntax is None:
        implicit, little = found.original_encoding
        syntax = (
            uid.ImplicitVRLittleEndian
            if implicit
            else uid.ExplicitVRLittleEndian
            if little
            else uid.ExplicitVRBigEndian
        )
    return found, uid.UID(syntax)


def _inflated(content: bytes) -> bytes:
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = unpacker.decompress(content, _MAX_INFLATED)
    if unpacker.unconsumed_tail:
        raise DataError(
            f"A deflated DICOM file of at most {_MAX_INFLATED // 1_000_000} MB unpacked is required. Got: a larger one; "
            "export it uncompressed."
        )
    if not unpacker.eof:
        raise DataError(_DAMAGED)
    return inflated


def _check_one_gray_image(data: Dataset) -> None:
    if not _has_pixels(data):
        kind = _kind(data)
        # A file that is cut off loses its last element, and that is the image.
        remedy = "copy the file again, it was cut off" if "Image" in kind else "name the files of the images"
        raise DataError(f"An image in {named('PixelData')} is required. Got: none, in {kind}; {remedy}.")
    photometric = text(data, "PhotometricInterpretation")
    samples = integer(data, "SamplesPerPixel", 1)
    if photometric not in ("MONOCHROME1", "MONOCHROME2") or samples != 1:
        raise DataError(
            f"A gray image, MONOCHROME1 or MONOCHROME2 in {named('PhotometricInterpretation')}, is required. "
            f"Got: {shown(photometric)} with {samples} samples per pixel; export the original X-ray."
        )
    if "PROCESSING" in (text(data, "PresentationIntentType") or "").upper() or _class(data) in _FOR_PROCESSING:
        raise DataError(
            f"An image for presentation in {named('PresentationIntentType')} is required. Got: 'FOR PROCESSING', raw data of the "
            "detector; export the image that is shown to the radiologist."
        )
    frames = integer(data, "NumberOfFrames", 1)
    if frames > 1:
        raise DataError(
            f"A single image, 1 in {named('NumberOfFrames')}, is required. Got: {frames}; export the frames one by one."
        )


def _has_pixels(data: Dataset) -> bool:
    try:
        pixels = data.get("PixelData") or b""
    except Exception:  # a damaged value may break its converter anywhere
        pixels = None
    if not isinstance(pixels, bytes):
        raise DataError(_DAMAGED)
    return bool(pixels)


def _kind(data: Dataset) -> str:
    """Return the name of the object's class, of which the standard knows hundreds."""
    number = _class(data)
    name = uid.UID(number).name
    return name if name and name != number else "an object of an unknown kind"


def _class(data: Dataset) -> str:
    meta = getattr(data, "file_meta", Dataset())
    return text(data, "SOPClassUID") or text(meta, "MediaStorageSOPClassUID") or ""
