"""What the header of an image file says, read before anything is decoded."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal, NamedTuple

from freezenet.edge_runtime.errors import DataError

# Markers FFC0..FFCF that start a frame, without DHT (C4), JPG (C8) and DAC (CC): ITU-T T.81, table B.1; and FFF7, that
# of JPEG-LS: ITU-T T.87, table C.1.
_JPEG_FRAME_MARKERS = (frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}) | {0xF7}
# No frame comes behind another start, the end, or the start of a scan; a stuffed zero, TEM and RST stand alone.
_JPEG_ENDS = frozenset({0xD8, 0xD9, 0xDA})
_JPEG_ALONE = frozenset({0x00, 0x01, *range(0xD0, 0xD8)})


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


def image_format(data: bytes) -> str | None:
    """Return "JPEG", "PNG", "TIFF", "BMP" or "WebP" by the first bytes of a file, None for any other."""
    if data[:2] == b"\xff\xd8":
        return "JPEG"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "PNG"
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):  # the last two are BigTIFF
        return "TIFF"
    # "ftyp" in this place makes it a file of the AVIF family, whose decoder OpenCV asks first.
    if data[:2] == b"BM" and data[4:8] != b"ftyp":
        return "BMP"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    return None


def image_size(data: bytes) -> tuple[int, int] | None:
    """Return (width, height) in pixels as stored (before EXIF rotation), or None where no header says it.

    Raises:
        DataError: A JPEG has more segments than any camera writes before the one with its size.
    """
    read = _SIZES.get(image_format(data) or "")
    width, height = (read(data) if read else None) or (0, 0)
    return (width, height) if width > 0 and height > 0 else None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    frame = jpeg_frame(data)
    return (frame.width, frame.height) if frame else None


def _png_size(data: bytes) -> tuple[int, int] | None:
    """Read the first chunk, which must be IHDR (PNG, third edition, 11.2.1)."""
    if data[12:16] != b"IHDR" or len(data) < 24:
        return None
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def _tiff_size(data: bytes) -> tuple[int, int]:
    tags = _tiff_tags(data)
    return tags.get(_WIDTH, 0), tags.get(_HEIGHT, 0)


def _bmp_size(data: bytes) -> tuple[int, int] | None:
    """Read BITMAPCOREHEADER (OS/2, 12 bytes) or BITMAPINFOHEADER and what grew out of it (40 bytes and more).

    A negative height says that the rows begin at the top.
    """
    if len(data) < 26:
        return None
    header = int.from_bytes(data[14:18], "little")
    if header == 12:
        return int.from_bytes(data[18:20], "little"), int.from_bytes(data[20:22], "little")
    if header < 36:  # OpenCV's own bound
        return None
    return int.from_bytes(data[18:22], "little", signed=True), abs(int.from_bytes(data[22:26], "little", signed=True))


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """Read the first chunk: lossy (RFC 6386, 9.1), lossless (RFC 9649, 3.4) or extended (RFC 9649, 2.7)."""
    if len(data) < 30:
        return None
    chunk = data[12:16]
    if chunk == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        # The two highest bits are an upscaling that no decoder does.
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    if chunk == b"VP8L" and data[20] == 0x2F:
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    return None


def jpeg_frame(data: bytes) -> JpegFrame | None:
    """Walk the JPEG segments up to the frame header (ITU-T T.81, B.2.2); None where there is none.

    Stray bytes between segments are passed over, as libjpeg does: the size it will find must not stay hidden from here.
    """
    at = 2
    for _ in range(_MOST_SEGMENTS):
        at = data.find(b"\xff", at)
        if at < 0:
            return None
        at = _FILL.match(data, at).end() - 1  # type: ignore[union-attr]  # data[at] is one
        if at + 10 > len(data):
            return None
        marker = data[at + 1]
        if marker in _JPEG_FRAME_MARKERS:
            height = int.from_bytes(data[at + 5 : at + 7], "big")
            width = int.from_bytes(data[at + 7 : at + 9], "big")
            return JpegFrame(marker, data[at + 4], height, width, data[at + 9])
        if marker in _JPEG_ENDS:
            return None
        at += 2
        if marker not in _JPEG_ALONE:
            at += max(2, int.from_bytes(data[at : at + 2], "big"))
    raise DataError(
        f"A JPEG file with its size within {_MOST_SEGMENTS} segments is required. Got: more; save it again."
    )


def is_cut_off(jpeg: bytes) -> bool:
    """Whether the end of a JPEG or JPEG-LS file is missing.

    Entropy-coded data holds no bare FFD9 or FFDA, so a start-of-scan without an end behind it was cut off. The end is
    searched first, because it lies at the end.
    """
    return jpeg.find(b"\xff\xda", jpeg.rfind(b"\xff\xd9") + 1) >= 0


def channels(data: bytes) -> int:
    """Return how many samples a pixel has as stored; 4, the most, where that is not read here.

    A palette counts as its colours, and a PNG's colour key as alpha.
    """
    if image_format(data) == "PNG":
        return 4 if b"tRNS" in data else _PNG_CHANNELS.get(int.from_bytes(data[25:26], "big"), 4)
    if image_format(data) == "TIFF":
        return _tiff_tags(data).get(_SAMPLES, 1)
    return 4


def tile_pixels(data: bytes) -> int:
    """Return the pixels of one tile of a TIFF, which may be larger than the image; 0 where there are no tiles."""
    tags = _tiff_tags(data) if image_format(data) == "TIFF" else {}
    return tags.get(_TILE_WIDTH, 0) * tags.get(_TILE_HEIGHT, 0)


def png_is_whole(data: bytes) -> bool:
    """Whether the chunks of a PNG lie inside the file up to its end chunk; OpenCV takes memory for what they say."""
    at = 8
    while at + 12 <= len(data):
        if data[at + 4 : at + 8] == b"IEND":
            return True
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return False


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


_SIZES: dict[str, Callable[[bytes], tuple[int, int] | None]] = {
    "JPEG": _jpeg_size,
    "PNG": _png_size,
    "TIFF": _tiff_size,
    "BMP": _bmp_size,
    "WebP": _webp_size,
}
