"""What the header of an image file says, read before anything is decoded: the format, the size, the kind of JPEG."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.bounds.cost import Cost, jpeg_cost
from freezenet.edge_runtime.images.png import png_channels
from freezenet.edge_runtime.images.tiff import tiff_header

_SAVE = "save it as PNG"
#: First bytes -> name of a format that is not read. OpenCV reads some of them, by no rules that are written down.
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"#?RGBE", "Radiance HDR"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"\x59\xa6\x6a\x95", "Sun raster"),
    (b"II\xbc\x01", "JPEG XR"),
    (b"8BPS", "Photoshop"),
    (b"%PDF-", "PDF"),
)
# ISO/IEC 14496-12: the major brand behind "ftyp" at byte 4.
_HEIC_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))
_AVIF_BRANDS = frozenset((b"avif", b"avis"))

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
#: Anything but a stuffed zero, a fill byte and RST.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
#: Scans: encoders write about ten into a progressive JPEG, and one for each component at most into another.
_MOST_SCANS, _MOST_SEQUENTIAL_SCANS = 100, 4
#: Seconds that the scans of one file may take by the bound of the worst file.
_MOST_SECONDS = 10


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


def other_format(data: bytes) -> tuple[str, str] | None:
    """Return the name of a known format that is not read and what to do with the file; None where it is not known."""
    if data[4:8] == b"ftyp":
        brand = data[8:12]
        if brand in _HEIC_BRANDS:
            return "HEIC", (
                "save it as JPEG (`heif-convert IN.heic OUT.jpg`; on the phone: Settings, Camera, Formats, Most Compatible)"
            )
        return ("AVIF", _SAVE) if brand in _AVIF_BRANDS else None
    # Portable pixmaps: P1 to P7, Pf and PF, and a blank or a comment.
    if data[:1] == b"P" and data[1:2] in b"1234567fF" and data[2:3] in (b" ", b"\t", b"\r", b"\n", b"#"):
        return "PNM", _SAVE
    return next(((name, _SAVE) for magic, name in _OTHERS if data.startswith(magic)), None)


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
    header = tiff_header(data)
    return header.width, header.height


def _bmp_size(data: bytes) -> tuple[int, int] | None:
    """Read BITMAPCOREHEADER (OS/2, 12 bytes) or BITMAPINFOHEADER and what grew out of it (40 bytes and more).

    A negative height says that the rows begin at the top.
    """
    if len(data) < 26:
        return None
    header = int.from_bytes(data[14:18], "little")
    if header == 12:
        return int.from_bytes(data[18:20], "little"), int.from_bytes(data[20:22], "little")
    if header < 16:  # the shortest of OS/2 2.0; the reader refuses what OpenCV cannot decode
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


def check_jpeg(data: bytes, frame: JpegFrame) -> Cost:
    """Return what a JPEG costs; raise DataError where it was cut off or would take a decoder too long.

    Each scan is decoded over the whole image.
    """
    # OpenCV before 5 fills the missing part with gray and says nothing.
    if is_cut_off(data):
        raise DataError("A whole JPEG file is required. Got: a truncated one; copy it again.")
    progressive = frame.marker in _PROGRESSIVE
    most = _MOST_SCANS if progressive else _MOST_SEQUENTIAL_SCANS
    scans = _scans(data, most)
    if scans > most:
        raise DataError(f"A JPEG file of at most {most} scans is required. Got: more; save it again.")
    size, components = (frame.width, frame.height), max(1, frame.components)
    cost = jpeg_cost(size, components, scans, len(data), progressive or scans > 1)
    if cost.seconds > _MOST_SECONDS + len(data) * 1e-6:
        raise DataError(
            f"A JPEG file with few scans for its size is required. Got: {scans} scans of {frame.width} x {frame.height} "
            "pixels; save it again as a baseline JPEG."
        )
    return cost


def _scans(jpeg: bytes, most: int) -> int:
    """Return the number of scans; `most` + 1 for any larger number.

    The two bytes of a start may also stand inside of another segment, such as a small picture in EXIF: where they are found
    more than once, the segments are walked through.
    """
    starts = jpeg.count(b"\xff\xda")
    if starts <= 1:
        return 1
    at, scans = 2, 0
    for _ in range(_MOST_SEGMENTS):
        found = _MARKER.search(jpeg, at)
        if found is None or found[0][1] == 0xD9:
            return scans
        at = found.end()
        scans += found[0][1] == 0xDA
        if scans > most:
            return scans
        if found[0][1] not in _JPEG_ALONE:
            at += max(2, int.from_bytes(jpeg[at : at + 2], "big"))
    return most + 1


def channels(data: bytes) -> int:
    """Return how many samples a pixel has as stored; 4, the most, where that is not read here.

    A palette counts as its colours, and a PNG's colour key as alpha.
    """
    if image_format(data) == "PNG":
        return png_channels(data)
    if image_format(data) == "TIFF":
        return tiff_header(data).samples
    return 4


_SIZES: dict[str, Callable[[bytes], tuple[int, int] | None]] = {
    "JPEG": _jpeg_size,
    "PNG": _png_size,
    "TIFF": _tiff_size,
    "BMP": _bmp_size,
    "WebP": _webp_size,
}
