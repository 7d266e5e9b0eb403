"""What a TIFF file says of itself in its first directory (TIFF 6.0), and which kinds are read."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.bounds.cost import Cost, samples_cost, unbounded_cost
from freezenet.edge_runtime.images.limits import MAX_PIXELS

#: Bytes of a TIFF's BYTE, SHORT, LONG and LONG8.
_SIZES = {1: 1, 3: 2, 4: 4, 16: 8}
#: Directory entries and directories that are looked at; real files have some dozens.
_MOST_ENTRIES, _MOST_PAGES = 1000, 100
#: NewSubfileType, its bits for a smaller version and for a mask of another page, and the older SubfileType.
_KIND, _NO_PAGE, _OLD_KIND, _OLD_REDUCED = 254, 0b101, 255, 2
#: Value of the tag ExtraSamples for alpha that the colours are not multiplied with.
_UNASSOCIATED = 2
#: 8 bits or fewer are read by libtiff itself, which knows the kinds of colour; more by OpenCV, which does not.
_PHOTOMETRIC = {0: "white is zero", 1: "black is zero", 2: "RGB", 3: "a palette", 4: "a mask", 5: "CMYK", 6: "YCbCr",
                8: "CIE L*a*b*", 9: "ICC L*a*b*", 10: "ITU L*a*b*", 32803: "a colour filter array", 32844: "LogL",
                32845: "LogLuv", 34892: "linear raw"}  # fmt: skip
_GRAY, _READ_8, _READ_MORE = (0, 1), frozenset({0, 1, 2, 3, 5, 6}), frozenset({0, 1, 2})
#: Codecs that every build of OpenCV has: none, fax, LZW, JPEG, deflate (twice), PackBits.
_READ_CODECS = frozenset({1, 2, 3, 4, 5, 7, 8, 32771, 32773, 32946})
_DEFLATE = frozenset({8, 32946})
_STRIP_OFFSETS, _STRIP_LENGTHS, _TILE_OFFSETS, _TILE_LENGTHS = 273, 279, 324, 325
_AT_ONCE = 1 << 16
#: Strips or tiles: the largest detector has some thousand rows.
_MOST_BLOCKS = 100_000
#: Codecs of which each byte is read once; fax and JPEG have programs of their own inside.
_SIMPLE_CODECS = frozenset({1, 5, 8, 32773, 32946})
_CODECS = {6: "old-style JPEG", 9: "JBIG", 10: "JBIG", 32766: "NeXT", 32809: "ThunderScan", 32909: "Pixar log", 33003: "JPEG 2000",
           33005: "JPEG 2000", 34661: "JBIG", 34676: "SGI log", 34677: "SGI log", 34712: "JPEG 2000", 34887: "LERC",
           34925: "LZMA", 34926: "Zstandard", 34927: "WebP", 50000: "Zstandard", 50001: "WebP", 50002: "JPEG XL",
           52546: "JPEG XL"}  # fmt: skip


@dataclass(frozen=True)
class TiffHeader:
    """The first directory's tags that decide over pixels; the defaults are TIFF's own."""

    width: int = 0
    height: int = 0
    bits: int = 1
    codec: int = 1
    photometric: int = 1
    orientation: int = 1
    samples: int = 1
    planes: int = 1
    tile_width: int = 0
    tile_height: int = 0
    extra: int = 0
    sample_format: int = 1
    strip_rows: int = 1 << 32

    @property
    def block_pixels(self) -> int:
        """Pixels of one tile, or of one strip."""
        return self.tile_pixels or self.width * min(self.height, max(1, self.strip_rows))

    @property
    def tile_pixels(self) -> int:
        """Pixels of one tile, which may be larger than the image; 0 where there are no tiles."""
        return self.tile_width * self.tile_height

    @property
    def white_is_zero(self) -> bool:
        """Whether decoded samples show the negative: OpenCV inverts none of more than 8 bits."""
        return self.photometric == 0 and self.bits > 8

    @property
    def has_alpha(self) -> bool:
        """Whether decoded samples have alpha that is still to be composited: libtiff does it for 8 bits.

        What TIFF calls associated alpha is composited already. libtiff takes a fourth sample that nothing is said of
        for the same.
        """
        return self.bits > 8 and self.samples == 4 and self.extra == _UNASSOCIATED


_TAGS = {256: "width", 257: "height", 258: "bits", 259: "codec", 262: "photometric", 274: "orientation", 277: "samples",
         278: "strip_rows", 284: "planes", 322: "tile_width", 323: "tile_height", 338: "extra", 339: "sample_format"}  # fmt: skip


def tiff_header(data: bytes) -> TiffHeader:
    """Read the first directory of a TIFF file, or of the block of EXIF that is built like one."""
    tags = _tags(data)
    return TiffHeader(**{name: tags[tag] for tag, name in _TAGS.items() if tag in tags})


def check_tiff(header: TiffHeader) -> None:
    """Raise DataError for what libtiff would take memory for, and for what OpenCV would not read or read wrongly."""
    if header.tile_pixels * header.samples > MAX_PIXELS:
        raise DataError(
            f"A TIFF with tiles of at most {MAX_PIXELS // 1_000_000} megapixels is required. Got: larger ones; save "
            "it without tiles."
        )
    if header.codec not in _READ_CODECS:
        name = _CODECS.get(header.codec)
        got = f"{name} ({header.codec})" if name else f"the unknown number {header.codec}"
        raise DataError(
            f"A TIFF without compression or with LZW, deflate, PackBits, JPEG or fax is required. Got: {got}; save it again."
        )
    if header.samples == 2 and header.photometric in _GRAY:  # OpenCV drops the alpha and half of the bits
        raise DataError("A TIFF without alpha is required. Got: gray with alpha; save it without.")
    read = _READ_8 if header.bits <= 8 else _READ_MORE
    if header.photometric not in read:
        name = _PHOTOMETRIC.get(header.photometric, f"the unknown number {header.photometric}")
        raise DataError(
            f"A TIFF of gray or RGB samples is required. Got: {name} in {header.bits} bits; save it as gray of 8 or 16 bits."
        )
    if header.bits in (2, 4) and header.photometric in _GRAY:
        raise DataError(f"A TIFF of 1, 8 or 16 bits is required. Got: gray of {header.bits} bits; save it with 8.")
    if header.planes == 2 and header.bits > 8 and header.samples > 1:  # OpenCV mixes them
        raise DataError(
            f"A TIFF with the colours of a pixel together (PlanarConfiguration 1) is required. Got: {header.samples} planes of "
            f"{header.bits} bits; save it again."
        )
    if header.sample_format == 2 or (header.sample_format == 3 and header.bits <= 16):
        kind = "signed integers" if header.sample_format == 2 else "floats"
        raise DataError(f"A TIFF of unsigned samples is required. Got: {kind} of {header.bits} bits; save it again.")


def check_pages(data: bytes) -> None:
    """Raise DataError unless the first directory is the only picture; smaller versions of it and masks may follow."""
    order = _order(data)
    is_page = []
    for entries in _directories(data):
        values = {tag: int.from_bytes(data[one.where : one.where + one.size], order) for tag, one in entries.items()}
        is_page.append(not values.get(_KIND, 0) & _NO_PAGE and values.get(_OLD_KIND) != _OLD_REDUCED)
    if sum(is_page) > 1:
        number = f"{sum(is_page)} pages" if len(is_page) < _MOST_PAGES else "many pages"
        raise DataError(
            f"A TIFF with one picture is required. Got: {number}; save the X-ray's page as a file of its own."
        )
    if True in is_page[1:]:
        raise DataError(
            "A TIFF that begins with its picture is required. Got: a preview or a mask in front of it; save it again."
        )


def tiff_cost(data: bytes, header: TiffHeader) -> Cost:
    """Return what a TIFF costs; raise DataError where its strips or tiles are too many or lie over each other."""
    blocks = _blocks(data, header)
    length = sum(min(length, max(0, len(data) - offset)) for offset, length in blocks)
    if header.codec != 1 and length > 2 * len(data):
        raise DataError(
            "A TIFF whose strips or tiles lie beside each other is required. Got: many in one place; save it again."
        )
    itemsize = max(1, header.bits // 8)
    # libtiff gives 8 bits and less as four channels.
    block = header.block_pixels * (4 if header.bits <= 8 else header.samples * itemsize)
    size = (header.width, header.height)
    cost = samples_cost(size, header.samples, itemsize, length, is_deflated=header.codec in _DEFLATE, more=block)
    return cost if header.codec in _SIMPLE_CODECS else unbounded_cost(cost.memory)


def check_deflate(data: bytes, header: TiffHeader) -> None:
    """Raise DataError where the checksum of a deflated strip or tile is wrong: libtiff stops reading before it."""
    if header.codec not in _DEFLATE:
        return
    view = memoryview(data)
    blocks = _blocks(data, header)
    # As many samples as the strips or tiles hold, and room for writers that fill the last one.
    room = (len(blocks) + 1) * (header.block_pixels * header.samples * max(1, header.bits // 8) + _AT_ONCE)
    room = min(room, 8 * MAX_PIXELS)
    for offset, length in blocks:
        unpacker, is_whole = zlib.decompressobj(), False
        try:
            for start in range(offset, min(offset + length, len(data)), _AT_ONCE):
                rest: memoryview | bytes = view[start : min(start + _AT_ONCE, offset + length)]
                while rest and not unpacker.eof and room > 0:
                    room -= len(unpacker.decompress(rest, _AT_ONCE))
                    rest = unpacker.unconsumed_tail
                if unpacker.eof or room <= 0:
                    break
            is_whole = unpacker.eof
        except zlib.error:
            is_whole = False
        if not is_whole:
            raise DataError("A whole TIFF file is required. Got: a damaged one (deflate); copy it again.")


def _blocks(data: bytes, header: TiffHeader) -> list[tuple[int, int]]:
    """Return offset and length of each strip or tile."""
    tags = (_TILE_OFFSETS, _TILE_LENGTHS) if header.tile_pixels else (_STRIP_OFFSETS, _STRIP_LENGTHS)
    entries = _entries(data)
    if any(entries[tag].number > _MOST_BLOCKS for tag in tags if tag in entries):
        raise DataError(f"A TIFF of at most {_MOST_BLOCKS} strips or tiles is required. Got: more; save it again.")
    offsets, lengths = (_values(data, tag) for tag in tags)
    return list(zip(offsets, lengths, strict=False))


class _Entry(NamedTuple):
    """A directory entry of whole numbers: bytes of one, how many, and where they stand."""

    size: int
    number: int
    where: int


def _tags(data: bytes) -> dict[int, int]:
    """Return tag -> first value of the first directory, for the tags of whole numbers."""
    order = _order(data)
    return {tag: int.from_bytes(data[one.where : one.where + one.size], order) for tag, one in _entries(data).items()}


def _values(data: bytes, tag: int) -> list[int]:
    """Return all values of a tag that lie inside the file."""
    entry, order = _entries(data).get(tag, _Entry(0, 0, 0)), _order(data)
    if entry.size == 0:
        return []
    count = min(entry.number, max(0, len(data) - entry.where) // entry.size)
    ends = range(entry.where, entry.where + count * entry.size, entry.size)
    return [int.from_bytes(data[at : at + entry.size], order) for at in ends]


def _entries(data: bytes) -> dict[int, _Entry]:
    """Return tag -> entry of the first directory."""
    return next(_directories(data), {})


def _directories(data: bytes) -> Iterator[dict[int, _Entry]]:
    """Yield tag -> entry of each directory (TIFF 6.0, section 2), each once."""
    order = _order(data)

    def number(at: int, size: int) -> int:
        return int.from_bytes(data[at : at + size], order)

    big = number(2, 2) == 43
    count_size, entry_size, offset_size = (8, 20, 8) if big else (2, 12, 4)
    at = number(8, 8) if big else number(4, 4)
    seen: set[int] = set()
    while 0 < at < len(data) and at not in seen and len(seen) < _MOST_PAGES:
        seen.add(at)
        start, count = at + count_size, number(at, count_size)
        # A directory cannot be longer than the file, and its entries are sorted by tag.
        end = min(start + min(count, _MOST_ENTRIES) * entry_size, len(data))
        found: dict[int, _Entry] = {}
        for entry in range(start, end, entry_size):
            size, many = _SIZES.get(number(entry + 2, 2), 0), number(entry + 4, offset_size)
            where = entry + 4 + offset_size
            if size * many > offset_size:
                where = number(where, offset_size)
            # libtiff takes the first of two entries with one tag.
            found.setdefault(number(entry, 2), _Entry(size, many, where))
        yield found
        at = number(start + count * entry_size, offset_size)


def _order(data: bytes) -> Literal["little", "big"]:
    return "little" if data[:1] == b"I" else "big"
