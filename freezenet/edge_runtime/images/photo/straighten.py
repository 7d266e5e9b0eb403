"""A film seen from the front: a quadrilateral of a photograph as an upright picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.errors import DataError

#: The share of its size by which a frame lies inside of the film on each side: a little surround makes a refusal, a little less film does not.
INSIDE = 0.005
#: Pixels of the longest side of a straightened film.
LONGEST = 2048


def straighten(gray: NDArray[np.uint8], corners: NDArray[np.float64], *, longest: int = LONGEST) -> NDArray[np.uint8]:
    """Return the quadrilateral of a photograph as an upright picture, by a projective map with bilinear interpolation.

    The web app's and the Android app's `straighten` do the same.

    Args:
        gray: (h, w) uint8.
        corners: (4, 2) x and y in pixels, clockwise from the film's upper left; (0, 0) is the upper left corner of the first pixel.
        longest: Pixels of the longest side of the result, at most.

    Raises:
        DataError: The corners span no area.
    """
    corners = np.asarray(corners, np.float64)
    if corners.shape != (4, 2) or not np.isfinite(corners).all():
        raise DataError(f"Four corners (x, y) of finite numbers are required. Got: {corners.tolist()!r:.100}.")
    sides = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
    size = np.array([max(sides[0], sides[2]), max(sides[1], sides[3])])
    if abs(cv2.contourArea(corners.astype(np.float32))) < 1 or not cv2.isContourConvex(corners.astype(np.float32)):
        raise DataError(f"Four corners of a convex film are required. Got: {corners.round(1).tolist()}.")
    wide, high = (max(1, round(float(side))) for side in size * min(1.0, longest / size.max()))
    target = np.array([[0, 0], [wide, 0], [wide, high], [0, high]], np.float32) - np.float32(0.5)
    move = cv2.getPerspectiveTransform((corners - 0.5).astype(np.float32), target)
    return np.asarray(cv2.warpPerspective(gray, move, (wide, high), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def inside(corners: NDArray[np.float64], share: float = INSIDE) -> NDArray[np.float64]:
    """Return corners (4, 2), moved inwards by a share of the film's size on each side; outwards where it is negative."""
    return corners + (corners.mean(0) - corners) * 2 * share
