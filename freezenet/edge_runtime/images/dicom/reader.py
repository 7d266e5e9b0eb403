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
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.bounds.cost import HeavyImage, unbounded_cost
from freezenet.edge_runtime.images.bounds.memory import room
from freezenet.edge_runtime.images.dicom.frame import SUPPORTED, open_frame
from freezenet.edge_runtime.images.dicom.grayscale import displayed
from freezenet.edge_runtime.images.dicom.samples import OVERLAY_BITS, check_unused_bits
from freezenet.edge_runtime.images.dicom.subject import check_subject
from freezenet.edge_runtime.images.dicom.tags import integer, named, numbered, shown, text
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

_NUMBERS = [*map(numbered, TAGS), *OVERLAY_BITS]
_FOR_PROCESSING = frozenset({uid.DigitalXRayImageStorageForProcessing, uid.DigitalMammographyXRayImageStorageForProcessing,
                             uid.DigitalIntraOralXRayImageStorageForProcessing})  # fmt: skip
# A deflated file may grow a thousandfold: no more than the largest image is unpacked.
_MAX_INFLATED, _MOST_INFLATION = 2 * MAX_PIXELS, 1032
#: Reads of the parser, one or two for each element and item: an X-ray has some hundred.
_MOST_READS = 20_000
#: Bytes of a value that is no image, and of a sequence: a table has 65,536 entries of two bytes.
_MOST_BYTES, _MOST_SEQUENCE_BYTES, _MOST_ITEMS = 1 << 18, 1 << 20, 1000
_ITEM = b"\xfe\xff\x00\xe0"
_PIXELS = tag_for_keyword("PixelData")
_SEQUENCES = frozenset(tag_for_keyword(one) for one in TAGS if one.endswith("Sequence"))
_DAMAGED = "A whole DICOM file is required. Got: a damaged or truncated one; copy it again."


def read(data: bytes, trust_tags: bool) -> NDArray[np.uint8]:
    """Return the gray values (h, w) uint8 of the file; see `freezenet.edge_runtime.images.dicom.read_dicom_gray`."""
    # What pydicom has to say about odd values is said by our own sentences or does not matter.
    with without_pydicom_warnings():
        found, syntax = parsed(data)
        _check_one_gray_image(found)
        frame = open_frame(found, syntax)
        if trust_tags:
            check_subject(found)
        codes = frame.codes(integer(found, "Rows"), integer(found, "Columns"))
        if frame.stream is None:
            check_unused_bits(codes, frame.form, found)
        return displayed(codes, frame.form, found)


class Counted(BytesIO):
    """A file that ends the parsing of what is split into very many pieces, however deep they lie."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._left = _MOST_READS

    def read(self, size: int | None = -1, /) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise DataError(
                f"A DICOM file of at most {_MOST_READS // 2} elements is required. Got: more; export the image again."
            )
        return super().read(size)


def parsed(data: bytes) -> tuple[Dataset, uid.UID]:
    """Return the data set, reduced to TAGS and those of the overlays, and the transfer syntax.

    Raises:
        DataError: It is damaged.
        HeavyImage: It has to be unpacked, and a thread may not do it.
    """
    try:
        stream = Counted(data)
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
            content = stream.read()
            with room(unbounded_cost(2 * min(_MAX_INFLATED, _MOST_INFLATION * len(content)) + len(content))):
                inflated = _inflated(content)
                # pydicom would unpack what says so once more, and without a limit.
                if uid.DeflatedExplicitVRLittleEndian.encode() in inflated:
                    raise DataError(_DAMAGED)
                found = dcmread(Counted(inflated), force=True, specific_tags=_NUMBERS)
        else:
            # Where the syntax stands in a place that was not looked at, pydicom unpacks: not in a thread.
            if uid.DeflatedExplicitVRLittleEndian.encode() in data:
                with room(unbounded_cost(2 * min(_MAX_INFLATED, _MOST_INFLATION * len(data)))):
                    pass
            found = dcmread(Counted(data), force=True, specific_tags=_NUMBERS)
        check_lengths(found)
    except (DataError, HeavyImage, MemoryError):
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


def check_lengths(data: Dataset) -> None:
    """Refuse values that take seconds to convert; each is converted when it is asked for."""
    for tag in tuple(data.keys()):
        found = data.get_item(tag)
        if isinstance(found, RawDataElement):
            is_sequence, value = found.VR == "SQ" or tag in _SEQUENCES, found.value or b""
            most = _MOST_SEQUENCE_BYTES if is_sequence else _MOST_BYTES
            if len(value) > most and tag != _PIXELS:
                raise DataError(
                    f"At most {most >> 10} kB in {tag} is required. Got: {len(value) >> 10} kB; export the image again."
                )
            # Big-endian items begin the other way round.
            if is_sequence and max(value.count(_ITEM), value.count(b"\xff\xfe\xe0\x00")) > _MOST_ITEMS:
                raise DataError(
                    f"At most {_MOST_ITEMS} items in {tag} are required. Got: more; export the image again."
                )
        elif found is not None and found.VR == "SQ":
            for one in found.value:
                check_lengths(one)


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
