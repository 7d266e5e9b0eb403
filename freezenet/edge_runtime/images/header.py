"""What the header of an image file says, read before anything is decoded."""

from __future__ import annotations

import io
import re
from typing import Literal, NamedTuple

from freezenet.edge_runtime.errors import FreezenetError

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

#: Of a PNG's colour type; gray with alpha is decoded to four channels.
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 4, 6: 4}
#: Bytes of a TIFF's BYTE, SHORT, LONG and LONG8.
_TIFF_SIZES = {1: 1, 3: 2, 4: 4, 16: 8}
#: Directory entries that are looked at; real files have some dozens.
_MOST_ENTRIES = 1000
_WIDTH, _HEIGHT, _SAMPLES, _TILE_WIDTH, _TILE_HEIGHT = 256, 257, 277, 322, 323


def image_size(data: bytes) -> tuple[int, int] | None:
    """Return (width, height) in pixels as stored (before EXIF rotation), or None where no header is found.

    Raises FreezenetError for a JPEG whose header has no end.

    JPEG and PNG are read here because every prediction passes through, TIFF because its directory says more than the
    size; `imagesize`, which knows the other formats, takes longer to import than a model takes to answer.
    """
    if data[:2] == b"\xff\xd8":
        frame = jpeg_frame(data)
        return (frame.width, frame.height) if frame else None
    if is_png(data) and len(data) >= 24:
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if is_tiff(data):
        tags = _tiff_tags(data)
        return (tags[_WIDTH], tags[_HEIGHT]) if tags.get(_WIDTH) and tags.get(_HEIGHT) else None
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


def channels(data: bytes) -> int:
    """Return how many samples a pixel has as stored; 4, the most, where the format's header is not read here.

    A palette counts as its colours, and a PNG's colour key as alpha.
    """
    if is_png(data):
        return 4 if b"tRNS" in data else _PNG_CHANNELS.get(int.from_bytes(data[25:26], "big"), 4)
    if is_tiff(data):
        return _tiff_tags(data).get(_SAMPLES, 1)
    return 4


def tile_pixels(data: bytes) -> int:
    """Return the pixels of one tile of a TIFF, which may be larger than the image; 0 where there are no tiles."""
    tags = _tiff_tags(data) if is_tiff(data) else {}
    return tags.get(_TILE_WIDTH, 0) * tags.get(_TILE_HEIGHT, 0)


def is_png(data: bytes) -> bool:
    """Whether these are the bytes of a PNG file."""
    return data[:8] == b"\x89PNG\r\n\x1a\n"


def png_is_whole(data: bytes) -> bool:
    """Whether the chunks of a PNG lie inside the file up to its end chunk; OpenCV takes memory for what they say."""
    at = 8
    while at + 12 <= len(data):
        if data[at + 4 : at + 8] == b"IEND":
            return True
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return False


def is_tiff(data: bytes) -> bool:
    """Whether these are the bytes of a TIFF or BigTIFF file."""
    return data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def _tiff_tags(data: bytes) -> dict[int, int]:
    """Return tag -> first value of the first directory, for the tags of whole numbers (TIFF 6.0, section 2)."""
    order: Literal["little", "big"] = "little" if data[:1] == b"I" else "big"

    def number(at: int, size: int) -> int:
        return int.from_bytes(data[at : at + size], order)

    big = number(2, 2) == 43
    count_size, entry_size, offset_size = (8, 20, 8) if big else (2, 12, 4)
    at = number(8, 8) if big else number(4, 4)
    start = at + count_size
    # A directory cannot be longer than the file, and its entries are sorted by tag.
    end = min(start + min(number(at, count_size), _MOST_ENTRIES) * entry_size, len(data))
    found: dict[int, int] = {}
    for entry in range(start, end, entry_size):
        size = _TIFF_SIZES.get(number(entry + 2, 2), 0)
        where = entry + 4 + offset_size
        if size * number(entry + 4, offset_size) > offset_size:
            where = number(where, offset_size)
        # libtiff takes the first of two entries with one tag.
        found.setdefault(number(entry, 2), number(where, size))
    return found
