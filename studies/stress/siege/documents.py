"""TIFF and DICOM files that make a reader work far more than their size suggests, written by hand.

Each function takes `size`, about the bytes that the file may have, and spends them on what costs most.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from studies.stress.siege.pictures import empty_blocks, jpeg_progressive_scans

_SHORT, _LONG = 3, 4
_ITEM, _ITEM_END, _SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0", b"\xfe\xff\xdd\xe0"
_EXPLICIT, _IMPLICIT, _DEFLATED = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99"
_RLE, _JPEG_2000, _JPEG = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.50"


def tiff_aliased_strips(size: int) -> bytes:
    """Return a TIFF of deflated strips that all lie in the same place, a block that is slow to unpack."""
    strips = min(10_000, max(32, size // 80))
    raw = bytes(64)
    body = zlib.compressobj(9, zlib.DEFLATED, -15)
    slow = b"\x78\x9c" + empty_blocks(max(1000, size // 2)) + body.compress(raw) + body.flush()
    slow += struct.pack(">I", zlib.adler32(raw))
    return _tiff(64, strips, 8, slow, [8] * strips, [len(slow)] * strips)


def tiff_bomb_strips(size: int) -> bytes:
    """Return a TIFF whose deflated strips all are one that unpacks a thousandfold."""
    bomb = zlib.compress(bytes(min(size, 1_000_000) * 400), 9)
    return _tiff(64, 4096, 8, bomb, [8] * 4096, [len(bomb)] * 4096)


def tiff_many_strips(size: int) -> bytes:
    """Return a TIFF that names strips behind strips, more than it has rows."""
    return _tiff(64, 64, 8, bytes(64 * 64), [8] * (size // 8), [64] * (size // 8))


def tiff_pages(size: int) -> bytes:
    """Return a TIFF with as many pages as fit, of one image."""
    count = max(1, size // 110)
    pages = [_directory(64, 64, 1, [8], [4096], 8 + 4096 + 102 * one) for one in range(count)]
    last = pages[-1][:-4] + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + 4096) + bytes(4096) + b"".join(pages[:-1]) + last


def tiff_entries(size: int) -> bytes:
    """Return a TIFF whose directory holds as many entries of text as fit, all of them the whole file."""
    count = min(60_000, size // 12)
    head = _directory(64, 64, 1, [8], [4096], 8 + 4096)[2:-4]
    text = b"".join(struct.pack("<HHII", 40_000 + one % 20_000, 2, 1000, 8) for one in range(count))
    directory = struct.pack("<H", (len(head) + len(text)) // 12) + head + text + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + 4096) + bytes(4096) + directory


def tiff_jpeg_scans(size: int) -> bytes:
    """Return a TIFF of one strip that is a JPEG of very many scans."""
    strip = jpeg_progressive_scans(size)
    return _tiff(10_000, 10_000, 7, strip, [8], [len(strip)], photometric=2, samples=3)


def tiff_tile(size: int) -> bytes:
    """Return a small TIFF in one tile of 95 megapixels."""
    del size
    body = zlib.compress(bytes(95_000_000), 9)
    return _tiff(64, 64, 8, body, [8], [len(body)], tile=(9_728, 9_728))


def tiff_fax(size: int) -> bytes:
    """Return a fax of 100 megapixels without a line."""
    return _tiff(10_000, 10_000, 4, bytes(size), [8], [size], bits=1)


def tiff_lzw(size: int) -> bytes:
    """Return a TIFF with LZW in which the table is cleared at each code."""
    return _tiff(10_000, 10_000, 5, b"\x80\x40\x20\x10" * (size // 4), [8], [size])


def dicom_elements(size: int) -> bytes:
    """Return a data set of empty elements."""
    return _dicom(_IMPLICIT, _many_elements(size) + _image(b"", implicit=True))


def dicom_deflated_elements(size: int) -> bytes:
    """Return a deflated data set of empty elements, a hundred times the file's size and at most 160 MB."""
    return _dicom(_DEFLATED, _deflated(_many_elements(min(100 * size, 160_000_000), explicit=True)))


def dicom_deflated_blocks(size: int) -> bytes:
    """Return a deflated data set behind blocks of deflate that hold a table and no byte."""
    return _dicom(_DEFLATED, empty_blocks(size) + _deflated(_image(bytes(64 * 64))))


