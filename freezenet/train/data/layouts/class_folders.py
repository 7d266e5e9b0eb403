"""A folder with a folder of images per class; such folders below `train/`, `val/` and `test/`; or class folders that hold these.

A class folder may hold `images/`. What lies in none of the places that a layout has is not used, and named with the reason.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from freezenet.edge_runtime.errors import DataError
from freezenet.train.data.dataset import SPLIT_NAMES, Dataset, Manifest, Sample
from freezenet.train.data.layouts.tree import no_data, walk

NAME = "a folder with a folder of images per class, or such folders below train/, val/ and test/"

_TABLE = "a table, which is not looked into beside class folders: to use it, name it as DATA"


@dataclass(frozen=True)
class _Place:
    """Where a file lies: its split and class, or why neither can be told."""

    split: str = ""
    label: str = ""
    reason: str = ""


def recognizes(path: Path) -> bool:
    """Whether any class folder holds an image."""
    if not path.is_dir():
        return False
    places = _Places(path)
    return any(not reason and not places.of(file).reason for file, reason in walk(path))


def read(path: Path, *, no_classes: Collection[str] = ()) -> Dataset:
    """Return an image of each file below a class folder.

    Args:
        path: the folder.
        no_classes: names of folders beside the class folders that are none.

    Raises:
        DataError: a class folder holds no image, or there are folders of splits without that of the training.
    """
    places = _Places(path, no_classes)
    samples, unused = [], {}
    for file, reason in walk(path):
        place = places.of(file)
        why = _TABLE if reason and file.lower().endswith(".csv") else reason or place.reason
        if why:
            unused[file] = why
        else:
            samples.append(Sample(file=file, label=place.label, patient=file, source="", split=place.split))
    _refuse_lone_splits(samples, path)
    # A link that leads nowhere new is named, and is no class folder.
    folders = {folder.name for _, folder in places.folders if folder.relative_to(path).as_posix() not in unused}
    empty = sorted(folders - {sample.label for sample in samples})
    if empty:
        raise DataError(
            f"An image in every class folder is required. Got: none in {', '.join(empty)} of {path}; add its images, or move the "
            "folder away."
        )
    manifest = Manifest(images=len(samples), unused=unused)
    return Dataset(path, tuple(samples), has_patients=False, manifest=manifest)


def class_folders(path: Path) -> list[tuple[str, Path]]:
    """Return (split, folder) of each class folder, the split "" where the data names none."""
    splits = [(SPLIT_NAMES[child.name.lower()], child) for child in _folders(path) if child.name.lower() in SPLIT_NAMES]
    homes = splits if "train" in dict(splits) else [("", path)]
    return [(split, folder) for split, home in homes for folder in _folders(home)]


class _Places:
    """Says of each file of a folder where it lies."""

    def __init__(self, path: Path, no_classes: Collection[str] = ()) -> None:
        found = class_folders(path)
        self.folders = [(split, folder) for split, folder in found if split or folder.name not in no_classes]
        self._by_parts = {folder.relative_to(path).parts: (split, folder) for split, folder in self.folders}
        self._has_splits = any(split for split, _ in self.folders)
        # Splits within the classes are those of a data set only where one of them is to be trained on.
        inner = [] if self._has_splits else [child for _, folder in self.folders for child in _split_folders(folder)]
        self._inner = any(SPLIT_NAMES[child.name.lower()] == "train" for child in inner)
        self._with_images = {folder for _, folder in self.folders if any(map(_is_images, _folders(folder)))}

    def of(self, file: str) -> _Place:
        parts = tuple(file.split("/"))
        depth = 2 if self._has_splits else 1
        found = self._by_parts.get(parts[:depth]) if len(parts) > depth else None
        if found is None:
            return _Place(reason=self._outside(parts))
        split, folder = found
        inside = parts[depth:]
        if self._inner:
            split = SPLIT_NAMES.get(inside[0].lower(), "") if len(inside) > 1 else ""
            if not split:
                return _Place(
                    reason=f"in {'/'.join(parts[:-1][:2])}/ and in no folder of a split there (train/, val/, test/)"
                )
        elif folder in self._with_images and len(inside) > 1 and inside[0].lower() != "images":
            return _Place(reason=f"in {'/'.join(parts[: depth + 1])}/, beside images/")
        return _Place(split, folder.name)

    def _outside(self, parts: tuple[str, ...]) -> str:
        if len(parts) == 1:
            return "beside the class folders" if not self._has_splits else "beside the folders of splits"
        if not self._has_splits:
            return f"in {parts[0]}/, which is no class folder"
        if parts[0].lower() in SPLIT_NAMES:
            return f"in {parts[0]}/, beside its class folders"
        return f"in {parts[0]}/, which is of no split (train/, val/, test/)"


def _refuse_lone_splits(samples: list[Sample], path: Path) -> None:
    """Refuse folders of splits without that of the training: they would be taken for classes."""
    labels = {sample.label for sample in samples}
    without_split = not any(sample.split for sample in samples)
    deep = all(sample.file.count("/") > 1 for sample in samples)
    if labels and without_split and deep and all(label.lower() in SPLIT_NAMES for label in labels):
        raise DataError(
            f"A folder train/ beside {', '.join(sorted(labels))} is required. Got: none in {path}; if these are classes, give "
            "them other names."
        )


def _split_folders(folder: Path) -> Iterator[Path]:
    return (child for child in _folders(folder) if child.name.lower() in SPLIT_NAMES)


def _is_images(folder: Path) -> bool:
    return folder.name.lower() == "images"


def _folders(path: Path) -> list[Path]:
    try:
        with os.scandir(path) as entries:
            names = [entry.name for entry in entries if not no_data(entry.name) and entry.is_dir()]
    except OSError:  # reading says what is wrong with it
        return []
    return [path / name for name in sorted(names)]
