"""Attributes as devices write them: odd tags, and names in the character sets that DICOM knows.

Each case is what stands in the image, as bytes, and what a report must show of it. Expected names are written down or encoded
by Python's own codecs; nothing here asks the code under test.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian

_PRIVATE = 0x00091001


@dataclass(frozen=True)
class Case:
    """One image.

    Args:
        name: Of the case.
        tags: Keyword to the bytes that stand in the file; None leaves the attribute out.
        shown: Keyword to what the report must hold.
        representations: Keyword to a value representation other than the dictionary's.
        refused: The keyword that the refusal must name, where there can be no report.
    """

    name: str
    tags: dict[str, bytes | None] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)
    representations: dict[str, str] = field(default_factory=dict)
    refused: str | None = None


def _named(name: str, terms: str, value: bytes, expected: str) -> Case:
    tags = {"SpecificCharacterSet": terms.encode() or None, "PatientName": value}
    return Case(f"name: {name}", tags, {"PatientName": expected})


def _coded(name: str, terms: str, codec: str, text: str) -> Case:
    return _named(name, terms, text.encode(codec), text)


def _odd(keyword: str, value: bytes | None, expected: str, **representations: str) -> Case:
    shown = value[:20].decode("ascii", "backslashreplace") if value is not None else "missing"
    written = "".join(f" as {one}" for one in representations.values())
    return Case(f"{keyword}: {shown!r}{written}", {keyword: value}, {keyword: expected}, representations)


#: Names in every character set, with and without escape sequences, also wrongly declared or not at all.
CHARSETS = (
    _coded("Latin-1", "ISO_IR 100", "latin_1", "Müller^José"),
    _coded("Latin-2", "ISO_IR 101", "iso8859_2", "Wałęsa^Łukasz"),
    _coded("Latin-3", "ISO_IR 109", "iso8859_3", "Ġorġ^Ħal"),
    _coded("Latin-4", "ISO_IR 110", "iso8859_4", "Bērziņš^Ģirts"),
    _coded("Turkish", "ISO_IR 148", "iso8859_9", "Yılmaz^Çağrı"),
    _coded("Cyrillic", "ISO_IR 144", "iso8859_5", "Люкceмбypг^Пётр"),
    _coded("Arabic", "ISO_IR 127", "iso8859_6", "قباني^لنزار"),
    _coded("Greek", "ISO_IR 126", "iso8859_7", "Διονυσιος^Νικος"),
    _coded("Hebrew", "ISO_IR 138", "iso8859_8", "שרון^דבורה"),
    _coded("Thai", "ISO_IR 166", "tis_620", "เดช^สมชาย"),
    _coded("katakana", "ISO_IR 13", "shift_jis", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
    _coded("UTF-8", "ISO_IR 192", "utf-8", "Wang^XiaoDong=王^小东"),
    _coded("GB18030", "GB18030", "gb18030", "Wang^XiaoDong=王^小东"),
    _coded("GBK with ^ and \\ as second bytes", "GBK", "gbk", "醎^乗=王^鎈"),
    # DICOM PS3.5, annexes H, I and K.
    _named("kanji by escapes", "\\ISO 2022 IR 87",
           b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
           "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    _named("katakana and kanji by escapes", "ISO 2022 IR 13\\ISO 2022 IR 87",
           b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
           "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
    _named("kanji whose bytes are =", "\\ISO 2022 IR 87", b"Hide^Aki=\x1b$B=(\x1b(B^\x1b$B=)\x1b(B", "Hide^Aki=秀^秋"),
    _named("supplementary kanji", "\\ISO 2022 IR 159", b"A=" + "丂".encode("iso2022_jp_2"), "A=丂"),
    _named("Korean by escapes", "\\ISO 2022 IR 149",
           b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
           "Hong^Gildong=洪^吉洞=홍^길동"),
    _named("Chinese by escapes", "\\ISO 2022 IR 58", b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab",
           "Zhang^XiaoDong=张^小东"),
    _named("Cyrillic by escapes", "ISO 2022 IR 6\\ISO 2022 IR 144", b"Ivan=\x1b-L\xb8\xd2\xd0\xdd", "Ivan=Иван"),
    _named("Latin-1 by a misspelt term", "ISO-IR 100", "Müller".encode("latin_1"), "Müller"),
    _named("UTF-8 by a misspelt term", "utf-8", "Иванов^Пётр".encode(), "Иванов^Пётр"),
    _named("UTF-8 declared as Latin-1", "ISO_IR 100", "Иванов^Пётр".encode(), "Иванов^Пётр"),
    _named("UTF-8 declared as Cyrillic", "ISO_IR 144", "Роман^Жуков".encode(), "Роман^Жуков"),
    _named("UTF-8 undeclared", "", "王^小东".encode(), "王^小东"),
    _named("Latin-1 undeclared", "", "Müller".encode("latin_1"), "Müller"),
    _named("Latin-1 declared as UTF-8", "ISO_IR 192", "Müller".encode("latin_1"), "M<FC>ller"),
    _named("Korean by escapes, undeclared", "", b"Hong=\x1b$)C\xfb\xf3", "Hong=洪"),
    _named("Korean, the escape once alone", "\\ISO 2022 IR 149", b"Hong=\x1b$)C\xfb\xf3^\xd1\xce\xd4\xd7", "Hong=洪^吉洞"),
    _named("an unknown term", "ISO_IR 999", b"Doe^Jane", "Doe^Jane"),
    _named("no text at all", "ISO_IR 192", b"\xff\xfe\x81", "<FF><FE><81>"),
)  # fmt: skip

_LONG_ID = b"ID-" + b"7" * 77
_UTF8: dict[str, bytes | None] = {"SpecificCharacterSet": b"ISO_IR 192"}

#: Ordinary values that no standard foresees.
ODD = (
    Case("nothing odd", {}, {"PatientName": "Drawn^Phantom", "PatientID": "P1"}),
    *(_odd("PatientSex", value, expected) for value, expected in (
        (b"U", ""), (b"N", ""), (b"UNKNOWN", ""), (b"m", "M"), (b"Female", "F"), (b"F\\M", "F"), (b"1", ""), (b"", ""), (None, ""))),
    *(_odd("PatientBirthDate", value, expected) for value, expected in (
        (b"00000000", ""), (b"19700230", ""), (b"1970", ""), (b"1970.01.31", "19700131"), (b"1970-01-31", "19700131"),
        (b"19700101120000", "19700101"), (b"19700101\\19800101", "19700101"), (b"        ", ""), (b"unknown", ""), (b"99999999", ""))),
    *(_odd("StudyDate", value, expected) for value, expected in (
        (b"20260101", "20260101"), (b"20261301", ""), (b"2026/01/02", "20260102"), (b"01.02.2026", ""))),
    *(_odd("StudyTime", value, expected) for value, expected in (
        (b"12:00:00", "120000"), (b"12:30", "1230"), (b"24:00:00", ""), (b"1200", "1200"), (b"120000.1234567", "120000.123456"),
        (b"noon", ""), (b"235960", ""), (b"-1", ""), (b"12 00 00", ""))),
    *(_odd("PatientName", value, expected) for value, expected in (
        (b"One^A\\Two^B", "One^A"), (b"", ""), (None, ""), (b"^^^^", ""), (b"A" * 70, "A" * 64), (b"A^B^C^D^E^F^G", "A^B^C^D^E F G"),
        (b"A=B=C=D", "A=B=C"), (b"Line\r\nBreak", "Line Break"), (b"Tab\there", "Tab here"), (b"Nul\x00^x", "Nul^x"))),
    *(_odd("PatientID", value, expected) for value, expected in (
        (b"", ""), (None, ""), (b"A\\B", "A/B"), (b"  7 ", "7"), (b"\xc4\x81rz", "ārz"), (b"M\xfc1", "Mü1"), (b"\x83\x4c1", "<83>L1"),
        (_LONG_ID, _LONG_ID[:51].decode() + "~19cae83ff03e"))),
    *(_odd("AccessionNumber", value, expected) for value, expected in (
        (b"A" * 17, ""), (b"A1\\A2", "A1"), (b"A\n1", "A 1"), (None, ""))),
    *(_odd("StudyID", value, expected) for value, expected in ((b"1" * 40, ""), (b"S/1", "S/1"))),
    _odd("ReferringPhysicianName", b"Dr. A\\Dr. B", "Dr. A"),
    _odd("ReferringPhysicianName", b"A" * 200, "A" * 64),
    Case("a referring physician in UTF-8", _UTF8 | {"ReferringPhysicianName": "Доктор^Ж".encode()}, {"ReferringPhysicianName": "Доктор^Ж"}),
    Case("a study in UTF-8", _UTF8 | {"StudyDescription": "Грудь".encode(), "StudyID": "№7".encode(), "PatientID": "Ж-7".encode()},
         {"StudyDescription": "Грудь", "StudyID": "№7", "PatientID": "Ж-7"}),
    _odd("StudyDescription", b"x" * 200, "x" * 64),
    _odd("PatientName", b"Doe^Jane", "Doe^Jane", PatientName="LO"),
    _odd("PatientName", b"Doe^Jane", "Doe^Jane", PatientName="UN"),
    _odd("PatientName", b"Doe^Jane", "Doe^Jane", PatientName="OB"),
    _odd("PatientID", b"\x07\x00", "7", PatientID="US"),
    _odd("PatientBirthDate", b"19700131", "19700131", PatientBirthDate="LO"),
    _odd("PatientBirthDate", b"\x01\x00\x02\x00", "", PatientBirthDate="US"),
    _odd("PatientSex", b"M ", "M", PatientSex="SH"),
    _odd("StudyTime", b"\x00\x00\x80\x3f", "", StudyTime="FL"),
    Case("private garbage", {"private": b"\xff\xfe\x00\xe0\x00"}, {"PatientID": "P1"}),
    Case("body part in small letters", {"BodyPartExamined": b"chest"}, {"PatientID": "P1"}),
    Case("body part in words", {"BodyPartExamined": "Грудная клетка".encode()}, {"PatientID": "P1"}),
    Case("orientation of one value", {"PatientOrientation": b"L"}, {"PatientID": "P1"}),
    _odd("TimezoneOffsetFromUTC", b"+0100", "+0100"),
    Case("a zone that is none", {"TimezoneOffsetFromUTC": b"CET"}, {"PatientID": "P1"}),
    *(Case(f"{keyword} {why}", {keyword: value}, refused=keyword)
      for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
      for why, value in (("missing", None), ("in letters", b"STUDY-1"), ("too long", b"1." + b"2" * 63), ("with two dots", b"1..2"))),
)  # fmt: skip

CASES = CHARSETS + ODD


def image(case: Case, number: int = 0) -> bytes:
    """Return the DICOM file of a case: a small CR image of random gray values; `number` sets its UIDs.

    It is written here byte by byte, because a library would repair what it writes.
    """
    pixels = np.random.default_rng(number).integers(0, 256, (120, 100), dtype=np.uint8)
    instance = f"1.2.826.0.1.3680043.8.498.1.{number}.3"
    elements: dict[str, bytes | None] = {
        "SOPClassUID": ComputedRadiographyImageStorage.encode(), "SOPInstanceUID": instance.encode(),
        "StudyInstanceUID": instance.encode() + b".1", "SeriesInstanceUID": instance.encode() + b".2",
        "PatientName": b"Drawn^Phantom", "PatientID": b"P1", "Modality": b"CR", "BodyPartExamined": b"CHEST",
        "ViewPosition": b"PA", "PhotometricInterpretation": b"MONOCHROME2",
        "SamplesPerPixel": _short(1), "Rows": _short(120), "Columns": _short(100), "BitsAllocated": _short(8),
        "BitsStored": _short(8), "HighBit": _short(7), "PixelRepresentation": _short(0), "PixelData": pixels.tobytes(),
    }  # fmt: skip
    meta = _element(0x00020002, "UI", ComputedRadiographyImageStorage.encode())
    meta += _element(0x00020003, "UI", instance.encode()) + _element(0x00020010, "UI", ExplicitVRLittleEndian.encode())
    written = {}
    for keyword, value in (elements | case.tags).items():
        tag = _PRIVATE if keyword == "private" else tag_for_keyword(keyword) or 0
        standard = "UN" if keyword == "private" else "OB" if keyword == "PixelData" else dictionary_VR(tag)
        if value is not None:
            written[tag] = _element(tag, case.representations.get(keyword, standard), value)
    group_length = _element(0x00020000, "UL", struct.pack("<L", len(meta)))
    return bytes(128) + b"DICM" + group_length + meta + b"".join(written[tag] for tag in sorted(written))


def _element(tag: int, representation: str, value: bytes) -> bytes:
    """Return an element in Explicit VR Little Endian (DICOM PS3.5, 7.1.2)."""
    if len(value) % 2:
        value += b"\0" if representation in ("UI", "UN", "OB") else b" "
    long = representation in ("OB", "UN")
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, representation.encode())
    return head + (struct.pack("<HL", 0, len(value)) if long else struct.pack("<H", len(value))) + value


def _short(value: int) -> bytes:
    return struct.pack("<H", value)
