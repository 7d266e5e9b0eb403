"""One person under one name: spellings that programs make of an identifier, and file names that hold the patient."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from freezenet.train.data.dataset import Dataset

#: 12 as spreadsheets and data frames write it: 12.0, 0012.
_NUMBER = re.compile(r"0*(\d+)(?:\.0*)?")
#: ChestX-ray14 of the NIH: patient (up to 00030805) and number of the image; a date does not begin with three zeros.
_NIH = re.compile(r"(000[0-3]\d{4})_\d{3}")
_SHOWN = 3


def spelling_key(name: str) -> str:
    """Return what is equal for two spellings of one identifier: capitals, spaces, leading zeros and `.0` aside."""
    plain = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
    number = _NUMBER.fullmatch(plain)
    return number.group(1) if number else plain


def other_spellings(names: Iterable[str]) -> dict[str, str]:
    """Return spelling -> the spelling of the same identifier that came first; nothing for names that are written one way."""
    first: dict[str, str] = {}
    return {
        name: known for name in dict.fromkeys(names) if (known := first.setdefault(spelling_key(name), name)) != name
    }


def spelling_note(what: str, others: dict[str, str]) -> str:
    """Return the sentence about `other_spellings`. what: they are, in the singular."""
    pairs = [f"{first!r} and {name!r}" for name, first in list(others.items())[:_SHOWN]]
    more = f", and {len(others) - len(pairs)} more pairs" if len(others) > len(pairs) else ""
    return f"Written two ways and taken for one {what} each: {', '.join(pairs)}{more}."


def with_nih_patients(dataset: Dataset) -> Dataset:
    """Fill in the patients that file names like 00002658_001.png tell, where the data does not name them."""
    found = {
        sample.file: name.group(1)
        for sample in dataset.samples
        if sample.patient == sample.file and (name := _NIH.fullmatch(Path(sample.file).stem))
    }
    if not found:
        return dataset
    samples = tuple(replace(one, patient=found.get(one.file, one.patient)) for one in dataset.samples)
    note = (
        f"The patients of {len(found)} images are read from their names, which are those of the NIH's ChestX-ray14 "
        "(00002658_001.png is patient 00002658)."
    )
    return replace(dataset, samples=samples, has_patients=True, notes=(*dataset.notes, note))
