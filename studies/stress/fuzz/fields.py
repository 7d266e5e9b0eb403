"""Where the numbers stand that a reader trusts: sizes, lengths, types and markers in the header of each format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from studies.stress.fuzz import png


class Field(NamedTuple):
    """A whole number of `size` bytes at `at`."""

    at: int
    size: int
    order: Literal["little", "big"]


def fields(data: bytes) -> list[Field]:
    """Return the header fields of a file, by what its first bytes say; none for another format or a broken one."""
    found = (_fields_of(data),) if data else ()
    return [field for one in found for field in one if field.at + field.size <= len(data)]


def _fields_of(data: bytes) -> Iterator[Field]:
    if data[:2] == b"\xff\xd8":
        return _jpeg(data)
    if data.startswith(png.SIGNATURE):
        return _png(data)
    if data[:2] in (b"II", b"MM"):
        return _tiff(data)
    if data[:2] == b"BM":
        return iter(
            [
                *(Field(at, 4, "little") for at in (2, 10, 14, 18, 22, 30, 34, 46, 50)),
                Field(26, 2, "little"),
                Field(28, 2, "little"),
            ]
        )
    if data[:4] == b"RIFF":
        return _webp(data)
    if data[128:132] == b"DICM":
        return _dicom(data)
    if data[4:8] == b"TFL3":
        return _zip(data)
    return iter(())


def _jpeg(data: bytes) -> Iterator[Field]:
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        yield Field(at + 1, 1, "big")
        yield Field(at + 2, 2, "big")
        if data[at + 1] in (0xC0, 0xC1, 0xC2):
            yield from (Field(at + 5, 2, "big"), Field(at + 7, 2, "big"))
            yield from (Field(at + offset, 1, "big") for offset in (4, *range(9, length + 2)))
        else:
            yield from (Field(at + offset, 1, "big") for offset in range(4, min(length + 2, 24)))
        if data[at + 1] == 0xDA:
            return
        at += 2 + length


def _png(data: bytes) -> Iterator[Field]:
    at = len(png.SIGNATURE)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        yield Field(at, 4, "big")
        if data[at + 4 : at + 8] == b"IHDR":
            yield from (Field(at + 8, 4, "big"), Field(at + 12, 4, "big"))
            yield from (Field(at + offset, 1, "big") for offset in range(16, 21))
        else:
            yield from (Field(at + 8 + offset, 1, "big") for offset in range(min(length, 16)))
        at += 12 + length


def _tiff(data: bytes) -> Iterator[Field]:
    order: Literal["little", "big"] = "little" if data[:1] == b"I" else "big"
    big = int.from_bytes(data[2:4], order) == 43
    pointer, count, entry = (8, 8, 20) if big else (4, 2, 12)
    at = int.from_bytes(data[pointer : pointer * 2], order)
    yield from (Field(2, 2, order), Field(pointer, pointer, order), Field(at, count, order))
    entries = min(int.from_bytes(data[at : at + count], order), 64)
    for start in range(at + count, at + count + entries * entry, entry):
        yield from (Field(start, 2, order), Field(start + 2, 2, order))
        yield from (Field(start + 4, pointer, order), Field(start + 4 + pointer, pointer, order))


def _webp(data: bytes) -> Iterator[Field]:
    yield Field(4, 4, "little")
    at = 12
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        yield Field(at + 4, 4, "little")
        yield from (Field(at + 8 + offset, 1, "little") for offset in range(min(length, 16)))
        at += 8 + length + length % 2


def _dicom(data: bytes) -> Iterator[Field]:
    """Elements with explicit VR in little endian, which the file meta group always has (PS3.5, section 7.1.2)."""
    at = 132
    while at + 8 <= len(data):
        long = data[at + 4 : at + 6] in (b"OB", b"OW", b"OF", b"SQ", b"UN", b"UT", b"UC", b"UR", b"OD", b"OL")
        start, size = (at + 8, 4) if long else (at + 6, 2)
        length = int.from_bytes(data[start : start + size], "little")
        yield from (Field(at, 2, "little"), Field(at + 2, 2, "little"), Field(at + 4, 2, "little"))
        yield from (Field(start, size, "little"), Field(start + size, 2, "little"))
        at = start + size + length


def _zip(data: bytes) -> Iterator[Field]:
    """The end record and the central directory's entries (PKWARE APPNOTE, 4.3.12 and 4.3.16)."""
    end = data.rfind(b"PK\5\6")
    yield from (Field(end + offset, 2, "little") for offset in (4, 6, 8, 10, 20))
    yield from (Field(end + offset, 4, "little") for offset in (12, 16))
    at = data.find(b"PK\1\2")
    while at >= 0:
        yield from (Field(at + offset, 2, "little") for offset in (6, 8, 10, 28, 30, 32))
        yield from (Field(at + offset, 4, "little") for offset in (16, 20, 24, 42))
        at = data.find(b"PK\1\2", at + 4)
