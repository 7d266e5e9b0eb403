"""Samples as 8-bit gray values: the rules for colour, alpha and 16 bits.

The rules, in this order:

1. Alpha is composited onto black, the background of an X-ray.
2. 16-bit samples: the bit depth is the smallest of 8, 10, 12, 14, 16 that holds all samples but one in a thousand, and the
   full range of that depth becomes 0..255; what lies above is white. Detectors store 10 to 14 bits in 16-bit files; dividing
   those by 257 would hand a nearly black image to the network, and so would one defective pixel or line, or a mark that
   was written over the image, if the largest sample alone decided.
3. Colour becomes luminance (ITU-R BT.601: .299 R + .587 G + .114 B).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from freezenet.edge_runtime.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: One sample in so many may lie above the range of the bit depth.
ONE_IN = 1000
_BIT_DEPTHS = (8, 10, 12, 14, 16)
#: Alpha is composited in blocks of rows, because in floats the whole image would take 16 bytes for each pixel.
_ROWS_AT_ONCE = 64


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
    depth = bit_depth(sample_counts(image)) if image.dtype == np.uint16 else 8
    if image.ndim == 3:
        image = image[..., 0] if image.shape[2] == 1 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return image if image.dtype == np.uint8 else scaled(image, depth)


def to_color(image: NDArray) -> NDArray[np.uint8]:
    """Bring decoded samples without alpha to colours, for models of other makers; depth by the rules of this module.

    Args:
        image: See `to_gray`.

    Returns:
        Red, green, blue (h, w, 3) uint8; of a gray image three equal channels.
    """
    if image.ndim == 2 or image.shape[2] == 1:
        return np.asarray(cv2.cvtColor(to_gray(image), cv2.COLOR_GRAY2RGB), np.uint8)
    to_gray(image[:1, :1])  # refuses samples that are none
    if image.dtype == np.uint16:
        image = scaled(np.asarray(image, np.uint16), bit_depth(sample_counts(image)))
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def sample_counts(samples: NDArray) -> NDArray[np.float32]:
    """Return how often each possible sample occurs in an image of any number of channels, uint8 or uint16."""
    possible = 1 << (8 * samples.itemsize)
    flat = samples.reshape(len(samples), -1)
    return np.asarray(cv2.calcHist([flat], [0], None, [possible], [0, possible]).ravel(), np.float32)


def bit_depth(counts: NDArray) -> int:
    """Return the smallest of 8, 10, 12, 14, 16 bits that holds all samples but one in ONE_IN.

    Args:
        counts: How often each sample from 0 on occurs; at most 65,536.
    """
    allowed = int(counts.sum(dtype=np.float64)) // ONE_IN
    return next(bits for bits in _BIT_DEPTHS if counts[1 << bits :].sum(dtype=np.float64) <= allowed)


def holding(largest: int) -> int:
    """Return the smallest of 8, 10, 12, 14, 16 bits that holds a number; for tables, of which each entry counts."""
    return next(bits for bits in _BIT_DEPTHS if largest < 1 << bits)


def scaled(samples: NDArray[np.uint16], depth: int) -> NDArray[np.uint8]:
    """Bring the full range of a bit depth to 0..255, rounded; what lies above it becomes 255."""
    return np.asarray(cv2.convertScaleAbs(samples, alpha=255.0 / ((1 << depth) - 1)), np.uint8)


def on_black(stored: NDArray) -> NDArray:
    """Composite the alpha of samples (h, w, 4), if that is what they are, onto black; they are written to.

    Returns:
        The colours (h, w, 3) of the same type; other samples as they are.
    """
    if stored.ndim != 3 or stored.shape[2] != 4:
        return stored
    full = np.iinfo(stored.dtype).max
    for top in range(0, len(stored), _ROWS_AT_ONCE):
        block = stored[top : top + _ROWS_AT_ONCE]
        weight = block[..., 3].astype(np.float32) / full
        for channel in range(3):  # NumPy is slow along an axis of three
            block[..., channel] = np.rint(block[..., channel] * weight)
    return cv2.cvtColor(stored, cv2.COLOR_BGRA2BGR)
