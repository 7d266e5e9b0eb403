"""An image file as an array of 8-bit gray values.

Formats: JPEG, PNG, TIFF, BMP, WebP; 8 or 16 bits; gray, colour, with or without alpha. DICOM is handed to
`freezenet.edge_runtime.images.dicom`. The rules, in order:

1. EXIF orientation is applied.
2. Alpha is composited onto black, the background of an X-ray.
3. Colour becomes luminance (ITU-R BT.601: .299 R + .587 G + .114 B).
4. 16-bit samples: the bit depth is the smallest of 8, 10, 12, 14, 16 that holds the largest sample, and the
   full range of that depth becomes 0..255. Detectors store 10 to 14 bits in 16-bit files; dividing those by
   257 would hand a nearly black image to the network.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.images.dicom import read_dicom_gray
from freezenet.edge_runtime.images.dicom.recognition import is_dicom
from freezenet.edge_runtime.images.header import (
    channels,
    image_size,
    is_cut_off,
    is_png,
    is_tiff,
    png_is_whole,
    tile_pixels,
)
from freezenet.edge_runtime.images.limits import MAX_PIXELS, MIN_SIDE
from freezenet.edge_runtime.system.chatter import without_chatter

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Suffixes that a folder is searched for.
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".dcm", ".dicom"})

#: Alpha is composited in blocks of rows, because in floats the whole image would take 16 bytes for each pixel.
_ROWS_AT_ONCE = 64
_BIT_DEPTHS = (8, 10, 12, 14, 16)
#: Size of the block that `_keep_freed_memory` frees; a 2000 x 2000 image of 16 bits takes 8 MB.
_KEPT_BYTES = 16_000_000
_REDUCED_GRAY = {2: cv2.IMREAD_REDUCED_GRAYSCALE_2, 4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
                 8: cv2.IMREAD_REDUCED_GRAYSCALE_8}  # fmt: skip

# A damaged file is said once, by our own sentence.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
if hasattr(cv2.utils, "logging"):
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
else:  # OpenCV before 4.13
    cv2.setLogLevel(0)  # type: ignore[attr-defined]


def _keep_freed_memory() -> None:
    """Let the C library keep the memory of one image for the next.

    glibc gives an image's memory back to the kernel and takes it anew for the next image, at one page fault for each 4 KiB,
    until a program has once freed a larger block: its threshold for that is dynamic (mallopt(3), M_MMAP_THRESHOLD). The
    block is never written to, so it takes no memory itself.
    """
    np.empty(_KEPT_BYTES, np.uint8)


_keep_freed_memory()


def read_gray(
    source: str | Path | bytes, shrink_to: tuple[int, int] | None = None, trust_tags: bool = True
) -> NDArray[np.uint8]:
    """Read an image file (path or its bytes) as gray values, shape (height, width), uint8, 0..255.

    With `shrink_to` = (height, width), a JPEG at least four times as large on both sides is decoded at 1/2,
    1/4 or 1/8 scale by the codec itself, keeping at least twice `shrink_to`. After the resize to `shrink_to`
    the result stays within a mean absolute difference of 1 gray level of the full decode (a test holds it).

    trust_tags: see `freezenet.edge_runtime.images.dicom.read_dicom_gray`.

    Raises FreezenetError with one sentence for a file that is empty, truncated, no image, or out of bounds, and for a
    DICOM file of another kind than the models are for.
    """
    data = source if isinstance(source, bytes) else _read_bytes(Path(source))
    if not data:
        raise FreezenetError("An image file is required. Got: an empty file (0 bytes).")
    if is_dicom(data):
        return read_dicom_gray(data, trust_tags)
    size = image_size(data)
    is_jpeg = data[:2] == b"\xff\xd8"
    if size is not None:
        check_size(*size, 1 if is_jpeg else channels(data))
    if is_png(data) and not png_is_whole(data):
        raise FreezenetError("A whole PNG file is required. Got: a truncated or damaged one; copy it again.")
    if is_tiff(data):
        _check_tiff(data, known=size is not None)
    # OpenCV before 5 fills the missing part with gray and says nothing.
    if is_jpeg and is_cut_off(data):
        raise FreezenetError("A whole JPEG file is required. Got: a truncated one; copy it again.")
    flags = cv2.IMREAD_GRAYSCALE if is_jpeg else cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR
    if is_jpeg and shrink_to is not None and size is not None:
        flags = _REDUCED_GRAY.get(_jpeg_reduction(size, shrink_to), flags)
    buffer = np.frombuffer(data, np.uint8)
    image = _decode(buffer, flags)
    if not is_jpeg and _has_alpha(data, image.dtype):
        image = _on_black(image, _decode(buffer, cv2.IMREAD_UNCHANGED))
    check_size(image.shape[1], image.shape[0])
    return to_gray(image)


def to_gray(image: NDArray) -> NDArray[np.uint8]:
    """Bring a decoded array to gray values by the rules of this module.

    `image`: (h, w), (h, w, 1) or (h, w, 3) in OpenCV's order (blue first); uint8 or uint16. Returns (h, w) uint8.
    """
    gray_or_color = image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (1, 3))
    if image.dtype not in (np.uint8, np.uint16) or not gray_or_color or image.size == 0:
        raise FreezenetError(
            f"A gray or colour image with 8- or 16-bit samples is required. Got: {image.dtype} of shape {image.shape}."
        )
    if image.ndim == 3:
        image = image[..., 0] if image.shape[2] == 1 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    if image.dtype == np.uint16:
        peak = int(image.max())
        depth = next(bits for bits in _BIT_DEPTHS if peak < 1 << bits)
        image = cv2.convertScaleAbs(image, alpha=255.0 / ((1 << depth) - 1))
    return image


def check_size(width: int, height: int, channels: int = 1) -> None:
    """Raise FreezenetError unless width x height pixels are within MIN_SIDE and MAX_PIXELS (over the channels)."""
    if min(width, height) < MIN_SIDE:
        raise FreezenetError(
            f"An image of at least {MIN_SIDE} x {MIN_SIDE} pixels is required. Got: {width} x {height}."
        )
    if width * height * channels > MAX_PIXELS:
        kind = f" with {channels} channels" if channels > 1 else ""
        raise FreezenetError(
            f"An image of at most {MAX_PIXELS // 1_000_000} megapixels of one channel, or less of more, is required. "
            f"Got: {width} x {height}{kind}; scale it down first."
        )


def _check_tiff(data: bytes, known: bool) -> None:
    """Refuse what libtiff would take memory for, and what OpenCV would read wrongly.

    known: whether the first directory says the size.
    """
    if not known:
        raise FreezenetError("A whole TIFF file is required. Got: one without a size in its directory; copy it again.")
    if tile_pixels(data) * channels(data) > MAX_PIXELS:
        raise FreezenetError(
            f"A TIFF with tiles of at most {MAX_PIXELS // 1_000_000} megapixels is required. Got: larger ones; save "
            "it without tiles."
        )
    if channels(data) == 2:  # OpenCV drops the alpha and half of the bits
        raise FreezenetError("A TIFF without alpha is required. Got: gray with alpha; save it without.")


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise FreezenetError("An image file is required. Got: no such file.") from None
    except IsADirectoryError:
        raise FreezenetError("An image file is required. Got: a folder, and no image file was found in it.") from None
    except OSError as error:
        raise FreezenetError(f"A readable image file is required. Got: {error.strerror}.") from None


def _decode(buffer: NDArray[np.uint8], flags: int) -> NDArray:
    try:
        with without_chatter():
            image = cv2.imdecode(buffer, flags)
    except cv2.error:
        image = None
    if image is None:
        raise FreezenetError(
            "A whole JPEG, PNG, TIFF, BMP, WebP or DICOM file is required. Got: data that cannot be decoded "
            "(damaged, truncated or another format)."
        )
    return image


def _jpeg_reduction(size: tuple[int, int], shrink_to: tuple[int, int]) -> int:
    """Largest of 8, 4, 2 that leaves at least twice the target on both sides; 1 where none does."""
    # EXIF may swap the sides; the smaller against the larger target side is safe either way.
    room = min(size) / max(shrink_to)
    return next((factor for factor in (8, 4, 2) if room / factor >= 2), 1)


def _has_alpha(data: bytes, dtype: np.dtype) -> bool:
    """Whether a file of the format at hand, decoded to `dtype`, can carry alpha that is not composited yet.

    A PNG says so in its header (a colour key, tRNS, is alpha too), WebP and 16-bit TIFF may. libtiff itself puts
    8-bit TIFF onto black. The fourth byte of a 32-bit BMP is usually unused (zero) and is no alpha.
    """
    if is_png(data):
        return data[25] in (4, 6) or b"tRNS" in data
    if is_tiff(data):
        return dtype == np.uint16
    return data[:4] == b"RIFF"


def _on_black(upright: NDArray, stored: NDArray) -> NDArray:
    """Composite the stored image's alpha (if any) onto black.

    OpenCV drops alpha when it applies EXIF and ignores EXIF when it keeps alpha, hence the two decodes.
    """
    if stored.ndim != 3 or stored.shape[2] != 4:
        return upright
    turned = FreezenetError("An upright image is required where there is alpha. Got: alpha with EXIF rotation.")
    if upright.shape != (*stored.shape[:2], 3):
        raise turned
    full = np.iinfo(stored.dtype).max
    for top in range(0, len(stored), _ROWS_AT_ONCE):
        below, block = stored[top : top + _ROWS_AT_ONCE], upright[top : top + _ROWS_AT_ONCE]
        weight = below[..., 3].astype(np.float32) / full
        for channel in range(3):  # NumPy is slow along an axis of three
            if not np.array_equal(below[..., channel], block[..., channel]):
                raise turned
            block[..., channel] = np.rint(below[..., channel] * weight)
    return upright
