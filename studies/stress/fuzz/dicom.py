"""DICOM files of drawn images, in every transfer syntax that can be written here."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray


def available() -> bool:
    """Whether DICOM files can be made here."""
    return find_spec("pydicom") is not None


def variants(gray: NDArray, color: NDArray) -> Iterator[tuple[str, bytes]]:
    """Yield bit depths, photometric interpretations, transfer syntaxes and layouts; every identifier is invented."""
    from pydicom import uid

    wide = gray.astype(np.uint16) << 4
    yield "explicit-12bit", _saved(wide, 12)
    yield "implicit-8bit", _saved(gray, 8, uid.ImplicitVRLittleEndian)
    yield "big-endian", _saved(wide, 12, uid.ExplicitVRBigEndian)
    yield "deflated", _saved(wide, 12, uid.DeflatedExplicitVRLittleEndian)
    yield "colour", _saved(color, 8)
    yield "monochrome1", _saved(wide, 12, photometric="MONOCHROME1", WindowCenter=2048, WindowWidth=4096)
    yield (
        "rescale",
        _saved(
            wide, 12, RescaleSlope="2", RescaleIntercept="-1024", WindowCenter=["100", "900"], WindowWidth=["50", "400"]
        ),
    )
    yield "frames", _saved(np.stack([wide, wide]), 12)
    whole = _saved(wide, 12)
    yield "no-preamble", whole[132:]
    yield "data-set-only", _saved(wide, 12, uid.ImplicitVRLittleEndian, bare=True)
    yield "rle", _saved(wide, 12, uid.RLELossless)
    yield "rle-colour", _saved(color, 8, uid.RLELossless)
    yield "jpeg-baseline", _encapsulated([gray], 8, uid.JPEGBaseline8Bit, _jpeg)
    yield "jpeg-baseline-frames", _encapsulated([gray, gray], 8, uid.JPEGBaseline8Bit, _jpeg)
    if find_spec("imagecodecs") is not None:
        yield from _by_imagecodecs(wide)


def _by_imagecodecs(wide: NDArray) -> Iterator[tuple[str, bytes]]:
    import imagecodecs
    from pydicom import uid

    yield "jpeg-ls", _encapsulated([wide], 12, uid.JPEGLSLossless, imagecodecs.jpegls_encode)
    twelve = functools.partial(imagecodecs.jpeg8_encode, bitspersample=12)
    yield "jpeg-extended", _encapsulated([wide], 12, uid.JPEGExtended12Bit, twelve)
    lossless = functools.partial(twelve, lossless=True, predictor=1)
    yield "jpeg-lossless", _encapsulated([wide], 12, uid.JPEGLosslessSV1, lossless)
    codestream = functools.partial(imagecodecs.jpeg2k_encode, level=0, codecformat="J2K", bitspersample=12)
    yield "jpeg-2000", _encapsulated([wide], 12, uid.JPEG2000Lossless, codestream)


def _jpeg(pixels: NDArray) -> bytes:
    import cv2

    return cv2.imencode(".jpg", pixels)[1].tobytes()


def _encapsulated(
    frames: Sequence[NDArray], bits: int, syntax: Any, encode: Callable[[NDArray], bytes | bytearray]
) -> bytes:
    from pydicom.encaps import encapsulate

    return _saved(np.stack(frames), bits, syntax, stored=encapsulate([bytes(encode(frame)) for frame in frames]))


def _saved(pixels: NDArray, bits: int, syntax: Any = None, photometric: str = "", stored: bytes | None = None,
           bare: bool = False, **values: Any) -> bytes:  # fmt: skip
    """Return a file of pixels (h, w), (h, w, 3) or (frames, h, w); stored: them as they lie in the file, if compressed.

    bare: the data set alone, without the file's preamble and meta information.
    """
    from pydicom import uid
    from pydicom.dataset import Dataset, FileMetaDataset

    syntax = syntax or uid.ExplicitVRLittleEndian
    colour = pixels.ndim == 3 and pixels.shape[-1] == 3
    frames = pixels if pixels.ndim == 3 and not colour else pixels[None]
    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID = uid.DigitalXRayImageStorageForPresentation, uid.UID("2.25.1")
    data.PatientID, data.PatientName, data.Modality = "drawn", "Drawn^Phantom", "DX"
    data.StudyInstanceUID, data.SeriesInstanceUID, data.BodyPartExamined = "2.25.2", "2.25.3", "CHEST"
    data.Rows, data.Columns = frames.shape[1:3]
    data.SamplesPerPixel = 3 if colour else 1
    data.PhotometricInterpretation = photometric or ("RGB" if colour else "MONOCHROME2")
    data.BitsAllocated, data.BitsStored, data.HighBit = 8 * pixels.itemsize, bits, bits - 1
    data.PixelRepresentation = 0
    if colour:
        data.PlanarConfiguration = 0
    if len(frames) > 1:
        data.NumberOfFrames = len(frames)
    for name, value in values.items():
        setattr(data, name, value)
    order: Literal["<", ">"] = ">" if syntax == uid.ExplicitVRBigEndian else "<"
    data.PixelData = stored or pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    data["PixelData"].VR = "OB" if stored or pixels.itemsize == 1 else "OW"
    data.file_meta = FileMetaDataset()
    stream = io.BytesIO()
    if bare:
        data.save_as(stream, implicit_vr=True, little_endian=True)
        return stream.getvalue()
    data.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian if syntax == uid.RLELossless else syntax
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    if syntax == uid.RLELossless:
        data.compress(uid.RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    data.save_as(stream, enforce_file_format=True)
    return stream.getvalue()
