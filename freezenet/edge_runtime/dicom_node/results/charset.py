"""Text of any DICOM character set, also where the file declares the wrong one or none.

In this order, and everything but the first is a remark (DICOM PS3.5, 6.1.2; PS3.3, C.12.1.1.2):

1. as declared in (0008,0005) 'Specific Character Set';
2. as UTF-8, where the bytes are that and the declaration does not explain them: they are no text in it; it is none or a
   Latin one, in which the bytes of UTF-8 are letters that no name has next to each other; or it is another single-byte
   one, and the UTF-8 holds letters of that one's alphabet only;
3. with all escape sequences that the standard knows, where there is an escape sequence;
4. as Latin-1, which archives assume too, where nothing is declared;
5. what then is no text is written as its byte, such as <9F>, so that nothing is lost and different values stay different.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydicom.charset import CODES_TO_ENCODINGS, convert_encodings, decode_bytes, python_encoding

#: What ends an escape sequence's effect in a name (PS3.5, 6.1.2.5.3).
_DELIMITERS = frozenset(b"^=\\\r\n\f\t")
_ESCAPE = 0x1B
_ASCII = "ascii"
_LATIN = frozenset({_ASCII, "latin_1", "iso8859_2", "iso8859_3", "iso8859_4", "iso_ir_148"})
#: The other single-byte encodings.
_ALPHABETS = frozenset({"iso_ir_126", "iso_ir_127", "iso_ir_138", "iso_ir_144", "iso_ir_166"})
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ufffd\ud800-\udfff]")
_ALL = [_ASCII, *dict.fromkeys(CODES_TO_ENCODINGS.values())]


@dataclass(frozen=True)
class Decoded:
    """A text, and why it may differ from what was meant, or None."""

    text: str
    doubt: str | None = None


@dataclass(frozen=True)
class Charset:
    """What (0008,0005) 'Specific Character Set' of an image says.

    Args:
        encodings: Python's names in the order of the declaration, ASCII where nothing is declared.
        declared: Whether a character set that is known is declared.
    """

    encodings: tuple[str, ...]
    declared: bool

    @classmethod
    def from_terms(cls, terms: list[str]) -> Charset:
        """Read the defined terms; common misspellings are understood, unknown terms are left out."""
        terms = [" ".join(term.strip("\0 ").upper().split()) for term in terms]
        terms = [re.sub(r"^ISO[ _-]?IR[ _-]?(?=\d)", "ISO_IR ", term) for term in terms]
        terms = [re.sub(r"^ISO[ _-]?2022[ _-]?IR[ _-]?(?=\d)", "ISO 2022 IR ", term) for term in terms]
        terms = [{"UTF-8": "ISO_IR 192", "UTF8": "ISO_IR 192", "UTF_8": "ISO_IR 192"}.get(term, term) for term in terms]
        known = [term for term in terms if term in python_encoding]
        # Not the default's Latin-1: what is not declared shall be noticed.
        found = [
            _ASCII if python_encoding[term] == python_encoding[""] else encoding
            for term, encoding in zip(known, convert_encodings(known or [""]), strict=False)
        ]
        # A set that does not allow code extensions stands alone (PS3.3, C.12.1.1.2).
        alone = [one for one in found if one in ("UTF8", "GB18030", "GBK")]
        encodings = tuple(alone[:1] or found or [_ASCII])
        return cls(encodings, any(one != _ASCII for one in encodings))

    def decode(self, value: bytes) -> Decoded:
        """Return the text of a value."""
        if value.isascii() and _ESCAPE not in value:
            return Decoded(value.decode(_ASCII))
        said = _decoded(value, list(self.encodings))
        if said is not None and not self._mistaken(value):
            return Decoded(said)
        doubt = "is not text in the declared character set" if self.declared else "has no declared character set"
        if _is_utf8(value):
            return Decoded(value.decode(), f"{doubt} and was read as UTF-8")
        if _ESCAPE in value:
            for encodings, delimiters in ((list(self.encodings), False), (_ALL, True), (_ALL, False)):
                extended = _decoded(value, encodings, delimiters)
                if extended is not None:
                    return Decoded(extended, f"{doubt} and was read by its escape sequences")
        if not self.declared:
            latin = value.decode("latin_1")
            how = "was read as Latin-1"
            if _CONTROL.search(latin):
                how += ", with bytes that are no text as <XX>"
            return Decoded(_bytes_shown(latin), f"{doubt} and {how}")
        return Decoded(_replaced(value, self.encodings[0]), f"{doubt}; its bytes stand as <XX>")

    def _mistaken(self, value: bytes) -> bool:
        """Whether a value that is text as declared is rather UTF-8."""
        first = self.encodings[0]
        return _is_utf8(value) and (first in _LATIN or (first in _ALPHABETS and _has(first, value.decode())))


def _decoded(value: bytes, encodings: list[str], delimiters: bool = True) -> str | None:
    """Return the text by pydicom's rules; None where a byte is none."""
    try:
        text = decode_bytes(value, encodings, set(_DELIMITERS) if delimiters else set())
    except (LookupError, ValueError):
        return None
    # pydicom leaves this one in.
    text = text.replace("\x1b$)A", "") if "iso_ir_58" in encodings else text
    return None if _CONTROL.search(text.rstrip("\0")) else text


def _is_utf8(value: bytes) -> bool:
    if value.isascii():
        return False
    try:
        return _CONTROL.search(value.decode().rstrip("\0")) is None
    except UnicodeDecodeError:
        return False


def _has(encoding: str, text: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _replaced(value: bytes, encoding: str) -> str:
    """Return the text with each byte that is none as <XX>."""
    text, rest = "", value
    while rest:
        try:
            return _bytes_shown(text + rest.decode(encoding))
        except UnicodeDecodeError as error:
            text += rest[: error.start].decode(encoding, "ignore") + f"<{rest[error.start]:02X}>"
            rest = rest[error.start + 1 :]
    return _bytes_shown(text)


def _bytes_shown(text: str) -> str:
    """Write what is no sign of a text as its number."""
    return _CONTROL.sub(lambda found: f"<{ord(found[0]):02X}>", text)
