"""What the header of an image file says, read before anything is decoded."""

from __future__ import annotations

import io
import re
from typing import NamedTuple

from edge_runtime.errors import FreezenetError

# Markers FFC0..FFCF that start a frame, without DHT (C4), JPG (C8) and DAC (CC): ITU-T T.81, table B.1; and FFF7, that
# of JPEG-LS: ITU-T T.87, table C.1.
_JPEG_FRAME_MARKERS = (frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}) | {0xF7}


class JpegFrame(NamedTuple):
    """The frame header of a JPEG or JPEG-LS file. marker: the second byte, C0 to CF or F7. bits: per sample."""

    marker: int
    bits: int
    height: int
    width: int
    components: int


_FILL = re.compile(rb"\xff+")
#: A colour profile takes up to 255 segments; a walk through millions would keep a worker busy for seconds.
_MOST_SEGMENTS = 10_000


def image_size(data: bytes) -> tuple[int, int] | None:
    """Return (width, height) in pixels as stored (before EXIF rotation), or None where no header is found.

    Raises FreezenetError for a JPEG whose header has no end.

    JPEG and PNG are read here because every prediction passes through; `imagesize`, which knows the
    other formats, takes longer to import than a model takes to answer.
    """
    if data[:2] == b"\xff\xd8":
        frame = jpeg_frame(data)
        return (frame.width, frame.height) if frame else None
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    import imagesize

    try:
        width, height = imagesize.get(io.BytesIO(data))
    except Exception:  # a damaged header may break the parser anywhere; the decoder then has the last word
        return None
    return (int(width), int(height)) if width > 0 and height > 0 else None


def jpeg_frame(data: bytes) -> JpegFrame | None:
    """Walk the JPEG segments up to the frame header (ITU-T T.81, B.2.2); None where there is none."""
    at = 2
    for _ in range(_MOST_SEGMENTS):
        if at + 10 > len(data) or data[at] != 0xFF:
            return None
        at = _FILL.match(data, at).end() - 1  # type: ignore[union-attr]  # data[at] is one
        if at + 10 > len(data):
            return None
        marker = data[at + 1]
        if marker in _JPEG_FRAME_MARKERS:
            height = int.from_bytes(data[at + 5 : at + 7], "big")
            width = int.from_bytes(data[at + 7 : at + 9], "big")
            return JpegFrame(marker, data[at + 4], height, width, data[at + 9])
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    raise FreezenetError(
        f"A JPEG file with its size within {_MOST_SEGMENTS} segments is required. Got: more; save it again."
    )


def is_cut_off(jpeg: bytes) -> bool:
    """Whether the end of a JPEG or JPEG-LS file is missing.

    Entropy-coded data holds no bare FFD9 or FFDA, so a start-of-scan without an end behind it was cut off. The end is
    searched first, because it lies at the end.
    """
    return jpeg.find(b"\xff\xda", jpeg.rfind(b"\xff\xd9") + 1) >= 0
