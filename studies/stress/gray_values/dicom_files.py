"""X-rays as DICOM files of every depth, coding and window, encoded and shown by DCMTK."""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from studies.stress.gray_values.files import Picture, wide
from studies.stress.gray_values.rules import by_rules, signed_by_rules
from studies.tools import MissingToolError

#: DCMTK's encoders by what they make.
ENCODERS = {
    "implicit": ["dcmconv", "+ti"], "big-endian": ["dcmconv", "+tb"], "deflated": ["dcmconv", "+td"], "RLE": ["dcmcrle"],
    "JPEG lossless": ["dcmcjpeg", "+e1"], "JPEG lossless, predictor 6": ["dcmcjpeg", "+el", "+sv", "6"],
    "JPEG-LS": ["dcmcjpls"], "JPEG-LS near-lossless": ["dcmcjpls", "+en"],
}  # fmt: skip
_DECODERS = {
    "1.2.840.10008.1.2.5": "dcmdrle",
    "1.2.840.10008.1.2.4.80": "dcmdjpls",
    "1.2.840.10008.1.2.4.81": "dcmdjpls",
}
_JPEG_2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")


def dicom_pictures(gray: NDArray[np.uint8]) -> Iterator[Picture]:
    """Yield the files of one X-ray (h, w) uint8 as stored values of 8 to 16 bits."""
    for bits in (8, 10, 12, 14, 16):
        stored = wide(gray, bits)
        middle, width = 1 << (bits - 1), (1 << bits) * 3 // 4
        window = {"WindowCenter": middle, "WindowWidth": width}
        plain, windowed = made(stored, bits), made(stored, bits, **window)
        yield _picture(f"DICOM {bits} bits", plain)
        yield _picture(f"DICOM {bits} bits, window", windowed)
        yield _picture(
            f"DICOM {bits} bits, MONOCHROME1", made(stored, bits, PhotometricInterpretation="MONOCHROME1", **window)
        )
        for name, encoder in ENCODERS.items():
            yield _picture(f"DICOM {bits} bits, {name}", encoded(windowed, encoder))
        yield from _jpeg_2000(stored, bits, window)
    twelve = wide(gray, 12)
    signed = (twelve.astype(np.int32) - 2048).astype(np.int16)
    yield _picture("DICOM signed, window", made(signed, 12, WindowCenter=0, WindowWidth=3000))
    yield _picture(
        "DICOM rescale", made(twelve, 12, WindowCenter=1000, WindowWidth=3000, RescaleSlope=2, RescaleIntercept=-1024)
    )
    for function in ("LINEAR_EXACT", "SIGMOID"):
        tags: dict[str, Any] = {"WindowCenter": 2048, "WindowWidth": 3000, "VOILUTFunction": function}
        yield _picture(f"DICOM window {function}", made(twelve, 12, **tags))
    yield _picture("DICOM VOI LUT", made(twelve, 12, VOILUTSequence=[_table(np.sqrt(np.arange(4096) / 4095) * 65535)]))
    tags = {
        "ModalityLUTSequence": [_table(np.arange(4096) ** 2 / 4095, "US")],
        "WindowCenter": 2048,
        "WindowWidth": 4096,
    }
    yield _picture("DICOM modality LUT", made(twelve, 12, **tags))
    yield _picture("DICOM JPEG baseline", encoded(made(gray, 8), ["dcmcjpeg", "+eb", "+q", "90"]))
    yield _picture("DICOM JPEG extended, 12 bits", lossy_12_bits(gray, 90))


def lossy_12_bits(gray: NDArray[np.uint8], quality: int) -> bytes:
    """Return a DICOM file with 12-bit lossy JPEG by DCMTK, with a window of the whole range."""
    # DCMTK shows what overshoots Bits Stored as black; room at both ends keeps that out of the comparison.
    stored = (wide(gray, 12) * 0.8 + 400).astype(np.uint16)
    return encoded(
        made(stored, 12, WindowCenter=2048, WindowWidth=4096), ["dcmcjpeg", "+ee", "+bt", "+q", str(quality)]
    )


