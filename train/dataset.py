"""A data set: which image files there are, of which class, patient and source.

DATA is one of
- a CSV with the columns `file,class` and optionally `patient_id,source,split`, paths relative to the CSV;
- a folder with a folder of images per class; a class folder may hold `images/` (and `masks/`, which are no inputs),
  as the COVID-19 Radiography Database does;
- such folders below `train/`, `val/` and `test/`.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.errors import FreezenetError
from edge_runtime.inputs import images_below

#: The three sides of a split, in the order of the work.
SPLITS = ("train", "validation", "test")

# Names that people give the sides.
_SPLIT_NAMES = {"train": "train", "training": "train", "val": "validation", "valid": "validation",
                "validation": "validation", "test": "test"}  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """One image. file: path relative to the data's root. patient: equal for images of one person.
    split: "train", "validation", "test", or "" where the data does not say."""

    file: str
    label: str
    patient: str
    source: str
    split: str = ""


@dataclass(frozen=True)
class Dataset:
    """The samples of a data set in a fixed order; labels in alphabetical order give the class numbers."""

    root: Path
    samples: tuple[Sample, ...]
    has_patients: bool

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names, sorted; position = class number."""
        return tuple(sorted({sample.label for sample in self.samples}))

    @property
    def paths(self) -> list[Path]:
        """Absolute paths in sample order."""
        return [self.root / sample.file for sample in self.samples]

    def table(self, column: str) -> dict[str, dict[str, int]]:
        """Count images by label and by a column of Sample, e.g. "source": {label: {source: count}}."""
        counts = Counter((sample.label, getattr(sample, column)) for sample in self.samples)
        others = sorted({other for _, other in counts})
        return {label: {other: counts[label, other] for other in others} for label in self.labels}

    def only(self, indices: Iterable[int]) -> Dataset:
        """Return the data set with these samples only."""
        return Dataset(self.root, tuple(self.samples[i] for i in indices), self.has_patients)


def load(data: str | Path) -> Dataset:
    """Read DATA (see the module's text); FreezenetError with one sentence where it is not one."""
    path = Path(data)
    if not path.exists():
        raise FreezenetError(f"A folder of class folders or a CSV is required. Got: {path}, which does not exist.")
    dataset = _from_folder(path) if path.is_dir() else _from_csv(path)
    if len(dataset.labels) < 2:
        raise FreezenetError(
            f"At least two classes are required. Got: {len(dataset.labels)} ({', '.join(dataset.labels)}) in {path}."
        )
    return dataset


def _from_csv(path: Path) -> Dataset:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            missing = [column for column in ("file", "class") if column not in columns]
            if missing:
                raise FreezenetError(
                    f"A CSV with the columns file,class is required. Got: {path.name} without {' and '.join(missing)} "
                    f"(it has: {', '.join(columns) or 'nothing'})."
                )
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error):
        raise FreezenetError(f"A CSV in UTF-8 is required. Got: {path}, which is none.") from None
    incomplete = next((n for n, row in enumerate(rows, 2) if not row["file"] or not row["class"]), None)
    if incomplete is not None:
        raise FreezenetError(f"A file and a class in every row are required. Got: line {incomplete} of {path.name}.")
    has_patients = "patient_id" in columns
    samples = tuple(
        Sample(
            file=row["file"],
            label=row["class"],
            patient=row.get("patient_id") or row["file"],
            source=row.get("source") or "",
            split=_split_name(row.get("split") or "", path),
        )
        for row in rows
    )
    repeated = [file for file, count in Counter(sample.file for sample in samples).items() if count > 1]
    if repeated:
        raise FreezenetError(f"Each file once is required. Got: {repeated[0]} {_more(repeated)}twice in {path.name}.")
    absent = [sample.file for sample in samples if not (path.parent / sample.file).is_file()]
    if absent:
        raise FreezenetError(
            f"Every file that the CSV names is required. Got: {len(absent)} of {len(samples)} missing, first "
            f"{path.parent / absent[0]}; paths are relative to the CSV."
        )
    return Dataset(path.parent, samples, has_patients)


def _from_folder(path: Path) -> Dataset:
    sides = [(_SPLIT_NAMES[child.name.lower()], child) for child in sorted(path.iterdir())
             if child.is_dir() and child.name.lower() in _SPLIT_NAMES]  # fmt: skip
    homes = sides if "train" in dict(sides) else [("", path)]
    samples = [
        Sample(
            file=str(image.relative_to(path)),
            label=folder.name,
            patient=str(image.relative_to(path)),
            source="",
            split=side,
        )
        for side, home in homes
        for folder in sorted(home.iterdir())
        if folder.is_dir() and not folder.name.startswith(".")
        for image in _images_of(folder)
    ]
    if not samples:
        raise FreezenetError(f"A folder with a folder of images per class is required. Got: {path} without images.")
    return Dataset(path, tuple(samples), has_patients=False)


def _images_of(folder: Path) -> list[Path]:
    home = folder / "images" if (folder / "images").is_dir() else folder
    return [Path(path) for path in images_below(str(home))]


def _split_name(name: str, path: Path) -> str:
    if name and name.lower() not in _SPLIT_NAMES:
        raise FreezenetError(f"A split of train, validation or test is required. Got: {name!r} in {path.name}.")
    return _SPLIT_NAMES.get(name.lower(), "")


def _more(items: list[str]) -> str:
    return f"and {len(items) - 1} more " if len(items) > 1 else ""


def content_hash(hashes: Iterable[str]) -> str:
    """SHA-256 over the images' own SHA-256 in order: equal for equal content, wherever the files lie."""
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()
