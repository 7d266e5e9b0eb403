"""Samples as 8-bit gray values: the rules for colour, alpha and 16 bits, and the decoder that gives the samples.

The rules, in this order:

1. Alpha is composited onto black, the background of an X-ray.
2. Colour becomes luminance (ITU-R BT.601: .299 R + .587 G + .114 B).
3. 16-bit samples: the bit depth is the smallest of 8, 10, 12, 14, 16 that holds the largest sample, and the
   full range of that depth becomes 0..255. Detectors store 10 to 14 bits in 16-bit files; dividing those by
   257 would hand a nearly black image to the network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.system.chatter import without_chatter, without_opencv_log

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Alpha is composited in blocks of rows, because in floats the whole image would take 16 bytes for each pixel.
_ROWS_AT_ONCE = 64
_BIT_DEPTHS = (8, 10, 12, 14, 16)


def decoded(data: bytes, flags: int) -> NDArray | None:
    """Decode a file with OpenCV, which must have been told from its header to be within the limits.

    Args:
        data: The bytes of the file.
        flags: OpenCV's, such as `cv2.IMREAD_GRAYSCALE`.

    Returns:
        The samples (h, w) or (h, w, channels), blue first; None where OpenCV cannot decode them.
    """
    try:
        # A damaged file is said once, by our own sentence.
        with without_opencv_log(), without_chatter():
            return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None


def to_gray(image: NDArray) -> NDArray[np.uint8]:
    """Bring decoded samples without alpha to gray values by the rules of this module.

    Args:
        image: (h, w), (h, w, 1) or (h, w, 3) in OpenCV's order (blue first); uint8 or uint16.

    Returns:
        Gray values (h, w) uint8, 0 black to 255 white.
    """
    gray_or_color = image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (1, 3))
    if image.dtype not in (np.uint8, np.uint16) or not gray_or_color or image.size == 0:
        raise DataError(
            f"A gray or colour image with 8- or 16-bit samples is required. Got: {image.dtype} of shape {image.shape}."
        )
    if image.ndim == 3:
        image = image[..., 0] if image.shape[2] == 1 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    if image.dtype == np.uint16:
        peak = int(image.max())
        depth = next(bits for bits in _BIT_DEPTHS if peak < 1 << bits)
        image = cv2.convertScaleAbs(image, alpha=255.0 / ((1 << depth) - 1))
    return image


def on_black(upright: NDArray, stored: NDArray) -> NDArray:
    """Composite the stored image's alpha (if any) onto black.

    OpenCV drops alpha when it applies EXIF and ignores EXIF when it keeps alpha, hence the two decodes.

    Args:
        upright: The image with EXIF applied and without alpha; (h, w, 3) where the other has alpha. It is written to.
        stored: The image as stored, (h, w) or (h, w, channels).
    """
    if stored.ndim != 3 or stored.shape[2] != 4:
        return upright
    turned = DataError("An upright image is required where there is alpha. Got: alpha with EXIF rotation.")
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
