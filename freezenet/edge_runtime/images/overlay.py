"""The class activation map as a picture: where in the X-ray a class is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Longest side of the picture in pixels: a screen's, not a detector's.
MAX_SIDE = 1024
#: Opacity of the strongest place.
_STRONGEST = 0.5


def overlay(gray: NDArray[np.uint8], cam: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Lay the class activation map of one class over its image.

    Colour says where, not how sure: the strongest place always has the strongest colour.

    Args:
        gray: (h, w) uint8.
        cam: (rows, columns) float32, what each place of the last feature map adds to the class (Zhou et al., Learning Deep
            Features for Discriminative Localization, CVPR 2016); what speaks against the class is not shown.

    Returns:
        (h, w, 3) uint8 in OpenCV's order with the longest side at most MAX_SIDE.
    """
    gray = fit(gray, MAX_SIDE)
    heat = np.maximum(cam.astype(np.float32), 0)
    heat /= max(float(heat.max()), np.finfo(np.float32).tiny)
    heat = np.clip(cv2.resize(heat, gray.shape[::-1], interpolation=cv2.INTER_CUBIC), 0, 1)
    color = cv2.applyColorMap(np.rint(heat * 255).astype(np.uint8), cv2.COLORMAP_TURBO)
    opacity = (_STRONGEST * heat)[..., None]
    return np.rint(gray[..., None] * (1 - opacity) + color * opacity).astype(np.uint8)


def fit(gray: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Scale gray values (h, w) uint8 down, keeping their proportions, until the longest side is at most `side` pixels."""
    scale = min(1.0, side / max(gray.shape))
    if scale == 1:
        return gray
    size = (max(1, round(gray.shape[1] * scale)), max(1, round(gray.shape[0] * scale)))
    return np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), np.uint8)


def overlay_png(gray: NDArray[np.uint8], cam: NDArray[np.float32]) -> bytes:
    """Return the overlay as the bytes of a PNG file."""
    return cv2.imencode(".png", overlay(gray, cam))[1].tobytes()
