"""A tree of DICOM files, as a hospital exports it by patient and study, with a CSV of the classes in the folder.

The CSV has the column `class`, one of the columns of KEYS that says which images a row is about, and optionally
`source,split,fold`. A tree whose first folders are the classes needs no CSV: `freezenet.train.data.layouts.class_folders` reads it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path

from freezenet.edge_runtime.errors import DataError
from freezenet.train.data.dataset import Dataset, Manifest, Sample
from freezenet.train.data.layouts import csv_table
from freezenet.train.data.layouts.columns import Table, read_table
from freezenet.train.data.layouts.csv_rows import Row
from freezenet.train.data.layouts.dicom_header import is_dicom_file, read_headers
from freezenet.train.data.layouts.patients import spelling_key
from freezenet.train.data.layouts.tree import walk

NAME = "a tree of DICOM files with one CSV of class and file, patient_id, AccessionNumber or a UID in its first folder"

#: Column of the CSV -> keyword of the tag that it is compared with; the first that the CSV has.
KEYS = {"SOPInstanceUID": "SOPInstanceUID", "SeriesInstanceUID": "SeriesInstanceUID", "StudyInstanceUID": "StudyInstanceUID",
        "AccessionNumber": "AccessionNumber", "patient_id": "PatientID"}  # fmt: skip

# Exports may hold a preview of each study beside its DICOM files.
_LOOKED_AT = 20


def recognizes(path: Path) -> bool:
    """Whether the folder holds exactly one CSV of classes, and images that are DICOM."""
    if not path.is_dir() or len(_tables(path)) != 1:
        return False
    images = (path / file for file, reason in walk(path) if not reason)
    return any(is_dicom_file(image) for image in islice(images, _LOOKED_AT))


def read(path: Path) -> Dataset:
    """Read the images that the CSV gives a class; others are not used."""
    (table,) = _tables(path)
    if "file" in table.names:
        return _with_rest(csv_table.read(table.path), path, table)
    column = next(name for name in KEYS if name in table.names)
    by_key = _by_key(table, column)
    images = [file for file, reason in walk(path) if not reason]
    headers = read_headers([path / file for file in images], (KEYS[column],))
    keys = [spelling_key(header.get(KEYS[column], "")) for header in headers]
    samples = tuple(
        Sample(
            file,
            row["class"],
            file,
            row.get("source") or "",
            csv_table.split_of(row, table.path, table.names.get("split", "split")),
            row.get("fold") or "",
        )
        for file, key in zip(images, keys, strict=True)
        if key in by_key
        for row in [by_key[key]]
    )
    if not samples:
        raise DataError(
            f"DICOM files with a {KEYS[column]} of the column {table.names[column]} in {table.path.name} are required. Got: none "
            f"among {len(images)}."
        )
    notes = table.notes
    unused = len(set(by_key) - set(keys))
    if unused:
        notes += (f"{unused} of {len(by_key)} rows of {table.path.name} have a {table.names[column]} of no file.",)
    found = Dataset(path, samples, has_patients=False, notes=notes, other_columns=table.others)
    return _with_rest(found, path, table)


def _with_rest(dataset: Dataset, path: Path, table: Table) -> Dataset:
    """Count the files that the CSV does not name."""
    used = {sample.file for sample in dataset.samples}
    without = f"without a class in {table.path.name}"
    unused = {file: reason or without for file, reason in walk(path) if file not in used}
    manifest = Manifest(len(dataset.samples), unused=unused).with_tables([table.path.name])
    return replace(dataset, manifest=manifest)


def _tables(path: Path) -> list[Table]:
    """Return the CSV files in the folder that say classes of images."""
    found = []
    for file in sorted(path.glob("*.csv")):
        try:
            table = read_table(file)
        except DataError:  # a file of somebody else's
            continue
        if "class" in table.names and table.names.keys() & {"file", *KEYS}:
            found.append(table)
    return found


def _by_key(table: Table, column: str) -> dict[str, Row]:
    incomplete = next((row.line for row in table.rows if not row[column] or not row["class"]), None)
    name, file = table.names[column], table.path.name
    if incomplete is not None:
        raise DataError(f"A {name} and a class in every row are required. Got: line {incomplete} of {file}.")
    counts = Counter(spelling_key(row[column]) for row in table.rows)
    repeated = sum(count > 1 for count in counts.values())
    if repeated:
        raise DataError(f"Each {name} once is required. Got: {repeated} repeated in {file}.")
    return {spelling_key(row[column]): row for row in table.rows}
