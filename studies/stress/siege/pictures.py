"""Pictures that make a decoder work far more than their size suggests: JPEG, PNG, BMP and WebP, written by hand.

Each function takes `size`, about the bytes that the file may have, and spends them on what costs most.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable


def jpeg_progressive_scans(size: int) -> bytes:
    """Return a progressive JPEG of 100 megapixels whose scans are runs of empty blocks."""
    side = 10_000
    return _progressive(side, side, min(100, max(1, size // 110)))


def jpeg_small_progressive_scans(size: int) -> bytes:
    """Return a progressive JPEG of 4 megapixels with as many scans as fit."""
    return _progressive(2000, 2000, size // 24)


def jpeg_sequential_scans(size: int) -> bytes:
    """Return a baseline JPEG of three components that repeats the scan of one of them."""
    side = 1024
    blocks = (side // 8) ** 2
    # Two codes of one bit, "no difference" and "end of block", for each block.
    scan = _scan(1, 0, 63, bytes(blocks // 4))
    return _jpeg(0xC0, side, side, 3, scan * max(1, size // len(scan)))


def jpeg_blank(size: int) -> bytes:
    """Return a progressive colour JPEG of 100 megapixels and a few bytes, for which a decoder keeps all coefficients."""
    del size
    return _jpeg(0xC2, 10_000, 10_000, 3, _scan(1, 0, 0, bytes(4)))


def jpeg_segments(size: int) -> bytes:
    """Return a JPEG whose size stands behind empty comments."""
    return b"\xff\xd8" + b"\xff\xfe\x00\x02" * (size // 4) + _jpeg(0xC0, 64, 64, 1, _scan(1, 0, 63, bytes(64)))[2:]


def png_tiny_chunks(size: int) -> bytes:
    """Return a PNG with comments of no text."""
    return _png(_chunk(b"tEXt", b"a\0") * (size // 14))


def png_palettes(size: int) -> bytes:
    """Return a PNG with suggested palettes, whose list libpng copies for each one."""
    return _png(b"".join(_chunk(b"sPLT", b"%d\0\x08" % one) for one in range(size // 20)))


def png_text_bombs(size: int) -> bytes:
    """Return a PNG with compressed comments that each unpack to 7 MB."""
    bomb = _chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(7_000_000), 9))
    return _png(bomb * max(1, size // len(bomb)))


def png_profile_bomb(size: int) -> bytes:
    """Return a PNG with a colour profile that unpacks to a thousand times its size."""
    return _png(_chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(size * 900), 9)))


def png_empty_blocks(size: int) -> bytes:
    """Return a PNG whose image begins behind blocks of deflate that hold a table and no byte."""
    return _png(b"", empty_blocks(size))


def png_blank(size: int) -> bytes:
    """Return a PNG of 100 megapixels of 16 bits, deflated a thousandfold."""
    del size
    side = 10_000
    row = bytes(1 + 2 * side)
    return _png(b"", bytes(0), side, side, 16, zlib.compress(row * side, 9))


def png_interlaced(size: int) -> bytes:
    """Return an interlaced PNG of 100 megapixels."""
    del size
    side, rows = 10_000, b""
    for left, top, right, down in _ADAM7:
        wide, high = -(-(side - left) // right), -(-(side - top) // down)
        rows += bytes((1 + 2 * wide) * high)
    return _png(b"", b"", side, side, 16, zlib.compress(rows, 9), interlaced=1)


def bmp_runs(size: int) -> bytes:
    """Return a run-length BMP of 25 megapixels in runs of one pixel."""
    body = b"\x01\x07" * (size // 2) + b"\0\1"
    return _bmp(5000, 5000, body)


def bmp_blank(size: int) -> bytes:
    """Return a run-length BMP of 25 megapixels that ends at once."""
    del size
    return _bmp(5000, 5000, b"\0\1")


def webp_groups(size: int) -> bytes:
    """Return a lossless WebP with 65,536 groups of codes, each of which takes tables of its own."""
    del size
    bits = _Bits()
    side = 1024
    bits.put(0x2F, 8)
    bits.put(side - 1, 14)
    bits.put(side - 1, 14)
    bits.put(0, 4)  # no alpha, version 0
    bits.put(0, 1)  # no transform
    bits.put(0, 1)  # no colour cache
    bits.put(1, 1)  # there are groups
    bits.put(0, 3)  # blocks of 4 x 4 pixels: 65,536 of them
    # The image that names the group of each block: red and green, all 256 values each.
    bits.put(0, 1)  # no colour cache
    for symbols in (256, 256, 1, 1, 1):
        bits.put_codes(symbols)
    for group in range((side // 4) ** 2):
        bits.put(_reversed(group & 255, 8), 8)
        bits.put(_reversed(group >> 8, 8), 8)
    for _ in range(65_536):
        for _ in range(5):
            bits.put_codes(1)
    return _webp(b"VP8L", bits.content() + bytes(64))


def webp_frames(size: int) -> bytes:
    """Return an animated WebP with as many frames as fit."""
    frame = webp_blank(64, 64)[12:]
    one = bytes(6) + (63).to_bytes(3, "little") * 2 + bytes(4) + frame
    part = _riff(b"ANMF", one)
    head = _riff(b"VP8X", b"\x02\0\0\0" + (63).to_bytes(3, "little") * 2) + _riff(b"ANIM", bytes(6))
    return _webp_file(head + part * max(1, size // len(part)))


def webp_canvas(size: int) -> bytes:
    """Return an animated WebP whose canvas of 25 megapixels holds frames of 64 x 64."""
    frame = webp_blank(64, 64)[12:]
    one = bytes(6) + (63).to_bytes(3, "little") * 2 + bytes(4) + frame
    part = _riff(b"ANMF", one)
    head = _riff(b"VP8X", b"\x02\0\0\0" + (4999).to_bytes(3, "little") * 2) + _riff(b"ANIM", bytes(6))
    return _webp_file(head + part * max(1, size // len(part)))


def webp_chunks(size: int) -> bytes:
    """Return a WebP with empty chunks before its image."""
    head = _riff(b"VP8X", b"\0\0\0\0" + (63).to_bytes(3, "little") * 2)
    return _webp_file(head + _riff(b"ABCD", b"") * (size // 8) + webp_blank(64, 64)[12:])


def webp_blank(width: int, height: int) -> bytes:
    """Return a lossless WebP of one colour."""
    bits = _Bits()
    bits.put(0x2F, 8)
    bits.put(width - 1, 14)
    bits.put(height - 1, 14)
    bits.put(0, 4)
    bits.put(0, 3)  # no transform, no cache, no groups
    for _ in range(5):
        bits.put_codes(1)
    return _webp(b"VP8L", bits.content() + bytes(8))


def empty_blocks(size: int) -> bytes:
    """Return blocks of deflate, each with tables of its own and no byte, in so many bytes; a multiple of whole bytes."""
    bits = _Bits()
    # Final 0, type 2; HLIT 257, HDIST 1, HCLEN 18: code lengths 1 for "length 1" and "138 zeros".
    order = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
    bits.put(0, 1)
    bits.put(2, 2)
    bits.put(0, 5)
    bits.put(0, 5)
    bits.put(18 - 4, 4)
    for symbol in order[:18]:
        bits.put({18: 1, 1: 1}.get(symbol, 0), 3)
    # Codes: 1 -> "0", 18 -> "1". 256 zeros as 138 + 118, then the end with length 1, then one distance.
    for count in (138, 118):
        bits.put(1, 1)
        bits.put(count - 11, 7)
    bits.put(0, 1)
    bits.put(0, 1)
    bits.put(0, 1)  # the end of the block
    one = bits.bits
    many = one * 8
    block = bytes(sum(bit << at for at, bit in enumerate(many[start : start + 8])) for start in range(0, len(many), 8))
    return block * max(1, size // len(block))


_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def _progressive(width: int, height: int, scans: int) -> bytes:
    blocks = -(-width // 8) * -(-height // 8)
    # The one code "0" says EOB14; behind it stand 14 bits of the run's length.
    bits = _Bits(most_significant_first=True)
    while blocks > 0:
        run = min(blocks, 32_767)
        bits.put_first(0, 1)
        bits.put_first(max(0, run - 16_384), 14)
        blocks -= run
    # A refinement looks at each coefficient, though none is refined.
    refinement = _scan(1, 1, 63, bits.content().replace(b"\xff", b"\xff\0"), depths=0x10)
    return _jpeg(0xC2, width, height, 3, refinement * scans, ac=0xE0)


def _jpeg(marker: int, width: int, height: int, components: int, scans: bytes, ac: int = 0) -> bytes:
    tables = _segment(0xDB, b"\0" + b"\x10" * 64)
    for kind, symbol in ((0x00, 0), (0x10, ac)):
        tables += _segment(0xC4, bytes([kind, 1]) + bytes(15) + bytes([symbol]))
    parts = b"".join(bytes([one + 1, 0x11, 0]) for one in range(components))
    frame = _segment(marker, b"\x08" + struct.pack(">HHB", height, width, components) + parts)
    return b"\xff\xd8" + tables + frame + scans + b"\xff\xd9"


def _scan(component: int, first: int, last: int, content: bytes, depths: int = 0) -> bytes:
    return _segment(0xDA, bytes([1, component, 0, first, last, depths])) + content


def _segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", 2 + len(content)) + content


def _png(
    extra: bytes,
    before: bytes = b"",
    width: int = 64,
    height: int = 64,
    bits: int = 8,
    packed: bytes | None = None,
    interlaced: int = 0,
) -> bytes:
    content = packed
    if content is None:
        raw = bytes((1 + width) * height)
        body = zlib.compressobj(9, zlib.DEFLATED, -15)
        content = b"\x78\x9c" + before + body.compress(raw) + body.flush() + struct.pack(">I", zlib.adler32(raw))
    head = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, interlaced)
    end = _chunk(b"IDAT", content) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + extra + end


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _bmp(width: int, height: int, body: bytes) -> bytes:
    palette = b"".join(bytes([one, one, one, 0]) for one in range(256))
    start = 54 + len(palette)
    head = struct.pack("<2sIII", b"BM", start + len(body), 0, start)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(body), 0, 0, 256, 0)
    return head + info + palette + body


def _webp(kind: bytes, content: bytes) -> bytes:
    return _webp_file(_riff(kind, content))


def _webp_file(body: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def _riff(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + bytes(len(content) & 1)


def _reversed(value: int, width: int) -> int:
    return int(f"{value:0{width}b}"[::-1], 2)


class _Bits:
    """Bits in the order in which a decoder takes them."""

    def __init__(self, most_significant_first: bool = False) -> None:
        self.bits: list[int] = []
        self._first = most_significant_first

    def put(self, value: int, count: int) -> None:
        self.bits += [value >> at & 1 for at in range(count)]

    def put_first(self, value: int, count: int) -> None:
        self.bits += [value >> at & 1 for at in reversed(range(count))]

    def put_codes(self, symbols: int) -> None:
        """Put the code of an alphabet for WebP: of one symbol, 0, or of 256 in 8 bits each."""
        if symbols == 1:
            self.put(1, 1)  # simple
            self.put(0, 1)  # one symbol
            self.put(0, 1)  # of one bit
            self.put(0, 1)
            return
        self.put(0, 1)
        # Code lengths in the order 17, 18, 0, 1, ..., 8: 8 has length 1, and 18 (a run of zeros) as well.
        self.put(12 - 4, 4)
        for symbol in (17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8):
            self.put(1 if symbol in (8, 18) else 0, 3)
        self.put(0, 1)  # all lengths follow
        for _ in range(256):
            self.put(0, 1)  # 8
        left = 24
        self.put(1, 1)
        self.put(left - 11, 7)

    def content(self) -> bytes:
        bits = self.bits + [0] * (-len(self.bits) % 8)
        groups = (bits[at : at + 8] for at in range(0, len(bits), 8))
        if self._first:
            return bytes(int("".join(map(str, one)), 2) for one in groups)
        return bytes(sum(bit << at for at, bit in enumerate(one)) for one in groups)


#: Name -> function from the file's size to its bytes.
PICTURES: dict[str, Callable[[int], bytes]] = {
    "jpeg/progressive-scans": jpeg_progressive_scans,
    "jpeg/small-progressive-scans": jpeg_small_progressive_scans,
    "jpeg/sequential-scans": jpeg_sequential_scans,
    "jpeg/blank": jpeg_blank,
    "jpeg/segments": jpeg_segments,
    "png/tiny-chunks": png_tiny_chunks,
    "png/palettes": png_palettes,
    "png/text-bombs": png_text_bombs,
    "png/profile-bomb": png_profile_bomb,
    "png/empty-blocks": png_empty_blocks,
    "png/blank": png_blank,
    "png/interlaced": png_interlaced,
    "bmp/runs": bmp_runs,
    "bmp/blank": bmp_blank,
    "webp/groups": webp_groups,
    "webp/frames": webp_frames,
    "webp/canvas": webp_canvas,
    "webp/chunks": webp_chunks,
}
