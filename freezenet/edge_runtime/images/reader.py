"""An image file as an array of 8-bit gray values.

Formats: JPEG, PNG, TIFF, BMP, WebP; 8 or 16 bits; gray, colour, with or without alpha. DICOM is handed to
`freezenet.edge_runtime.images.dicom`. The rules, in order:

1. What is no file of these formats by its first bytes, or too small or too large by its header, reaches no decoder.
2. What the decoder itself finds damaged is refused.
3. EXIF orientation is applied.
4. Samples become gray values (`freezenet.edge_runtime.images.gray`).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.bounds.cost import HeavyImage, samples_cost, webp_cost
from freezenet.edge_runtime.images.bounds.memory import room
from freezenet.edge_runtime.images.decoder import decoded
from freezenet.edge_runtime.images.dicom import read_dicom_here
from freezenet.edge_runtime.images.dicom.recognition import is_dicom
from freezenet.edge_runtime.images.gray import on_black, to_color, to_gray
from freezenet.edge_runtime.images.header import (
    JpegFrame,
    channels,
    check_jpeg,
    image_format,
    image_size,
    jpeg_frame,
    other_format,
)
from freezenet.edge_runtime.images.limits import MAX_BYTES, check_size
from freezenet.edge_runtime.images.orientation import orientation, upright
from freezenet.edge_runtime.images.png import gray_key, plain, png_channels, png_has_alpha, png_header, png_is_whole
from freezenet.edge_runtime.images.tiff import check_deflate, check_pages, check_tiff, tiff_cost, tiff_header

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Suffixes that a folder is searched for.
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".dcm", ".dicom"})

_REQUIRED = "A whole JPEG, PNG, TIFF, BMP, WebP or DICOM file is required."
_UNREADABLE = f"{_REQUIRED} Got: data that cannot be decoded (damaged, truncated or another format)."
#: Bytes of a BMP's header behind BITMAPCOREHEADER that OpenCV reads.
_SHORTEST_BMP = 36
_COLOR = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR
# Frame markers of JPEG that are not decoded here: ITU-T T.81, table B.1, and T.87.
_OTHER_JPEG = {0xC3: "lossless JPEG", 0xC5: "hierarchical JPEG", 0xC6: "hierarchical JPEG", 0xC7: "hierarchical JPEG",
               0xC9: "JPEG with arithmetic coding", 0xCA: "JPEG with arithmetic coding", 0xCB: "lossless JPEG", 0xCD: "hierarchical JPEG",
               0xCE: "hierarchical JPEG", 0xCF: "hierarchical JPEG", 0xF7: "JPEG-LS"}  # fmt: skip
_REDUCED_GRAY = {2: cv2.IMREAD_REDUCED_GRAYSCALE_2, 4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
                 8: cv2.IMREAD_REDUCED_GRAYSCALE_8}  # fmt: skip


def read_gray(
    source: str | Path | bytes, shrink_to: tuple[int, int] | None = None, *, trust_tags: bool = True
) -> NDArray[np.uint8]:
    """Read an image file (path or its bytes) as gray values, shape (height, width), uint8, 0..255.

    Args:
        source: Path of the file, or its bytes.
        shrink_to: (height, width). A JPEG at least four times as large on both sides is then decoded at 1/2,
            1/4 or 1/8 scale by the codec itself, keeping at least twice this size. After the resize to it
            the result stays within a mean absolute difference of 1 gray level of the full decode (a test holds it).
        trust_tags: See `freezenet.edge_runtime.images.dicom.read_dicom_gray`.

    Raises:
        DataError: The file is empty, truncated, no image, or out of bounds, or a DICOM file of another kind than the
            models are for.
        MissingExtraError: It is a DICOM file, and the extra for these is not installed.
    """
    data = source if isinstance(source, bytes) else file_bytes(Path(source))
    try:
        return read_here(data, shrink_to, trust_tags=trust_tags)
    except HeavyImage as heavy:
        from freezenet.edge_runtime.images.bounds.apart import gray_apart

        return gray_apart(data, heavy.cost, shrink_to, trust_tags=trust_tags)


def read_color(source: str | Path | bytes, *, trust_tags: bool = True) -> NDArray[np.uint8]:
    """Read an image file as red, green, blue (height, width, 3) uint8; gray images have three equal channels.

    For models of other makers: those of this project read gray values. Args and Raises: See `read_gray`; a file that a thread may
    not decode is refused, unless it is DICOM, which is gray.
    """
    data = source if isinstance(source, bytes) else file_bytes(Path(source))
    if is_dicom(data):
        return to_color(read_gray(data, trust_tags=trust_tags))
    try:
        return read_here(data, color=True)
    except HeavyImage:
        raise DataError(
            "A smaller image is required to be read in colour. Got: one that could take too long to decode; pass color=gray in "
            "--preprocess, or save it as a smaller file."
        ) from None


def read_here(
    data: bytes, shrink_to: tuple[int, int] | None = None, *, trust_tags: bool = True, color: bool = False
) -> NDArray[np.uint8]:
    """Read the bytes of an image file without another process; see `read_gray`, and with `color` `read_color`.

    Raises:
        HeavyImage: A thread may not decode it, because of what it can cost; nothing was decoded.
    """
    if not data:
        raise DataError("An image file is required. Got: an empty file (0 bytes).")
    if is_dicom(data):
        return read_dicom_here(data, trust_tags)
    kind = image_format(data)
    if kind is None:
        other = other_format(data)
        raise DataError(f"{_REQUIRED} Got: {other[0]}; {other[1]}." if other else _UNREADABLE)
    size = image_size(data)
    # The decoder takes memory for what the header says, so it sees no file of which this is not known.
    if size is None:
        raise DataError(f"A whole {kind} file is required. Got: one without a size in its header; copy it again.")
    check_size(*size, 1 if kind == "JPEG" else channels(data))
    image = _SAMPLES[kind](data) if kind != "JPEG" else _jpeg_samples(data, size, shrink_to, color)
    check_size(image.shape[1], image.shape[0])
    return to_color(image) if color else to_gray(image)


def _jpeg_samples(data: bytes, size: tuple[int, int], shrink_to: tuple[int, int] | None, color: bool) -> NDArray:
    """Decode to luminance, smaller where that is enough, or to colours; OpenCV applies EXIF orientation."""
    frame = jpeg_frame(data)
    assert frame is not None  # it has a size
    _check_frame(frame)
    cost = check_jpeg(data, frame)
    flags = cv2.IMREAD_COLOR if color else cv2.IMREAD_GRAYSCALE
    if shrink_to is not None:
        flags = _REDUCED_GRAY.get(_jpeg_reduction(size, shrink_to), flags)
    with room(cost):
        return _decode(data, flags)


def _check_frame(frame: JpegFrame) -> None:
    name = _OTHER_JPEG.get(frame.marker) or ("JPEG" if frame.bits != 8 else None)
    if name is not None:
        raise DataError(
            f"A baseline or progressive JPEG file of 8 bits is required. Got: {name} of {frame.bits} bits; save it as PNG."
        )


def _png_samples(data: bytes) -> NDArray:
    if not png_is_whole(data):
        raise DataError("A whole PNG file is required. Got: a truncated or damaged one; copy it again.")
    shown = plain(data)
    flags = cv2.IMREAD_UNCHANGED if png_has_alpha(shown) else _COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    itemsize = 2 if png_header(data).bits == 16 else 1
    with room(samples_cost(_size(data), png_channels(shown), itemsize, len(shown), is_deflated=True)):
        image = _decode(shown, flags)
        key = gray_key(data)
        if key is not None:
            image[image == key] = 0
        return upright(on_black(image), orientation(data, "PNG"))


def _webp_samples(data: bytes) -> NDArray:
    # A flag of the extended header: RFC 9649, 2.7.
    if data[12:16] == b"VP8X" and data[20] & 0b10:
        raise DataError("A WebP file with one picture is required. Got: an animation; save the X-ray as PNG.")
    with room(webp_cost(_size(data), len(data), data[12:16] == b"VP8 ")):
        return upright(on_black(_decode(data, cv2.IMREAD_UNCHANGED)), orientation(data, "WebP"))


def _tiff_samples(data: bytes) -> NDArray:
    """Decode the only page; libtiff itself composites alpha of 8 bits and inverts where 0 is white."""
    header = tiff_header(data)
    check_tiff(header)
    check_pages(data)
    with room(tiff_cost(data, header)):
        check_deflate(data, header)
        if header.has_alpha:
            return upright(on_black(_decode(data, cv2.IMREAD_UNCHANGED)), orientation(data, "TIFF"))
        image = _decode(data, _COLOR)
        return cv2.bitwise_not(image) if header.white_is_zero and image.dtype == np.uint16 else image


def _bmp_samples(data: bytes) -> NDArray:
    """Decode; the fourth byte of 32 bits is usually unused (zero) and is no alpha."""
    header = int.from_bytes(data[14:18], "little")
    if 12 < header < _SHORTEST_BMP:
        raise DataError(
            f"A BMP with a header of 12, or of {_SHORTEST_BMP} bytes and more, is required. Got: the short header of OS/2 2.0 with "
            f"{header} bytes; save it as PNG."
        )
    with room(samples_cost(_size(data), 4, 1, len(data), is_deflated=False)):
        return _decode(data, _COLOR)


def _size(data: bytes) -> tuple[int, int]:
    size = image_size(data)
    assert size is not None  # it was looked at before
    return size


_SAMPLES = {"PNG": _png_samples, "TIFF": _tiff_samples, "BMP": _bmp_samples, "WebP": _webp_samples}


def file_bytes(path: Path) -> bytes:
    """Return what a file holds; DataError where it cannot be read or is too large."""
    try:
        with path.open("rb") as file:
            # What a pipe or a device holds is known only when it is read.
            status = os.fstat(file.fileno())
            whole = stat.S_ISREG(status.st_mode) and status.st_size <= MAX_BYTES
            data = file.read() if whole else file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        got = "no such file"
    except IsADirectoryError:
        got = "a folder, and no image file was found in it"
    except OSError as error:
        got = f"one that cannot be read ({error.strerror})"
    except ValueError:  # a zero in it
        got = "what can be no file's name"
    else:
        if len(data) <= MAX_BYTES:
            return data
        got = f"one of more than {MAX_BYTES >> 20} MB"
    raise DataError(f"An image file is required. Got: {got}: {str(path)!r}.")


def _decode(data: bytes, flags: int) -> NDArray:
    image = decoded(data, flags)
    if image is None:
        raise DataError(_UNREADABLE)
    return image


def _jpeg_reduction(size: tuple[int, int], shrink_to: tuple[int, int]) -> int:
    """Largest of 8, 4, 2 that leaves at least twice the target on both sides; 1 where none does."""
    # EXIF may swap the sides; the smaller against the larger target side is safe either way.
    room = min(size) / max(shrink_to)
    return next((factor for factor in (8, 4, 2) if room / factor >= 2), 1)
