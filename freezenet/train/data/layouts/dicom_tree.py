"""A tree of DICOM files, as a hospital exports it by patient and study, with a CSV of the classes in the folder.

The CSV has the column `class`, one of the columns of KEYS that says which images a row is about, and optionally
`source,split,fold`. A tree whose first folders are the classes needs no CSV: `freezenet.train.data.layouts.class_folders` reads it.
"""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.inputs import images_below
from freezenet.train.data.dataset import Dataset, Sample
from freezenet.train.data.layouts import csv_table
from freezenet.train.data.layouts.dicom_header import is_dicom_file, read_headers

NAME = "a tree of DICOM files with one CSV of class and file, patient_id, AccessionNumber or a UID in its first folder"

#: Column of the CSV -> keyword of the tag that it is compared with; the first that the CSV has.
KEYS = {"SOPInstanceUID": "SOPInstanceUID", "SeriesInstanceUID": "SeriesInstanceUID", "StudyInstanceUID": "StudyInstanceUID",
        "AccessionNumber": "AccessionNumber", "PatientID": "PatientID", "patient_id": "PatientID"}  # fmt: skip

# Exports may hold a preview of each study beside its DICOM files.
_LOOKED_AT = 20


def recognizes(path: Path) -> bool:
    """Whether the folder holds exactly one CSV of classes, and images that are DICOM."""
    first = islice(images_below(str(path)), _LOOKED_AT)
    return len(_tables(path)) == 1 and any(is_dicom_file(Path(image)) for image in first)


def read(path: Path) -> Dataset:
    """Read the images that the CSV gives a class; others are left out and counted."""
    (table,) = _tables(path)
    columns, rows = csv_table.read_rows(table)
    if "file" in columns:
        return csv_table.read(table)
    column = next(name for name in KEYS if name in columns)
    by_key = _by_key(rows, column, table)
    images = [Path(image) for image in images_below(str(path))]
    headers = read_headers(images, (KEYS[column],))
    keys = [header.get(KEYS[column], "") for header in headers]
    samples = [
        Sample(file, row["class"], file, row.get("source") or "", csv_table.split_of(row, table), row.get("fold") or "")
        for image, key in zip(images, keys, strict=True)
        if key in by_key
        for file, row in [(str(image.relative_to(path)), by_key[key])]
    ]
    if not samples:
        raise DataError(
            f"DICOM files with a {KEYS[column]} of the column {column} in {table.name} are required. Got: none among {len(images)}."
        )
    return Dataset(path, tuple(samples), has_patients=False, notes=_notes(table, column, keys, by_key))


def _tables(path: Path) -> list[Path]:
    """Return the CSV files in the folder that say classes of images."""
    found = []
    for file in sorted(path.glob("*.csv")):
        try:
            columns = set(csv_table.read_rows(file)[0])
        except DataError:  # a file of somebody else's
            continue
        if "class" in columns and columns & {"file", *KEYS}:
            found.append(file)
    return found


def _by_key(rows: list[dict[str, str]], column: str, table: Path) -> dict[str, dict[str, str]]:
    incomplete = next((n for n, row in enumerate(rows, 2) if not row[column] or not row["class"]), None)
    if incomplete is not None:
        raise DataError(f"A {column} and a class in every row are required. Got: line {incomplete} of {table.name}.")
    counts = Counter(row[column].strip() for row in rows)
    repeated = sum(count > 1 for count in counts.values())
    if repeated:
        raise DataError(f"Each {column} once is required. Got: {repeated} repeated in {table.name}.")
    return {row[column].strip(): row for row in rows}


def _notes(table: Path, column: str, keys: list[str], by_key: dict[str, dict[str, str]]) -> tuple[str, ...]:
    unnamed, unused = sum(key not in by_key for key in keys), len(set(by_key) - set(keys))
    found = []
    if unnamed:
        found.append(f"{unnamed} of {len(keys)} files have no class in {table.name} and are left out.")
    if unused:
        found.append(f"{unused} of {len(by_key)} rows of {table.name} have a {column} of no file.")
    return tuple(found)
