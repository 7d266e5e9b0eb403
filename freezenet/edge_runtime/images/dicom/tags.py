"""Values of tags, and how a sentence names a tag."""

from __future__ import annotations

import math
from typing import Any

from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag

from freezenet.edge_runtime.errors import DataError

# No measured value is larger; products of such numbers stay finite.
_LARGEST = 1e15
# Longer values are no codes, and a sentence should stay one.
_SHOWN = 40


def numbered(keyword: str) -> BaseTag:
    """Return the number of a tag."""
    return Tag(tag_for_keyword(keyword) or 0)


def named(keyword: str) -> str:
    """Return a tag's number and name, e.g. "(0008,0060) 'Modality'"."""
    tag = numbered(keyword)
    return f"{tag} '{dictionary_description(tag)}'"


def shown(value: object) -> str:
    """Return a value as a sentence quotes it; "none" where there is none."""
    return "none" if value is None else repr(str(value)[:_SHOWN])


def first(data: Dataset, keyword: str) -> Any:
    """Return the first value of a tag, or None where it is missing or empty."""
    value = next(iter(_several(data, keyword, 1)), None)
    return None if value is None or value == "" else value


def texts(data: Dataset, keyword: str) -> list[str]:
    """Return the values of a tag without surrounding blanks; at most eight."""
    return [str(value).strip("\0 ") for value in _several(data, keyword, 8)]


def _several(data: Dataset, keyword: str, most: int) -> list[Any]:
    try:
        value = data.get(keyword)
        if isinstance(value, MultiValue | Sequence):
            return [value[at] for at in range(min(most, len(value)))]
    except Exception:  # a damaged value may break its converter anywhere
        raise DataError(
            f"A valid {named(keyword)} is required. Got: a value that cannot be read; export the image again."
        ) from None
    return [] if value is None else [value]


def text(data: Dataset, keyword: str) -> str | None:
    """Return a code or name without surrounding blanks, or None where there is none."""
    value = first(data, keyword)
    return None if value is None else str(value).strip("\0 ") or None


def number(data: Dataset, keyword: str) -> float | None:
    """Return a finite number, or None where there is none."""
    value = first(data, keyword)
    if value is None:
        return None
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not abs(found) <= _LARGEST:
        raise DataError(f"A number in {named(keyword)} is required. Got: {shown(value)}; export the image again.")
    return found


def integer(data: Dataset, keyword: str, default: int | None = None) -> int:
    """Return a whole number; `default`, or DataError where that is None, where there is none."""
    value = number(data, keyword)
    if value is None:
        if default is None:
            raise DataError(f"{named(keyword)} is required. Got: none; export the image again.")
        return default
    if value != int(value):
        raise DataError(f"A whole number in {named(keyword)} is required. Got: {value}; export the image again.")
    return int(value)


def item(data: Dataset, keyword: str) -> Dataset | None:
    """Return the first item of a sequence, or None where there is none."""
    found = first(data, keyword)
    return found if isinstance(found, Dataset) else None