def dicom_nested(size: int) -> bytes:
    """Return a data set of sequences in sequences without stated lengths."""
    inner = struct.pack("<HHI", 0x0040, 0x0555, 0xFFFFFFFF) + _ITEM + b"\xff\xff\xff\xff"
    return _dicom(_IMPLICIT, inner * (size // 16))


def dicom_items(size: int) -> bytes:
    """Return a data set with a sequence of empty items where the view is looked up."""
    items = (_ITEM + bytes(4)) * (size // 8)
    sequence = struct.pack("<HHI", 0x0054, 0x0220, len(items)) + items
    return _dicom(_IMPLICIT, _image(b"", implicit=True)[:-8] + sequence + _pixels(bytes(64 * 64), implicit=True))


def dicom_open_items(size: int) -> bytes:
    """Return a data set with a sequence without a stated length, of empty items."""
    items = (_ITEM + bytes(4)) * (size // 8) + _SEQUENCE_END + bytes(4)
    sequence = struct.pack("<HHI", 0x0054, 0x0220, 0xFFFFFFFF) + items
    return _dicom(_IMPLICIT, _image(b"", implicit=True)[:-8] + sequence + _pixels(bytes(64 * 64), implicit=True))


def dicom_many_values(size: int) -> bytes:
    """Return a data set whose window has millions of centres."""
    value = b"1\\" * (size // 2)
    window = struct.pack("<HHI", 0x0028, 0x1050, len(value)) + value
    width = struct.pack("<HHI", 0x0028, 0x1051, len(value)) + value
    return _dicom(_IMPLICIT, _image(b"", implicit=True)[:-8] + window + width + _pixels(bytes(64 * 64), implicit=True))


def dicom_fragments(size: int) -> bytes:
    """Return a compressed frame in fragments of no byte."""
    return _dicom(_RLE, _image(b"")[:-12] + _encapsulated((_ITEM + bytes(4)) * (size // 8)))


def dicom_run_lengths(size: int) -> bytes:
    """Return an RLE frame of 4096 pixels whose runs go on for a hundred times the file's size."""
    frame = struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\x07" * (size // 2) + b"\x20"
    return _dicom(_RLE, _image(b"")[:-12] + _encapsulated(_item(b"") + _item(frame + bytes(len(frame) % 2))))


def dicom_precincts(size: int) -> bytes:
    """Return a JPEG 2000 frame of 36 megapixels with a precinct for each pixel."""
    del size
    return _codestream(6000, precincts=0x00)


def dicom_layers(size: int) -> bytes:
    """Return a JPEG 2000 frame with 65,535 layers and precincts of 16 x 16 pixels."""
    del size
    return _codestream(2000, layers=65_535, precincts=0x44)


def dicom_tiles(size: int) -> bytes:
    """Return a JPEG 2000 frame in 65,535 tiles."""
    del size
    return _codestream(4080, tile=16)


def dicom_blank_jpeg_2000(size: int) -> bytes:
    """Return a JPEG 2000 frame of 100 megapixels and no data."""
    del size
    return _codestream(10_000)


def dicom_scans(size: int) -> bytes:
    """Return a DICOM file that holds a JPEG of very many scans."""
    frame = jpeg_progressive_scans(size)
    body = _image(b"", side=10_000)[:-12] + _encapsulated(_item(b"") + _item(frame + bytes(len(frame) % 2)))
    return _dicom(_JPEG, body)


def _codestream(side: int, layers: int = 1, precincts: int | None = None, tile: int | None = None) -> bytes:
    size = struct.pack(">HIIIIIIIIHBBB", 0, side, side, 0, 0, tile or side, tile or side, 0, 0, 1, 7, 1, 1)
    style = struct.pack(">BBHB", 0 if precincts is None else 1, 0, layers, 0)
    levels = 5
    style += bytes([levels, 4, 4, 0, 1]) + (b"" if precincts is None else bytes([precincts or 0x00]) * (levels + 1))
    head = b"\xff\x4f" + _marker(0x51, size) + _marker(0x52, style)
    head += _marker(0x5C, b"\x40" + bytes(8 * k % 256 or 8 for k in range(3 * levels + 1)))
    parts = b"".join(
        _marker(0x90, struct.pack(">HIBB", one, 14 + 64, 0, 1)) + b"\xff\x93" + bytes(64)
        for one in range(min(65_535, (-(-side // tile)) ** 2) if tile else 1)
    )
    frame = head + parts + b"\xff\xd9"
    body = _image(b"", side=side)[:-12] + _encapsulated(_item(b"") + _item(frame + bytes(len(frame) % 2)))
    return _dicom(_JPEG_2000, body)


def _marker(code: int, content: bytes) -> bytes:
    return bytes([0xFF, code]) + struct.pack(">H", 2 + len(content)) + content


def _many_elements(size: int, explicit: bool = False) -> bytes:
    one = struct.pack("<HH2sH", 0x0009, 0x1000, b"LO", 0) if explicit else struct.pack("<HHI", 0x0009, 0x1000, 0)
    return one * max(1, size // len(one))


def _dicom(syntax: str, body: bytes) -> bytes:
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    meta = struct.pack("<HH2sH", 2, 0x10, b"UI", len(value)) + value
    length = struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(meta))
    return bytes(128) + b"DICM" + length + meta + body


def _image(pixels: bytes, side: int = 64, implicit: bool = False) -> bytes:
    """Return the elements of a gray image of 8 bits; the last is its pixels."""
    values: list[tuple[int, int, bytes, bytes]] = [
        (0x0008, 0x0016, b"UI", b"1.2.840.10008.5.1.4.1.1.1.1\0"), (0x0008, 0x0060, b"CS", b"DX"),
        (0x0028, 0x0002, b"US", b"\1\0"), (0x0028, 0x0004, b"CS", b"MONOCHROME2 "),
        (0x0028, 0x0010, b"US", struct.pack("<H", side)), (0x0028, 0x0011, b"US", struct.pack("<H", side)),
        (0x0028, 0x0100, b"US", b"\x08\0"), (0x0028, 0x0101, b"US", b"\x08\0"), (0x0028, 0x0102, b"US", b"\7\0"),
        (0x0028, 0x0103, b"US", b"\0\0"),
    ]  # fmt: skip
    packed = [
        struct.pack("<HHI", group, element, len(value)) + value
        if implicit
        else struct.pack("<HH2sH", group, element, kind, len(value)) + value
        for group, element, kind, value in values
    ]
    return b"".join(packed) + _pixels(pixels, implicit)


def _pixels(content: bytes, implicit: bool = False) -> bytes:
    if implicit:
        return struct.pack("<HHI", 0x7FE0, 0x0010, len(content)) + content
    return struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, len(content)) + content


def _encapsulated(items: bytes) -> bytes:
    return struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF) + items + _SEQUENCE_END + bytes(4)


def _item(content: bytes) -> bytes:
    return _ITEM + struct.pack("<I", len(content)) + content


def _deflated(content: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def _tiff(
    width: int, height: int, codec: int, body: bytes, offsets: list[int], lengths: list[int], **more: object
) -> bytes:
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + _directory(
        width, height, codec, offsets, lengths, 8 + len(body), **more  # type: ignore[arg-type]
    )  # fmt: skip


def _directory(
    width: int, height: int, codec: int, offsets: list[int], lengths: list[int], at: int, photometric: int = 1,
    samples: int = 1, bits: int = 8, tile: tuple[int, int] | None = None,
) -> bytes:  # fmt: skip
    """Return a directory that will lie at an offset and names itself plus its length as the next."""
    where, count = (324, 325) if tile else (273, 279)
    entries = [(256, _LONG, [width]), (257, _LONG, [height]), (258, _SHORT, [bits]), (259, _SHORT, [codec]),
               (262, _SHORT, [photometric]), (277, _SHORT, [samples]), (where, _LONG, offsets), (count, _LONG, lengths)]  # fmt: skip
    if tile:
        entries += [(322, _LONG, [tile[0]]), (323, _LONG, [tile[1]])]
    elif len(offsets) > 1:
        entries.append((278, _LONG, [1]))
    start = at + 2 + 12 * len(entries) + 4
    packed, values = b"", b""
    for tag, kind, numbers in sorted(entries):
        one = struct.pack(f"<{len(numbers)}{'H' if kind == _SHORT else 'I'}", *numbers)
        if len(one) > 4:
            one, values = struct.pack("<I", start + len(values)), values + one
        packed += struct.pack("<HHI", tag, kind, len(numbers)) + one.ljust(4, b"\0")
    following = start + len(values) if len(offsets) == 1 and not tile else 0
    return struct.pack("<H", len(entries)) + packed + struct.pack("<I", following) + values


#: Name -> function from the file's size to its bytes.
DOCUMENTS: dict[str, Callable[[int], bytes]] = {
    "tiff/aliased-strips": tiff_aliased_strips,
    "tiff/bomb-strips": tiff_bomb_strips,
    "tiff/many-strips": tiff_many_strips,
    "tiff/pages": tiff_pages,
    "tiff/entries": tiff_entries,
    "tiff/jpeg-scans": tiff_jpeg_scans,
    "tiff/tile": tiff_tile,
    "tiff/fax": tiff_fax,
    "tiff/lzw": tiff_lzw,
    "dicom/elements": dicom_elements,
    "dicom/deflated-elements": dicom_deflated_elements,
    "dicom/deflated-blocks": dicom_deflated_blocks,
    "dicom/nested": dicom_nested,
    "dicom/items": dicom_items,
    "dicom/open-items": dicom_open_items,
    "dicom/many-values": dicom_many_values,
    "dicom/fragments": dicom_fragments,
    "dicom/run-lengths": dicom_run_lengths,
    "dicom/precincts": dicom_precincts,
    "dicom/layers": dicom_layers,
    "dicom/tiles": dicom_tiles,
    "dicom/blank-jpeg-2000": dicom_blank_jpeg_2000,
    "dicom/scans": dicom_scans,
}
