"""A data set without what its inventory found: a CSV that is DATA again."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.train.data.dataset import Sample
from freezenet.train.data.inventory import Inventory, patient_known
from freezenet.train.files import write_csv

#: Where a picture or a patient stands on several sides, the side that keeps it: figures of the published test side stay
#: comparable, and the training side has most to spare.
_KEEPING_SIDES = ("test", "validation", "train", "")
_COPY = "copy of "


@dataclass(frozen=True)
class Cleaning:
    """Which images stay. kept: rows. left_out: row -> why."""

    inventory: Inventory
    kept: list[int]
    left_out: dict[int, str]

    def write(self, path: Path, sides: bool = True) -> None:
        """Write a CSV of the images that stay, with paths relative to its folder and the columns that are known.

        sides: write the columns split and fold too.
        Raises FreezenetError where fewer than two classes stay.
        """
        dataset = self.inventory.dataset.only(self.kept)
        if len(dataset.labels) < 2:
            raise FreezenetError(
                f"At least two classes among the images that stay are required. Got: {len(dataset.labels)}; {path.name} was not written."
            )
        folder, root = path.parent.resolve(), dataset.root.resolve()
        columns: dict[str, list[str]] = {
            "file": [Path(os.path.relpath(root / sample.file, folder)).as_posix() for sample in dataset.samples],
            "class": [sample.label for sample in dataset.samples],
            "patient_id": [sample.patient if patient_known(sample) else "" for sample in dataset.samples],
            "source": [sample.source for sample in dataset.samples],
        }
        if sides:
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
            "reasons": dict(Counter("copies" if one.startswith(_COPY) else one for one in self.left_out.values())),
            "left_out": [
                {"file": samples[row].file, "reason": reason} for row, reason in sorted(self.left_out.items())
            ],
        }


def clean(inventory: Inventory, sides: bool = True) -> Cleaning:
    """Choose the images that stay.

    Left out are unreadable files; of each picture that is there several times all copies but one, and all where their classes
    differ; and images of patients who stand on several sides, except on the one that keeps them. Test keeps before validation
    before train; on one side the largest copy stays, then the first. sides: False where the sides will be drawn anew, so
    that they choose nothing.
    """
    samples = inventory.dataset.samples
    left_out = dict.fromkeys(inventory.reading.failures, "unreadable")
    for group in inventory.duplicates:
        if len(inventory.values(group, "label")) > 1:
            left_out |= dict.fromkeys(group.rows, "copies in several classes")
            continue
        area = {row: int(inventory.reading.sizes[row].prod()) for row in group.rows}
        stays = min(group.rows, key=lambda row: (_rank(samples[row]) if sides else 0, -area[row], row))
        left_out |= {row: f"{_COPY}{samples[stays].file}" for row in group.rows if row != stays}
    kept = [row for row in range(len(samples)) if row not in left_out]
    if sides:
        torn = _on_other_sides(samples, kept)
        left_out |= torn
        kept = [row for row in kept if row not in torn]
    return Cleaning(inventory, kept, left_out)


def _on_other_sides(samples: tuple[Sample, ...], rows: Iterable[int]) -> dict[int, str]:
    """Return row -> reason for the images of known patients that are not on the patient's keeping side."""
    known = [row for row in rows if patient_known(samples[row])]
    best: dict[str, int] = {}
    for row in known:
        rank = _rank(samples[row])
        best[samples[row].patient] = min(rank, best.get(samples[row].patient, rank))
    return {
        row: f"its patient is on the {_KEEPING_SIDES[best[samples[row].patient]]} side too"
        for row in known
        if _rank(samples[row]) > best[samples[row].patient]
    }


def _rank(sample: Sample) -> int:
    return _KEEPING_SIDES.index(sample.split)