def made(stored: NDArray, bits: int, **tags: Any) -> bytes:
    """Return a DICOM file of stored values (h, w); every identifier is invented."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID, data.Modality = "1.2.840.10008.5.1.4.1.1.1", "1.2.3", "CR"
    data.BodyPartExamined, data.ViewPosition = "CHEST", "PA"
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    (data.Rows, data.Columns), data.BitsAllocated = stored.shape, 8 * stored.itemsize
    data.BitsStored, data.HighBit, data.PixelRepresentation = bits, bits - 1, int(stored.dtype.kind == "i")
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.PixelData = stored.tobytes() + bytes(stored.nbytes % 2)
    data["PixelData"].VR = "OB" if stored.itemsize == 1 else "OW"
    for keyword, value in tags.items():
        setattr(data, keyword, value)
    stream = io.BytesIO()
    data.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def encoded(data: bytes, encoder: list[str]) -> bytes:
    """Return a DICOM file as a tool of DCMTK writes it again."""
    return _through(encoder, data, "out.dcm")


def uncompressed(data: bytes) -> Any:
    """Return the data set of a DICOM file with pixels that DCMTK, or for JPEG 2000 Pillow, decoded."""
    from pydicom import dcmread
    from pydicom.encaps import get_frame

    found: Any = dcmread(io.BytesIO(data), force=True)
    syntax = str(found.file_meta.get("TransferSyntaxUID", "1.2.840.10008.1.2"))
    if syntax in _JPEG_2000:
        samples = np.asarray(Image.open(io.BytesIO(get_frame(found.PixelData, 0, number_of_frames=1))))
        found.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
        # Pillow spreads the samples of other depths over 16 bits.
        kept = (
            samples
            if samples.dtype == np.uint8
            else (samples.astype(np.uint16) >> (16 - found.BitsStored if samples.max() >> found.BitsStored else 0))
        )
        found.PixelData, found["PixelData"].VR = kept.tobytes(), "OB" if found.BitsAllocated == 8 else "OW"
        stream = io.BytesIO()
        found.save_as(stream)
        return dcmread(io.BytesIO(stream.getvalue()))
    decoder = _DECODERS.get(syntax, "dcmdjpeg" if syntax.startswith("1.2.840.10008.1.2.4.") else "dcmconv")
    found = dcmread(io.BytesIO(_through([decoder, "+te"], data, "out.dcm")), force=True)
    if is_12_bit_jpeg(data):  # lossy values may overshoot Bits Stored, and DCMTK would show them black
        found.BitsStored, found.HighBit = 12, 11
    return found


def is_12_bit_jpeg(data: bytes) -> bool:
    """Whether a DICOM file holds a gray extended sequential JPEG of 12 bits, by its frame header."""
    return b"\xff\xc1\x00\x0b\x0c" in data


def stored_values(found: Any) -> NDArray:
    """Return the samples (h, w) of an uncompressed data set, by its tags alone."""
    kind = f"<{'i' if found.PixelRepresentation else 'u'}{found.BitsAllocated // 8}"
    samples = np.frombuffer(found.PixelData, kind, found.Rows * found.Columns)
    return samples.reshape(found.Rows, found.Columns)


def by_dcmtk(data: bytes) -> NDArray[np.float64]:
    """Return what DCMTK shows by the first window or table; without one, the stored values by the stated rule."""
    from pydicom.pixels import apply_modality_lut

    found = uncompressed(data)
    option = "+Wi" if "WindowCenter" in found else "+Wl" if "VOILUTSequence" in found else ""
    if option and found.get("WindowWidth", 1) != "":
        stream = io.BytesIO()
        found.save_as(stream)
        return np.asarray(
            Image.open(io.BytesIO(_through(["dcm2pnm", option, "1"], stream.getvalue(), "out.pgm")))
        ).astype(float)
    stored = stored_values(found)
    if "ModalityLUTSequence" in found:
        stored = apply_modality_lut(stored, found)
    gray = signed_by_rules(stored, found.get("PixelPaddingValue")) if stored.dtype.kind == "i" else by_rules(stored)
    return 255 - gray if found.PhotometricInterpretation == "MONOCHROME1" else gray


def check_tools() -> None:
    """Raise MissingToolError where DCMTK is not installed."""
    missing = next(
        (name for name in ("dcm2pnm", "dcmcjpeg", "dcmcjpls", "dcmcrle", "dcmconv") if shutil.which(name) is None), None
    )
    if missing:
        raise MissingToolError(
            f"DCMTK is required to read DICOM files independently. Got: no {missing}; install dcmtk."
        )


def _picture(kind: str, data: bytes) -> Picture:
    return Picture(kind, data, partial(by_dcmtk, data))


def _jpeg_2000(stored: NDArray, bits: int, window: dict[str, int]) -> Iterator[Picture]:
    if find_spec("imagecodecs") is None:
        return
    import imagecodecs
    from pydicom import dcmread
    from pydicom.encaps import encapsulate

    for name, syntax, level in (("JPEG 2000 lossless", _JPEG_2000[0], 0), ("JPEG 2000 lossy", _JPEG_2000[1], 50)):
        found: Any = dcmread(io.BytesIO(made(stored, bits, **window)))
        found.file_meta.TransferSyntaxUID = syntax
        found.PixelData = encapsulate(
            [bytes(imagecodecs.jpeg2k_encode(stored, level=level, codecformat="J2K", bitspersample=bits))]
        )
        found["PixelData"].VR = "OB"
        found["PixelData"].is_undefined_length = True
        stream = io.BytesIO()
        found.save_as(stream)
        yield _picture(f"DICOM {bits} bits, {name}", stream.getvalue())


def _table(entries: NDArray, kind: str = "OW") -> Any:
    from pydicom.dataset import Dataset

    item = Dataset()
    item.LUTDescriptor = [len(entries), 0, 16]
    item.ModalityLUTType = kind
    item.LUTData = entries.astype("<u2").tobytes()
    item["LUTData"].VR = "OW"
    return item


def _through(tool: list[str], data: bytes, name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.dcm", Path(folder) / name
        source.write_bytes(data)
        subprocess.run([*tool, source, target], check=True, capture_output=True)
        return target.read_bytes()
