"""A data set: which image files there are, of which class, patient and source.

The layouts that DATA may have are the modules of `train.data`; `docs/data.md` shows them.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from edge_runtime.errors import FreezenetError
from edge_runtime.inputs import images_below
from train.progress import say

#: The three sides of a split, in the order of the work.
SPLITS = ("train", "validation", "test")
#: Names that people give the sides, in small letters -> side.
SIDE_NAMES = {"train": "train", "training": "train", "val": "validation", "valid": "validation",
              "validation": "validation", "test": "test"}  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """One image. file: path relative to the data's root. patient: equal for images of one person, `file` where unknown.
    split: "train", "validation", "test", or "" where the data does not say. fold: name of its part in the data's own
    cross-validation, or ""."""

    file: str
    label: str
    patient: str
    source: str
    split: str = ""
    fold: str = ""


@dataclass(frozen=True)
class Dataset:
    """The samples of a data set in a fixed order; labels in alphabetical order give the class numbers.

    has_patients: whether the patient of any image is known. layout: what DATA was recognized as. notes: a sentence about
    each thing that was found in DATA and is no sample.
    """

    root: Path
    samples: tuple[Sample, ...]
    has_patients: bool
    layout: str = ""
    notes: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names, sorted; position = class number."""
        return tuple(sorted({sample.label for sample in self.samples}))

    @property
    def paths(self) -> list[Path]:
        """Absolute paths in sample order."""
        return [self.root / sample.file for sample in self.samples]

    @property
    def folds(self) -> list[str]:
        """Names of the folds in natural order (Fold2 before Fold10); empty where the data has none."""
        names = {sample.fold for sample in self.samples} - {""}
        return sorted(
            names, key=lambda name: [(part.zfill(9) if part.isdigit() else part) for part in re.split(r"(\d+)", name)]
        )

    def table(self, column: str) -> dict[str, dict[str, int]]:
        """Count images by label and by a column of Sample, e.g. "source": {label: {source: count}}."""
        counts = Counter((sample.label, getattr(sample, column)) for sample in self.samples)
        others = sorted({other for _, other in counts})
        return {label: {other: counts[label, other] for other in others} for label in self.labels}

    def only(self, indices: Iterable[int]) -> Dataset:
        """Return the data set with these samples only."""
        return replace(self, samples=tuple(self.samples[i] for i in indices))

    def of_classes(self, names: Iterable[str]) -> Dataset:
        """Return the data set with the images of these classes only; of all classes where there are no names.

        Raises FreezenetError where a name is no class of the data, or fewer than two are named.
        """
        wanted = set(names)
        unknown = sorted(wanted - set(self.labels))
        if unknown or len(wanted) == 1:
            raise FreezenetError(
                f"At least two classes of {', '.join(self.labels)} are required. Got: {', '.join(unknown or sorted(wanted))}."
            )
        return self.only(i for i, sample in enumerate(self.samples) if sample.label in wanted) if wanted else self


def load(data: str | Path) -> Dataset:
    """Read DATA (see the module's text); FreezenetError with one sentence where it is not one."""
    path = Path(data)
    if not path.exists():
        raise FreezenetError(f"A folder of class folders or a CSV is required. Got: {path}, which does not exist.")
    dataset = _read(path)
    if len(dataset.labels) < 2:
        raise FreezenetError(
            f"At least two classes are required. Got: {len(dataset.labels)} ({', '.join(dataset.labels)}) in {path}."
        )
    for note in dataset.notes:
        say(note)
    return dataset


def _read(path: Path) -> Dataset:
    # The layouts build a Dataset, so they can only be imported now.
    from train.data import LAYOUTS
    from train.data.dicom_header import with_headers

    layout = next((one for one in LAYOUTS if one.recognizes(path)), None)
    if layout is None:
        accepted = "; ".join(f"({number}) {one.NAME}" for number, one in enumerate(LAYOUTS, 1))
        found = "whose images lie in none of them" if any(images_below(str(path))) else "without images"
        raise FreezenetError(f"DATA in one of these layouts is required: {accepted}. Got: {path}, {found}.")
    return with_headers(replace(layout.read(path), layout=layout.NAME))


def content_hash(hashes: Iterable[str]) -> str:
    """SHA-256 over the images' own SHA-256 in order: equal for equal content, wherever the files lie."""
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()
