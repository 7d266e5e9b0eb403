"""Which way up an image is, by its EXIF block (CIPA DC-008, 4.6.4: the tag Orientation)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2

from freezenet.edge_runtime.images.png import content
from freezenet.edge_runtime.images.tiff import tiff_header

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PREFIX = b"Exif\0\0"


def orientation(data: bytes, kind: str) -> int:
    """Return 1 to 8 as the EXIF block of a PNG, WebP or TIFF file says; 1 (upright) where it says nothing.

    OpenCV applies that of JPEG by itself, and of the others not in all versions or not with alpha.
    """
    block = (
        content(data, b"eXIf")
        if kind == "PNG"
        else _webp_exif(data)
        if kind == "WebP"
        else data
        if kind == "TIFF"
        else b""
    )
    block = block[len(_PREFIX) :] if block.startswith(_PREFIX) else block
    if block[:2] not in (b"II", b"MM"):
        return 1
    turn = tiff_header(block).orientation
    return turn if 1 <= turn <= 8 else 1


def upright(image: NDArray, turn: int) -> NDArray:
    """Return an image (h, w) or (h, w, channels) the right way up from its orientation 1 to 8."""
    if turn in (5, 7):
        image = cv2.transpose(image)
    elif turn in (6, 8):
        return cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE if turn == 6 else cv2.ROTATE_90_COUNTERCLOCKWISE)
    mirrored = {2: 1, 3: -1, 4: 0, 7: -1}
    return cv2.flip(image, mirrored[turn]) if turn in mirrored else image


def _webp_exif(data: bytes) -> bytes:
    """Return the content of the EXIF chunk (RFC 9649, 2.7.1.5), which stands behind the image."""
    at = 12
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] == b"EXIF":
            return data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    return b""
