"""A folder with a folder of images per class, or such folders below `train/`, `val/` and `test/`.

A class folder may hold `images/` (and `masks/`, which are no inputs).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from freezenet.edge_runtime.images.inputs import images_below
from freezenet.train.data.dataset import SPLIT_NAMES, Dataset, Sample

NAME = "a folder with a folder of images per class, or such folders below train/, val/ and test/"

# What macOS adds to archives; its files are named like images and are none.
_NO_CLASS = "__MACOSX"


def recognizes(path: Path) -> bool:
    """Whether any class folder holds an image."""
    return next(_images(path), None) is not None


def read(path: Path) -> Dataset:
    """Return an image of each file below a class folder."""
    samples = [
        Sample(file=str(file), label=label, patient=str(file), source="", split=split)
        for split, label, image in _images(path)
        for file in [image.relative_to(path)]
    ]
    return Dataset(path, tuple(samples), has_patients=False)


def class_folders(path: Path) -> list[tuple[str, Path]]:
    """Return (split, folder) of each class folder, the split "" where the data names none."""
    splits = [(SPLIT_NAMES[child.name.lower()], child) for child in _folders(path) if child.name.lower() in SPLIT_NAMES]
    homes = splits if "train" in dict(splits) else [("", path)]
    return [(split, folder) for split, home in homes for folder in _folders(home)]


def _images(path: Path) -> Iterator[tuple[str, str, Path]]:
    """Yield (split, class, image)."""
    for split, folder in class_folders(path):
        home = folder / "images" if (folder / "images").is_dir() else folder
        for image in map(Path, images_below(str(home))):
            if not image.name.startswith("."):
                yield split, folder.name, image


def _folders(path: Path) -> list[Path]:
    return [
        child
        for child in sorted(path.iterdir())
        if child.is_dir() and not child.name.startswith(".") and child.name != _NO_CLASS
    ]
