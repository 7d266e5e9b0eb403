"""A CSV with the columns `file,class` and optionally `patient_id,source,split,fold`; paths are relative to the CSV."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

from freezenet.edge_runtime.errors import DataError
from freezenet.train.data.dataset import SPLIT_NAMES, Dataset, Sample

NAME = "a CSV with the columns file,class[,patient_id,source,split,fold]"


def recognizes(path: Path) -> bool:
    """Whether the path is a file."""
    return path.is_file()


def read(path: Path) -> Dataset:
    """Read the CSV; every file that it names must be there, once."""
    columns, rows = read_rows(path)
    missing = [column for column in ("file", "class") if column not in columns]
    if missing:
        raise DataError(
            f"A CSV with the columns file,class is required. Got: {path.name} without {' and '.join(missing)} "
            f"(it has: {', '.join(columns) or 'nothing'}{'; separate them by commas' if len(columns) == 1 else ''})."
        )
    incomplete = next((n for n, row in enumerate(rows, 2) if not row["file"] or not row["class"]), None)
    if incomplete is not None:
        raise DataError(f"A file and a class in every row are required. Got: line {incomplete} of {path.name}.")
    samples = tuple(
        Sample(
            file=row["file"],
            label=row["class"],
            patient=row.get("patient_id") or row["file"],
            source=row.get("source") or "",
            split=split_of(row, path),
            fold=row.get("fold") or "",
        )
        for row in rows
    )
    repeated = [file for file, count in Counter(sample.file for sample in samples).items() if count > 1]
    if repeated:
        more = f"and {len(repeated) - 1} more " if len(repeated) > 1 else ""
        raise DataError(f"Each file once is required. Got: {repeated[0]} {more}twice in {path.name}.")
    absent = [sample.file for sample in samples if not (path.parent / sample.file).is_file()]
    if absent:
        raise DataError(
            f"Every file that the CSV names is required. Got: {len(absent)} of {len(samples)} missing, first "
            f"{path.parent / absent[0]}; paths are relative to the CSV."
        )
    return Dataset(path.parent, samples, has_patients="patient_id" in columns)


def read_rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Return the columns and the rows of a CSV; DataError where the file is none in UTF-8."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            return list(reader.fieldnames or []), list(reader)
    except (UnicodeDecodeError, csv.Error):
        raise DataError(f"A CSV in UTF-8, or a folder, is required. Got: {path}, which is none.") from None


def split_of(row: dict[str, str], path: Path) -> str:
    """Return the split that a row's column `split` names, "" where there is none."""
    name = row.get("split") or ""
    if name and name.lower() not in SPLIT_NAMES:
        raise DataError(f"A split of train, validation or test is required. Got: {name!r} in {path.name}.")
    return SPLIT_NAMES.get(name.lower(), "")
