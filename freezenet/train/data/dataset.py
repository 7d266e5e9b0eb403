"""A data set: which image files there are, of which class, patient and source.

`freezenet.train.data.loading` makes one of DATA.

For a multi-label task a class is a label set, `a;b`, or `none` (`freezenet.train.data.label_sets`).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.errors import SettingError
from freezenet.edge_runtime.names import meant
from freezenet.train.task import TASKS, MultiClass, Task

#: In the order of the work.
SPLITS = ("train", "validation", "test")
#: Names that people give the splits, in small letters -> split.
SPLIT_NAMES = {"train": "train", "training": "train", "val": "validation", "valid": "validation",
               "validation": "validation", "test": "test", "testing": "test"}  # fmt: skip
#: Reasons that a sentence names; the rest is counted.
_SHOWN = 8


@dataclass(frozen=True)
class Sample:
    """One image.

    Args:
        file: path relative to the data's root.
        label: its class, or the text of its label set.
        patient: equal for images of one person, `file` where unknown.
        source: the collection, hospital or device that it came from, "" where unknown.
        split: "train", "validation", "test", or "" where the data does not say and none has been drawn.
        fold: name of its part in the data's own cross-validation, or "".
        group: what stands in the column that a cross-validation leaves out by, "" where nothing does or none is left out.
    """

    file: str
    label: str
    patient: str
    source: str
    split: str = ""
    fold: str = ""
    group: str = ""


@dataclass(frozen=True)
class Manifest:
    """What became of the files of DATA: each is an image, a table that was read, or not used for a reason.

    Args:
        images: number of files that are samples.
        tables: files that were read for what they say about images.
        unused: every other file -> why it is not used.
    """

    images: int = 0
    tables: tuple[str, ...] = ()
    unused: Mapping[str, str] = field(default_factory=dict)

    @property
    def files(self) -> int:
        """How many files there are."""
        return self.images + len(self.tables) + len(self.unused)

    @property
    def reasons(self) -> dict[str, list[str]]:
        """Reason -> the files that are not used for it; the most frequent reason first."""
        found: dict[str, list[str]] = {}
        for file, reason in self.unused.items():
            found.setdefault(reason, []).append(file)
        return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))

    @property
    def sentence(self) -> str:
        """One sentence about the files that are not used, "" where there are none."""
        if not self.unused:
            return ""
        shown = [f"{len(files)} {reason}" for reason, files in list(self.reasons.items())[:_SHOWN]]
        more = len(self.reasons) - len(shown)
        rest = f"; and {more} more reasons, which freezenet data names" if more else ""
        return f"Not used: {len(self.unused)} of {self.files} files: {'; '.join(shown)}{rest}."

    def with_tables(self, files: Iterable[str]) -> Manifest:
        """Return the manifest in which these files have been read as tables."""
        read = tuple(files)
        unused = {file: reason for file, reason in self.unused.items() if file not in read}
        return replace(self, tables=self.tables + read, unused=unused)

    def to_dict(self) -> dict[str, Any]:
        """Return the counts and every file that is not used (JSON types only)."""
        return {
            "files": self.files,
            "used": self.images + len(self.tables),
            "images": self.images,
            "tables": list(self.tables),
            "unused": len(self.unused),
            "reasons": {reason: len(files) for reason, files in self.reasons.items()},
            "unused_files": [{"file": file, "reason": reason} for file, reason in self.unused.items()],
        }


@dataclass(frozen=True)
class Dataset:
    """The samples of a data set in a fixed order; labels in alphabetical order give the class numbers.

    Args:
        root: the folder that the files of the samples are relative to.
        samples: n of them.
        has_patients: whether the patient of any image is known.
        task: what the classes mean.
        layout: what DATA was recognized as.
        notes: a sentence about each thing that was found in DATA and is no sample.
        data: DATA as it was given; None for samples that were put together otherwise.
        manifest: what became of the files of DATA.
        other_columns: those of its CSV that the layout does not know; a command may use one of them.
    """

    root: Path
    samples: tuple[Sample, ...]
    has_patients: bool
    task: Task = TASKS[MultiClass.name]
    layout: str = ""
    notes: tuple[str, ...] = ()
    data: Path | None = None
    manifest: Manifest = Manifest()
    other_columns: tuple[str, ...] = ()

    def said(self, columns: Collection[str] = ()) -> list[str]:
        """Return the notes, and which other columns are used. columns: those that the command uses."""
        used = [name for name in self.other_columns if name in columns]
        unused = [name or "(no name)" for name in self.other_columns if name not in columns]
        return [
            *self.notes,
            *(
                f"Columns of {', '.join(self.manifest.tables)} that are {what}: {', '.join(names)}."
                for what, names in (("used", used), ("not used", unused))
                if names
            ),
        ]

    @property
    def classes(self) -> tuple[str, ...]:
        """What the images are, sorted: classes, or label sets as text."""
        return tuple(sorted({sample.label for sample in self.samples}))

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of what is answered, sorted; position = number: the classes, or the single labels of a multi-label task."""
        return tuple(sorted({label for text in self.classes for label in self.task.labels_of(text)}))

    @property
    def truth(self) -> NDArray[np.bool_]:
        """Which labels each image has, (n, labels) bool."""
        return self.task.truth([sample.label for sample in self.samples], self.labels)

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
        """Count images by class and by a column of Sample, e.g. "source": {class: {source: count}}."""
        counts = Counter((sample.label, getattr(sample, column)) for sample in self.samples)
        others = sorted({other for _, other in counts})
        return {label: {other: counts[label, other] for other in others} for label in self.classes}

    @property
    def spellings(self) -> list[list[str]]:
        """Labels that are one but for capitals and what stands between letters and digits: lists of two or more."""
        found: dict[str, list[str]] = {}
        for label in self.labels:
            found.setdefault(re.sub(r"[\W_]", "", label.casefold()), []).append(label)
        return [names for names in found.values() if len(names) > 1]

    def only(self, indices: Iterable[int]) -> Dataset:
        """Return the data set with these samples only."""
        return replace(self, samples=tuple(self.samples[i] for i in indices))

    def leaving_out(self, reasons: Mapping[str, str]) -> Dataset:
        """Return the data set without these files, which its manifest then counts as not used. reasons: file -> why."""
        kept = tuple(sample for sample in self.samples if sample.file not in reasons)
        unused = {**self.manifest.unused, **reasons}
        return replace(self, samples=kept, manifest=replace(self.manifest, images=len(kept), unused=unused))

    def with_splits(self, splits: Iterable[str]) -> Dataset:
        """Return the data set with the split (n,) of each sample set to these; "" leaves it open."""
        pairs = zip(self.samples, splits, strict=True)
        return replace(self, samples=tuple(replace(sample, split=str(one)) for sample, one in pairs))

    def of_classes(self, names: Iterable[str]) -> Dataset:
        """Return the data set with the images of these classes only; of all classes where there are no names.

        Raises:
            SettingError: a name is no class of the data, or only one is named.
        """
        wanted = set(names)
        unknown = sorted(wanted - set(self.labels))
        if unknown:
            raise SettingError(
                f"Classes of {', '.join(self.labels)} are required. Got: {', '.join(unknown)}.{meant(unknown[0], self.labels)}"
            )
        if len(wanted) == 1:
            raise SettingError(
                f"At least two classes of {', '.join(self.labels)} are required. Got: {', '.join(wanted)}."
            )
        if not wanted:
            return self
        kept = {text for text in self.classes if wanted.issuperset(self.task.labels_of(text))}
        return self.only(i for i, sample in enumerate(self.samples) if sample.label in kept)


def spelling_warning(names: Iterable[str]) -> str:
    """Return the sentence about one of `Dataset.spellings`."""
    return f"Classes that differ only in how they are written: {', '.join(names)}; rename them to make them one."


def content_hash(hashes: Iterable[str]) -> str:
    """SHA-256 over the images' own SHA-256 in order: equal for equal content, wherever the files lie."""
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()
