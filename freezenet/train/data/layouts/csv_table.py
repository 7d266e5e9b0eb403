"""A CSV with the columns `file,class` and optionally `patient_id,source,split,fold`; paths are relative to the CSV."""

from __future__ import annotations

import os
import posixpath
import unicodedata
from collections import Counter
from pathlib import Path

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.names import counted
from freezenet.train.data.dataset import SPLIT_NAMES, Dataset, Manifest, Sample
from freezenet.train.data.layouts.columns import NULL_WORDS, Table, missing_columns, read_table

NAME = "a CSV with the columns file,class[,patient_id,source,split,fold]"


def recognizes(path: Path) -> bool:
    """Whether the path is a file."""
    return path.is_file()


def read(path: Path) -> Dataset:
    """Read the CSV; every file that it names must be there, once."""
    table = read_table(path)
    missing = missing_columns(table, ("file", "class"))
    if missing:
        raise DataError(f"A CSV with the columns file,class is required. Got: {path.name} without {missing}.")
    incomplete = next((row.line for row in table.rows if not row["file"] or not row["class"]), None)
    if incomplete is not None:
        raise DataError(f"A file and a class in every row are required. Got: line {incomplete} of {path.name}.")
    files = [_file(path.parent, row["file"]) for row in table.rows]
    samples = tuple(
        Sample(
            file=file,
            label=row["class"],
            patient=row.get("patient_id") or file,
            source=row.get("source") or "",
            split=split_of(row, path, table.names.get("split", "split")),
            fold=row.get("fold") or "",
        )
        for file, row in zip(files, table.rows, strict=True)
    )
    repeated = [file for file, count in Counter(files).items() if count > 1]
    if repeated:
        more = f"and {len(repeated) - 1} more " if len(repeated) > 1 else ""
        raise DataError(f"Each file once is required. Got: {repeated[0]} {more}twice in {path.name}.")
    absent = [file for file in files if not (path.parent / file).is_file()]
    if absent:
        raise DataError(
            f"Every file that the CSV names is required. Got: {len(absent)} of {len(samples)} missing, first "
            f"{path.parent / absent[0]}; paths are relative to the CSV."
        )
    return Dataset(
        path.parent,
        samples,
        has_patients=any(row.get("patient_id") for row in table.rows),
        notes=table.notes + gaps(table),
        other_columns=table.others,
        manifest=Manifest(len(samples), (path.name,)),
    )


def split_of(row: dict[str, str], path: Path, column: str = "split") -> str:
    """Return the split that a row names, "" where there is none. column: as the file writes it."""
    name = row.get("split") or ""
    if name and name.lower() not in SPLIT_NAMES:
        taken = "" if column == "split" else f", whose column {column!r} is taken for split; rename it if it is none"
        raise DataError(f"A split of train, validation or test is required. Got: {name!r} in {path.name}{taken}.")
    return SPLIT_NAMES.get(name.lower(), "")


def gaps(table: Table) -> tuple[str, ...]:
    """Return a sentence about each column in which some rows, but not all, name nothing; a cross-validation speaks of its folds."""
    said = {
        "patient_id": "no patient, so each of their images counts as its own",
        "split": "no split, so the training shares them out",
    }
    empty = {column: sum(not row.get(column) for row in table.rows) for column in said if column in table.names}
    return tuple(
        f"{counted(count, 'row')} of {len(table.rows)} in {table.path.name}: {said[column]}."
        for column, count in empty.items()
        if 0 < count < len(table.rows)
    )


def read_column(path: Path, column: str) -> dict[str, str]:
    """Return file -> cell of a column of any name, "" where it holds nothing or a word for it.

    Raises:
        DataError: there is no such column.
    """
    table = read_table(path)
    found = column if column in table.header else table.names.get(column)
    if found is None:
        raise DataError(f"A column {column} is required. Got: {path.name} with {', '.join(table.header)}.")
    cells = ((_file(path.parent, row[table.names["file"]].strip()), row[found].strip()) for row in table.written)
    return {file: "" if cell.casefold() in NULL_WORDS else cell for file, cell in cells}


def _file(root: Path, text: str) -> str:
    """Return the path of a file as the data set names it: as written, or as another system would write it where that is there."""
    plain = posixpath.normpath(text)
    if os.path.isfile(root / plain):
        return plain
    slashes = posixpath.normpath(text.replace("\\", "/"))
    composed = (unicodedata.normalize(form, slashes) for form in ("NFC", "NFD"))
    return next((one for one in (slashes, *composed) if os.path.isfile(root / one)), plain)
