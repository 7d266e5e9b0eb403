"""Make a value one that a result may carry: DICOM PS3.5, 6.2 (value representations) and PS3.3, C.7 (what is allowed).

Each function takes the values that stand in the image and returns what the result carries, "" for nothing, and what was done
to it, None where it was taken as it is. What was done is told without the value, which may be the patient's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from datetime import date

Repaired = tuple[str, str | None]
Repair = Callable[[Sequence[str]], Repaired]

#: Longest value in characters: LO and each group of a name; SH and CS.
LONG, SHORT = 64, 16
_DIGITS_OF_HASH = 12
_NO_TEXT = re.compile(r"[\x00-\x1f\x7f\ufeff\ud800-\udfff]+")
_DATE = re.compile(r"(\d{4})[-./]?(\d\d)[-./]?(\d\d)(?:\d{2,6}(?:\.\d*)?(?:[+-]\d{4})?)?", re.ASCII)
_TIME = re.compile(r"(\d\d)(?::?(\d\d)(?::?(\d\d)(?:\.(\d{1,6})\d*)?)?)?", re.ASCII)
_CODE = re.compile(r"[A-Z0-9 _]{1,16}")
_DIRECTION = re.compile(r"[AFHLPR]{1,3}")
_ZONE = re.compile(r"[+-](?:0\d|1[0-4])[0-5]\d", re.ASCII)
_SEXES = {"M": "M", "F": "F", "O": "O", "MALE": "M", "FEMALE": "F", "OTHER": "O"}
_EMPTY: Repaired = ("", None)


def name(values: Sequence[str]) -> Repaired:
    """Return a person's name: up to three groups of up to five components, LONG characters each."""
    text, done = _single(values)
    groups = text.split("=")
    kept = []
    for group in groups[:3]:
        parts = [_clean(part) for part in group.split("^")]
        whole = "^".join([*parts[:4], " ".join(parts[4:])] if len(parts) > 5 else parts).rstrip("^ ")
        kept.append(whole[:LONG].rstrip("^ "))
        if len(parts) > 5 or len(whole) > LONG:
            done = done or "is longer than a name may be and was shortened"
    if len(groups) > 3:
        done = done or "has more than three groups; the first three were taken"
    return "=".join(kept).rstrip("="), done


def identifier(values: Sequence[str]) -> Repaired:
    """Return the patient's identifier, which is never lost: one that is too long keeps its beginning and gets its hash."""
    text = _clean("/".join(values))
    done = f"has {len(values)} values, which were joined" if len(values) > 1 else None
    if len(text) > LONG:
        digits = hashlib.sha256(text.encode()).hexdigest()[:_DIGITS_OF_HASH]
        return (
            f"{text[: LONG - _DIGITS_OF_HASH - 1]}~{digits}",
            f"is longer than {LONG} characters; its end is now its hash",
        )
    return text, done


def number(most: int) -> Repair:
    """Return the rule for the number of something, half of which would be another's: it is whole or left out."""

    def rule(values: Sequence[str]) -> Repaired:
        text, done = _single(values)
        text = _clean(text)
        return ("", f"is longer than {most} characters and was left out") if len(text) > most else (text, done)

    return rule


def description(values: Sequence[str]) -> Repaired:
    """Return a text of LONG characters at most."""
    text, done = _single(values)
    text = _clean(text)
    return (text[:LONG].rstrip(), f"is longer than {LONG} characters and was cut") if len(text) > LONG else (text, done)


def day(values: Sequence[str]) -> Repaired:
    """Return a day as YYYYMMDD, also of one with dots, dashes or the time behind it."""
    for text in values:
        found = _DATE.fullmatch(text)
        try:
            told = date(*map(int, found.groups())).strftime("%Y%m%d").zfill(8) if found else ""
        except ValueError:
            told = ""
        if told:
            return told, None if [told] == list(values) else "is not written as DICOM asks and was rewritten"
    return ("", "is no date and was left out") if any(values) else _EMPTY


def time_of_day(values: Sequence[str]) -> Repaired:
    """Return a time as HHMMSS.FFFFFF, or its beginning, also of one with colons."""
    for text in values:
        found = _TIME.fullmatch(text)
        if found is None:
            continue
        hour, minute, second, fraction = found.groups()
        if int(hour) < 24 and int(minute or 0) < 60 and int(second or 0) < 60:
            told = hour + (minute or "") + (second or "") + (f".{fraction}" if fraction else "")
            return told, None if [told] == list(values) else "is not written as DICOM asks and was rewritten"
    return ("", "is no time and was left out") if any(values) else _EMPTY


def sex(values: Sequence[str]) -> Repaired:
    """Return M, F or O."""
    text, done = _single(values)
    known = _SEXES.get(text.strip().upper(), "")
    if not known:
        return ("", "is none of M, F and O and was left out") if text else (known, done)
    return known, done if known == text else "is not written as DICOM asks and was rewritten"


def code(values: Sequence[str]) -> Repaired:
    """Return a code of capitals, digits, blanks and underscores."""
    text, done = _single(values)
    capitals = text.upper()
    if not text:
        return "", done
    if not _CODE.fullmatch(capitals):
        return "", "is no code of 16 capitals and digits and was left out"
    return capitals, done if capitals == text else "is not written as DICOM asks and was rewritten"


def orientation(values: Sequence[str]) -> Repaired:
    """Return the directions of rows and columns, with a backslash between."""
    capitals = [value.upper() for value in values]
    if len(capitals) == 2 and all(_DIRECTION.fullmatch(one) for one in capitals):
        return "\\".join(capitals), None if capitals == list(
            values
        ) else "is not written as DICOM asks and was rewritten"
    return ("", "is no pair of directions and was left out") if any(values) else _EMPTY


def zone(values: Sequence[str]) -> Repaired:
    """Return the distance to UTC as +HHMM."""
    text, done = _single(values)
    if _ZONE.fullmatch(text):
        return text, done
    return ("", "is no distance to UTC and was left out") if text else _EMPTY


def _single(values: Sequence[str]) -> Repaired:
    """Return the first value that says something."""
    if len(values) > 1:
        return next((one for one in values if one), ""), f"has {len(values)} values; the first was taken"
    return (values[0], None) if values else _EMPTY


def _clean(text: str) -> str:
    """Return a text on one line, without what is no sign."""
    return _NO_TEXT.sub(" ", text).replace("\\", "/").strip()
