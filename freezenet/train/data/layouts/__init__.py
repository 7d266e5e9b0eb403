"""The layouts of data sets: each module knows one, says whether a path has it, and reads it.

A layout is a module with

- `NAME`: what it is, as the list of accepted layouts and `freezenet data` say it;
- `recognizes(path) -> bool`: whether an existing file or folder has this layout, without reading all of it;
- `read(path) -> Dataset`: its samples; DataError with one sentence where the data contradicts its layout.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from freezenet.train.data.dataset import Dataset
from freezenet.train.data.layouts import class_folders, coronahack, csv_table, dicom_tree, kermany, radiography


class Layout(Protocol):
    """What the modules of this package have in common."""

    @property
    def NAME(self) -> str:
        """What a person calls it."""
        ...

    def recognizes(self, path: Path) -> bool:
        """Whether a path has this layout."""
        ...

    def read(self, path: Path) -> Dataset:
        """Return its samples."""
        ...


#: In the order in which they are asked: a published data set before the general layout that it also has.
LAYOUTS: tuple[Layout, ...] = (csv_table, radiography, coronahack, kermany, dicom_tree, class_folders)
