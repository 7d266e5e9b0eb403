"""The class activation map as a picture: where in the X-ray a class is seen.

The picture's PNG file also holds the map's numbers, in a text chunk that viewers pass over (PNG 11.3.4.3), so that whoever has the
picture has them too: "freezenet-cam", then {"shape": [rows, columns], "float32": little-endian, in Base64}.
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Longest side of the picture in pixels: a screen's, not a detector's.
MAX_SIDE = 1024
#: Opacity of the strongest place.
_STRONGEST = 0.5
_KEYWORD = b"freezenet-cam\0"
#: The last chunk of every PNG file is empty and stands in these bytes.
_END_BYTES = 12


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
    """Return the overlay as the bytes of a PNG file, with the class activation map in it."""
    png = cv2.imencode(".png", overlay(gray, cam))[1].tobytes()
    numbers = base64.b64encode(cam.astype("<f4").tobytes()).decode()
    chunk = b"tEXt" + _KEYWORD + json.dumps({"shape": cam.shape, "float32": numbers}).encode()
    length, check = (len(chunk) - 4).to_bytes(4, "big"), zlib.crc32(chunk).to_bytes(4, "big")
    return png[:-_END_BYTES] + length + chunk + check + png[-_END_BYTES:]


def cam_of(png: bytes) -> NDArray[np.float32] | None:
    """Return the class activation map (rows, columns) float32 that `overlay_png` wrote into a picture; None where there is none."""
    start = png.rfind(b"tEXt" + _KEYWORD)
    if start < 4:
        return None
    length = int.from_bytes(png[start - 4 : start], "big")
    found = json.loads(png[start + 4 + len(_KEYWORD) : start + 4 + length])
    return np.frombuffer(base64.b64decode(found["float32"]), "<f4").reshape(found["shape"])
