"""An image file as an array of 8-bit gray values.

Formats: JPEG, PNG, TIFF, BMP, WebP; 8 or 16 bits; gray, colour, with or without alpha. DICOM is handed to
`freezenet.edge_runtime.images.dicom`. The rules, in order:

1. What is no file of these formats by its first bytes, or too small or too large by its header, reaches no decoder.
2. EXIF orientation is applied.
3. Samples become gray values (`freezenet.edge_runtime.images.gray`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.dicom import read_dicom_gray
from freezenet.edge_runtime.images.dicom.recognition import is_dicom
from freezenet.edge_runtime.images.gray import decoded, on_black, to_gray
from freezenet.edge_runtime.images.header import (
    channels,
    image_format,
    image_size,
    is_cut_off,
    png_is_whole,
    tile_pixels,
)
from freezenet.edge_runtime.images.limits import MAX_PIXELS, check_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Suffixes that a folder is searched for.
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".dcm", ".dicom"})

_UNREADABLE = (
    "A whole JPEG, PNG, TIFF, BMP, WebP or DICOM file is required. Got: data that cannot be decoded "
    "(damaged, truncated or another format)."
)
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
    data = source if isinstance(source, bytes) else _read_bytes(Path(source))
    if not data:
        raise DataError("An image file is required. Got: an empty file (0 bytes).")
    if is_dicom(data):
        return read_dicom_gray(data, trust_tags)
    kind, size = image_format(data), image_size(data)
    if kind is None:
        raise DataError(_UNREADABLE)
    # The decoder takes memory for what the header says, so it sees no file of which this is not known.
    if size is None:
        raise DataError(f"A whole {kind} file is required. Got: one without a size in its header; copy it again.")
    is_jpeg = kind == "JPEG"
    check_size(*size, 1 if is_jpeg else channels(data))
    if kind == "PNG" and not png_is_whole(data):
        raise DataError("A whole PNG file is required. Got: a truncated or damaged one; copy it again.")
    if kind == "TIFF":
        _check_tiff(data)
    # OpenCV before 5 fills the missing part with gray and says nothing.
    if is_jpeg and is_cut_off(data):
        raise DataError("A whole JPEG file is required. Got: a truncated one; copy it again.")
    flags = cv2.IMREAD_GRAYSCALE if is_jpeg else cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR
    if is_jpeg and shrink_to is not None:
        flags = _REDUCED_GRAY.get(_jpeg_reduction(size, shrink_to), flags)
    image = _decode(data, flags)
    if _has_alpha(data, kind, image.dtype):
        image = on_black(image, _decode(data, cv2.IMREAD_UNCHANGED))
    check_size(image.shape[1], image.shape[0])
    return to_gray(image)


def _check_tiff(data: bytes) -> None:
    """Refuse what libtiff would take memory for, and what OpenCV would read wrongly."""
    if tile_pixels(data) * channels(data) > MAX_PIXELS:
        raise DataError(
            f"A TIFF with tiles of at most {MAX_PIXELS // 1_000_000} megapixels is required. Got: larger ones; save "
            "it without tiles."
        )
    if channels(data) == 2:  # OpenCV drops the alpha and half of the bits
        raise DataError("A TIFF without alpha is required. Got: gray with alpha; save it without.")


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError("An image file is required. Got: no such file.") from None
    except IsADirectoryError:
        raise DataError("An image file is required. Got: a folder, and no image file was found in it.") from None
    except OSError as error:
        raise DataError(f"A readable image file is required. Got: {error.strerror}.") from None


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


def _has_alpha(data: bytes, kind: str, dtype: np.dtype) -> bool:
    """Whether a file of the format at hand, decoded to `dtype`, can carry alpha that is not composited yet.

    A PNG says so in its header (a colour key, tRNS, is alpha too), WebP and 16-bit TIFF may. libtiff itself puts
    8-bit TIFF onto black. The fourth byte of a 32-bit BMP is usually unused (zero) and is no alpha.
    """
    if kind == "PNG":
        return data[25] in (4, 6) or b"tRNS" in data
    return kind == "WebP" or (kind == "TIFF" and dtype == np.uint16)
