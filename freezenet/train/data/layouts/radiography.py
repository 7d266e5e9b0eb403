"""The COVID-19 Radiography Database as downloaded, with the ten folds of Mobile Freeze-Net where they lie beside it.

`COVID/images`, `Lung_Opacity/images`, `Normal/images`, `Viral Pneumonia/images`, each beside `masks/`; in the older archive the
images lie in the class folder itself. `COVID.metadata.xlsx` and its like name the collection that each image was taken
from: that is the source.

`Fold1.csv` to `Fold10.csv` (Roy & Khurana, ACM SAC 2023; columns `FILE NAME,label`) lie in the folder or in one below it. Their
names lack `.png` and differ from the files' in capitals: `NORMAL-12` is `Normal-12.png`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from zipfile import BadZipFile

from freezenet.edge_runtime.errors import DataError
from freezenet.train.data.dataset import Dataset
from freezenet.train.data.layouts import class_folders
from freezenet.train.data.layouts.csv_rows import read_rows
from freezenet.train.data.layouts.tree import no_data

NAME = "the COVID-19 Radiography Database as downloaded (COVID, Lung_Opacity, Normal, Viral Pneumonia)"

#: In the order of the numbers that stand for them in the folds.
CLASSES = ("COVID", "Normal", "Viral Pneumonia", "Lung_Opacity")
_FOLD = re.compile(r"fold\d+\.csv", re.IGNORECASE)
_COLUMNS = ("FILE NAME", "label")


def recognizes(path: Path) -> bool:
    """Whether the folder has the class folders; the first releases had no Lung_Opacity."""
    return all((path / name).is_dir() for name in CLASSES[:3])


def read(path: Path) -> Dataset:
    """Read images, sources and folds; an image that stands in no fold is left out."""
    files = _fold_files(path)
    dataset = class_folders.read(path, no_classes={file.parent.name for file in files if file.parent != path})
    own = [label for label in dataset.classes if label not in CLASSES]
    if own:
        note = (
            f"Beside the classes of the database there are folders of others, which are classes too: {', '.join(own)}."
        )
        dataset = replace(dataset, notes=(note,))
    dataset = _with_sources(dataset)
    return _with_folds(dataset, files) if files else dataset


def _with_sources(dataset: Dataset) -> Dataset:
    sources: dict[str, str] = {}
    notes, read = [], []
    for sheet in sorted(dataset.root.glob("*.metadata.xlsx")):
        try:
            sources |= _urls(sheet)
            read.append(sheet.name)
        except (BadZipFile, KeyError, ValueError, OSError):
            notes.append(f"{sheet.name} cannot be read, so the sources of its images are not known.")
    samples = tuple(replace(sample, source=sources.get(_key(sample.file), "")) for sample in dataset.samples)
    return replace(
        dataset, samples=samples, notes=dataset.notes + tuple(notes), manifest=dataset.manifest.with_tables(read)
    )


def _urls(sheet: Path) -> dict[str, str]:
    """Return name in small letters -> where the image was taken from."""
    from openpyxl import load_workbook

    workbook = load_workbook(sheet, read_only=True)
    rows = workbook.worksheets[0].iter_rows(values_only=True)
    columns = [str(name).strip() for name in next(rows, ())]
    name, url = columns.index("FILE NAME"), columns.index("URL")
    found = {str(row[name]).strip().lower(): _short(str(row[url] or "")) for row in rows if row[name]}
    workbook.close()
    return found


def _short(url: str) -> str:
    """Return an address without what tells no collection from another: protocol, page position, last slash."""
    return re.sub(r"^https?://(www\.)?", "", url.strip()).partition("#")[0].rstrip("/")


def _fold_files(path: Path) -> list[Path]:
    homes = [path, *(child for child in sorted(path.iterdir()) if child.is_dir() and not no_data(child.name))]
    found = ([child for child in home.iterdir() if _FOLD.fullmatch(child.name)] for home in homes)
    return sorted(next((files for files in found if files), []))


def _with_folds(dataset: Dataset, files: list[Path]) -> Dataset:
    rows = {_key(sample.file): row for row, sample in enumerate(dataset.samples)}
    folds: dict[int, str] = {}
    absent: list[str] = []
    for file in files:
        for name, label in _names(file):
            row = rows.get(name.lower())
            if row is None:
                absent.append(f"{name} of {file.name}")
                continue
            if dataset.samples[row].label != label:
                raise DataError(
                    f"The class of each image's folder is required in the folds. Got: {label} for {name} in {file.name}."
                )
            if folds.setdefault(row, file.stem) != file.stem:
                raise DataError(f"Each image in one fold is required. Got: {name} in {folds[row]} and {file.stem}.")
    if absent:
        raise DataError(
            f"Every image that the folds name is required. Got: {len(absent)} missing, first {absent[0]}; download the "
            "data set again, or take the folds away."
        )
    reason = f"in none of the {len(files)} folds"
    left = {sample.file: reason for row, sample in enumerate(dataset.samples) if row not in folds}
    samples = tuple(replace(sample, fold=folds.get(row, "")) for row, sample in enumerate(dataset.samples))
    tables = [file.relative_to(dataset.root).as_posix() for file in files]
    return replace(dataset, samples=samples, manifest=dataset.manifest.with_tables(tables)).leaving_out(left)


def _names(file: Path) -> list[tuple[str, str]]:
    """Return (name, class) of each row of a fold."""
    columns, rows = read_rows(file)
    if not set(_COLUMNS) <= set(columns):
        raise DataError(
            f"A fold with the columns {','.join(_COLUMNS)} is required. Got: {file.name} with {', '.join(columns) or 'nothing'}."
        )
    try:
        return [(row["FILE NAME"].strip().removesuffix(".png"), CLASSES[int(row["label"])]) for row in rows]
    except (ValueError, IndexError, TypeError, AttributeError):
        numbers = ", ".join(f"{number} {label}" for number, label in enumerate(CLASSES))
        raise DataError(
            f"A file name and a label of {numbers} in every row of a fold are required. Got: others in {file.name}."
        ) from None


def _key(file: str) -> str:
    return Path(file).stem.lower()
