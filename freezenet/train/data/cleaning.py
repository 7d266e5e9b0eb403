"""A data set without what its inventory found: a CSV that is DATA again."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freezenet.edge_runtime.errors import DataError
from freezenet.train.data.dataset import Sample
from freezenet.train.data.inventory import Inventory, patient_known
from freezenet.train.files import write_csv

#: Where a picture or a patient stands in several splits, the split that keeps it: figures of the published test split stay
#: comparable, and the training split has most to spare.
_KEEPING_SPLITS = ("test", "validation", "train", "")
_DUPLICATE = "duplicate of "


@dataclass(frozen=True)
class Cleaning:
    """Which images stay.

    Args:
        inventory: of the data set.
        kept: rows that stay.
        left_out: row -> why it does not.
    """

    inventory: Inventory
    kept: list[int]
    left_out: dict[int, str]

    def write(self, path: Path, *, splits: bool = True) -> None:
        """Write a CSV of the images that stay, with paths relative to its folder and the columns that are known.

        Args:
            path: of the CSV.
            splits: write the columns split and fold too.

        Raises:
            DataError: fewer than two classes stay.
        """
        dataset = self.inventory.dataset.only(self.kept)
        if len(dataset.labels) < 2:
            raise DataError(
                f"At least two classes among the images that stay are required. Got: {len(dataset.labels)}; {path.name} was not written."
            )
        folder, root = path.parent.resolve(), dataset.root.resolve()
        columns: dict[str, list[str]] = {
            "file": [Path(os.path.relpath(root / sample.file, folder)).as_posix() for sample in dataset.samples],
            "class": [sample.label for sample in dataset.samples],
            "patient_id": [sample.patient if patient_known(sample) else "" for sample in dataset.samples],
            "source": [sample.source for sample in dataset.samples],
        }
        if splits:
            columns["split"] = [sample.split for sample in dataset.samples]
            columns["fold"] = [sample.fold for sample in dataset.samples]
        columns = {name: values for name, values in columns.items() if any(values)}
        folder.mkdir(parents=True, exist_ok=True)
        write_csv(path, list(columns), list(zip(*columns.values(), strict=True)))

    def to_dict(self) -> dict[str, Any]:
        """Return what stays and what does not (JSON types only)."""
        samples = self.inventory.dataset.samples
        return {
            "images": len(self.kept),
            "reasons": dict(
                Counter("duplicates" if one.startswith(_DUPLICATE) else one for one in self.left_out.values())
            ),
            "left_out": [
                {"file": samples[row].file, "reason": reason} for row, reason in sorted(self.left_out.items())
            ],
        }


def clean(inventory: Inventory, *, splits: bool = True) -> Cleaning:
    """Choose the images that stay.

    Left out are unreadable files; of each group of duplicates all but one, and all where their classes differ; and images of
    patients who stand in several splits, except in the one that keeps them. Test keeps before validation before train; within
    a split the largest image stays, then the first.

    Args:
        inventory: of the data set.
        splits: False where they will be drawn anew, so that they choose nothing.
    """
    samples = inventory.dataset.samples
    left_out = dict.fromkeys(inventory.reading.failures, "unreadable")
    for group in inventory.duplicates:
        if len(inventory.values(group, "label")) > 1:
            left_out |= dict.fromkeys(group.rows, "duplicates in several classes")
            continue
        area = {row: int(inventory.reading.sizes[row].prod()) for row in group.rows}
        stays = min(group.rows, key=lambda row: (_rank(samples[row]) if splits else 0, -area[row], row))
        left_out |= {row: f"{_DUPLICATE}{samples[stays].file}" for row in group.rows if row != stays}
    kept = [row for row in range(len(samples)) if row not in left_out]
    if splits:
        torn = _in_other_splits(samples, kept)
        left_out |= torn
        kept = [row for row in kept if row not in torn]
    return Cleaning(inventory, kept, left_out)


def _in_other_splits(samples: tuple[Sample, ...], rows: Iterable[int]) -> dict[int, str]:
    """Return row -> reason for the images of known patients that are not in the split that keeps the patient."""
    known = [row for row in rows if patient_known(samples[row])]
    best: dict[str, int] = {}
    for row in known:
        rank = _rank(samples[row])
        best[samples[row].patient] = min(rank, best.get(samples[row].patient, rank))
    return {
        row: f"its patient is in the {_KEEPING_SPLITS[best[samples[row].patient]]} split too"
        for row in known
        if _rank(samples[row]) > best[samples[row].patient]
    }


def _rank(sample: Sample) -> int:
    return _KEEPING_SPLITS.index(sample.split)
