"""Bands of the numbers in a column, so that a group of images is not one of each number: ages by years, other numbers by quarters."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import numpy as np

UNKNOWN = "(unknown)"
#: Names of the column that holds ages, in small letters without what stands between letters.
AGE_COLUMNS = frozenset({"age", "patientage", "patientsage", "ageyears", "ageinyears", "ageatexam", "ageatstudy"})
#: A column with more different numbers than this is cut into bands, one of ages always.
_MOST_VALUES = 8
#: From this age on a person belongs to the next band.
_AGES = (18, 40, 65)
#: Units of DICOM's Age String (PS3.5, 6.2): how many of them are a year.
_OF_A_YEAR = {"": 1.0, "y": 1.0, "m": 12.0, "w": 365.25 / 7, "d": 365.25}


def banded(name: str, cells: Sequence[str]) -> list[str]:
    """Return the group of each cell: the band of a number where there are more than a few, and else the cell itself.

    Args:
        name: of the column; numbers in one of AGE_COLUMNS are cut at 18, 40 and 65 years, others into quarters.
        cells: what is no number is a group of its own, and what is empty is UNKNOWN.
    """
    of_ages = re.sub(r"[^a-z]", "", name.casefold()) in AGE_COLUMNS
    numbers = [years(cell) if of_ages else _number(cell) for cell in cells]
    known = [one for one in numbers if one is not None]
    if not known or (not of_ages and len(set(known)) <= _MOST_VALUES):
        return [cell or UNKNOWN for cell in cells]
    edges = _AGES if of_ages else np.quantile(known, (0.25, 0.5, 0.75))
    names = [
        f"under {edges[0]:g}",
        *(f"{low:g} to under {high:g}" for low, high in itertools.pairwise(edges)),
        f"{edges[-1]:g} and more",
    ]
    return [
        cell or UNKNOWN if one is None else names[int(np.searchsorted(edges, one, side="right"))]
        for cell, one in zip(cells, numbers, strict=True)
    ]


def years(cell: str) -> float | None:
    """Return an age in years, written as a number or as in DICOM: 45, 045Y, 018M (months), 003W, 010D; None where it is none."""
    written = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([YMWD]?)", cell.strip(), re.IGNORECASE)
    return float(written[1]) / _OF_A_YEAR[written[2].lower()] if written else None


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if np.isfinite(value) else None
