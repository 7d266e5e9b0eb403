"""Whether a file is a DICOM file, by its first bytes and without pydicom."""

from __future__ import annotations

from collections.abc import Iterator

#: Bytes of a file's beginning that are enough to recognize it.
HEAD = 4096

_PREFIX = slice(128, 132)
_MEDIA_STORAGE_CLASS, _SOP_CLASS = (0x0002, 0x0002), (0x0008, 0x0016)
# Each class of DICOM objects has a number below the standard's own root.
_STANDARD_ROOT = b"1.2.840.10008."
_DIRECTORY_CLASS = b"1.2.840.10008.1.3.10"
# PS3.5, table 7.1-1: value representations whose length field has 4 bytes, and those where it has 2.
_LONG = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_SHORT = frozenset((b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH",
                    b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"))  # fmt: skip


def is_dicom(data: bytes) -> bool:
    """Whether the bytes of a file, or its first HEAD bytes, begin a DICOM file.

    Files of PS3.10 have "DICM" behind a preamble of 128 bytes. Files without one, as old archives hold, are taken for
    DICOM only if they begin with well-formed elements that lead to the class of a DICOM object.
    """
    return data[_PREFIX] == b"DICM" or _object_class(data, 0).startswith(_STANDARD_ROOT)


def is_dicomdir(data: bytes) -> bool:
    """Whether a DICOM file is the index of a medium (DICOMDIR), which holds no image."""
    start = 132 if data[_PREFIX] == b"DICM" else 0
    return _object_class(data, start).rstrip(b"\0 ") == _DIRECTORY_CLASS


def _object_class(data: bytes, start: int) -> bytes:
    """Return the class of the object whose elements begin at `start`; empty where there is none."""
    for tag, value in _elements(data[:HEAD], start):
        if tag in (_MEDIA_STORAGE_CLASS, _SOP_CLASS):
            return value
    return b""


def _elements(data: bytes, at: int) -> Iterator[tuple[tuple[int, int], bytes]]:
    """Yield (tag, value) of the elements at the beginning of a data set, while they are well-formed and in order."""
    last = (0x0002, -1)
    while at + 8 <= len(data):
        tag = (int.from_bytes(data[at : at + 2], "little"), int.from_bytes(data[at + 2 : at + 4], "little"))
        kind = data[at + 4 : at + 6]
        if kind in _LONG:
            header, length = 12, int.from_bytes(data[at + 8 : at + 12], "little")
        elif kind in _SHORT:
            header, length = 8, int.from_bytes(data[at + 6 : at + 8], "little")
        else:  # without value representation, as in the old transfer syntax
            header, length = 8, int.from_bytes(data[at + 4 : at + 8], "little")
        at += header
        if tag <= last or tag > _SOP_CLASS or length > len(data) - at:
            return
        yield tag, data[at : at + length]
        last = tag
        at += length
