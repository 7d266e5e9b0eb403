"""Views of an image that leave something out: what a network can still tell from them cannot come from what is missing."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

#: View -> its name, in the order of tables and pictures; the last four show nothing of the image but marks.
TITLES = {
    "whole": "whole image",
    "lungs_only": "lungs only",
    "border_out": "border blacked out",
    "marks_out": "marks painted over",
    "centre_out": "middle blacked out",
    "lungs_out": "lungs blacked out",
    "thumbnail": "thumbnail 8 x 8",
    "histogram": "histogram of gray values",
    "source": "name of the source",
    "stored_size": "stored size",
    "file_format": "file format",
    "marks": "marks alone",
}
#: Share of each side that the middle takes up: 0.77 squared is 60 % of the area.
MIDDLE = 0.6**0.5
#: Side of the thumbnail, and bins of the histogram.
THUMBNAIL, BINS = 8, 32


def middle(side: int) -> slice:
    """Return the rows, or columns, of the middle of an image of `side` pixels."""
    edge = round(side * (1 - MIDDLE) / 2)
    return slice(edge, side - edge)


def without_middle(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return images (n, h, w) whose middle, 60 % of the area, is black."""
    out = pixels.copy()
    out[:, middle(pixels.shape[1]), middle(pixels.shape[2])] = 0
    return out


def without_border(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return images (n, h, w) that are black but for their middle."""
    out = np.zeros_like(pixels)
    inside = (slice(None), middle(pixels.shape[1]), middle(pixels.shape[2]))
    out[inside] = pixels[inside]
    return out


def lungs_only(pixels: NDArray[np.uint8], lungs: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return images (n, h, w) that are black but where `lungs` (n, h, w) is true."""
    return np.where(lungs, pixels, np.uint8(0))


def without_lungs(pixels: NDArray[np.uint8], lungs: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return images (n, h, w) in which the box around the lungs (n, h, w) is black, for their outline tells much of them."""
    out = pixels.copy()
    for image, mask in zip(out, lungs, strict=True):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if len(rows):
            image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = 0
    return out


def thumbnails(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the gray values (n, 64), 0..1, of images (n, h, w) at 8 x 8 pixels."""
    size = (THUMBNAIL, THUMBNAIL)
    small = [cv2.resize(one, size, interpolation=cv2.INTER_AREA).ravel() for one in pixels]
    return np.array(small, np.float32) / np.float32(255)


def histograms(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the shares (n, 32) of the gray values of images (n, h, w), in square roots, so that rare ones count too."""
    counts = [np.bincount(one.ravel() * BINS // 256, minlength=BINS) for one in pixels.astype(np.int64)]
    return np.sqrt(np.array(counts, np.float32) / pixels[0].size)
