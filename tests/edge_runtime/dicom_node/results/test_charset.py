"""Names in every character set against what Python's own codecs encoded, and the rule for bytes that are no text."""

from __future__ import annotations

import pytest

from freezenet.edge_runtime.dicom_node.results.charset import Charset
from freezenet.edge_runtime.system.chatter import without_pydicom_warnings
from studies.stress.dicom_corpus import CHARSETS


def decode(terms: str, value: bytes):
    with without_pydicom_warnings():
        return Charset.from_terms(terms.split("\\")).decode(value)


@pytest.mark.parametrize("case", CHARSETS, ids=lambda case: case.name)
def test_a_name_is_what_was_encoded(case):
    terms = (case.tags["SpecificCharacterSet"] or b"").decode()
    assert decode(terms, case.tags["PatientName"]).text == case.shown["PatientName"]


@pytest.mark.parametrize("terms", ["", "ISO_IR 6", "ISO_IR 100", "ISO_IR 144", "ISO_IR 192", "GB18030", "ISO_IR 999"])
def test_ascii_is_never_in_doubt(terms):
    assert decode(terms, b"Doe^Jane").doubt is None


@pytest.mark.parametrize(
    ("terms", "value", "doubt"),
    [
        ("", "Иванов".encode(), "has no declared character set and was read as UTF-8"),
        ("", "Müller".encode("latin_1"), "has no declared character set and was read as Latin-1"),
        ("ISO_IR 100", "Иванов".encode(), "is not text in the declared character set and was read as UTF-8"),
        ("", b"\x1b$)C\xfb\xf3", "has no declared character set and was read by its escape sequences"),
        ("ISO_IR 192", b"\xff", "is not text in the declared character set; its bytes stand as <XX>"),
    ],
)
def test_what_was_guessed_is_said(terms, value, doubt):
    assert decode(terms, value).doubt == doubt


@pytest.mark.parametrize(
    "terms", ["", "ISO_IR 100", "ISO_IR 144", "ISO_IR 192", "ISO_IR 13", "GB18030", "\\ISO 2022 IR 87"]
)
def test_different_bytes_stay_different_and_become_text(terms):
    """Of all pairs of one letter and one byte: what a patient's identifier must never lose."""
    found = [decode(terms, b"ID" + bytes([one]) + b"7").text for one in range(0x80, 0x100)]
    assert len(set(found)) == len(found)
    for text in found:
        assert text.encode()
        assert not any(0x80 <= ord(sign) < 0xA0 for sign in text)


@pytest.mark.parametrize(
    ("terms", "codec", "text"),
    [
        ("ISO_IR 166", "tis_620", "เดช"),
        ("ISO_IR 166", "tis_620", "เกม"),
        ("ISO_IR 144", "iso8859_5", "ТА"),
        ("ISO_IR 126", "iso8859_7", "Διον"),
        ("ISO_IR 138", "iso8859_8", "שרון"),
        ("ISO_IR 127", "iso8859_6", "قباني"),
    ],
)
def test_what_happens_to_be_utf_8_is_read_as_declared(terms, codec, text):
    assert decode(terms, text.encode(codec)).text == text
