"""What a data set holds, and what is wrong with it: unreadable files, duplicates, leaks, sources that tell the class."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from freezenet.train.audit.stored import StoredSizes, stored_sizes
from freezenet.train.data.dataset import SPLITS, Dataset, Sample, spelling_warning
from freezenet.train.data.duplicates import THUMBNAIL, Duplicates, find_duplicates
from freezenet.train.data.images import Reading, read_what_can_be_read
from freezenet.train.metrics.sources import SourceTable, source_table


@dataclass(frozen=True)
class Inventory:
    """A data set, looked at before training.

    Args:
        dataset: n samples.
        reading: what reading their images gave.
        duplicates: which of them show one picture, as rows of the data set.
    """

    dataset: Dataset
    reading: Reading
    duplicates: list[Duplicates]

    @cached_property
    def sources(self) -> SourceTable:
        """Images by class and source."""
        return source_table(self.dataset.table("source"))

    @cached_property
    def stored_sizes(self) -> StoredSizes | None:
        """How far the stored size tells the class; None where no image can be read."""
        rows = np.flatnonzero(self.reading.sizes[:, 0] > 0).tolist()
        classes = [self.dataset.samples[row].label for row in rows]
        return stored_sizes(classes, self.reading.sizes[rows].tolist()) if rows else None

    def torn_patients(self, column: str) -> list[str]:
        """Return the known patients whose images differ in `split` or `fold`, sorted."""
        found: dict[str, set[str]] = {}
        for sample in self.dataset.samples:
            if patient_known(sample):
                found.setdefault(sample.patient, set()).add(getattr(sample, column))
        return sorted(patient for patient, values in found.items() if len(values) > 1)

    @property
    def missing_classes(self) -> dict[str, list[str]]:
        """Split that the data names -> the classes without an image there; splits with all classes are left out."""
        table = self.dataset.table("split")
        found = {
            split: [label for label, row in table.items() if not row[split]]
            for split in SPLITS
            if any(split in row for row in table.values())
        }
        return {split: labels for split, labels in found.items() if labels}

    def values(self, group: Duplicates, column: str) -> list[str]:
        """Return what the images of a group have in a column of Sample, sorted, each once."""
        return sorted({getattr(self.dataset.samples[row], column) for row in group.rows})

    def groups_across(self, column: str) -> list[Duplicates]:
        """Return the groups whose images differ in a column of Sample."""
        return [group for group in self.duplicates if len(self.values(group, column)) > 1]

    @property
    def warnings(self) -> list[str]:
        """A sentence about each thing that would spoil a training or its figures."""
        surplus = sum(len(group.rows) - 1 for group in self.duplicates)
        without_patient = sum(not patient_known(sample) for sample in self.dataset.samples)
        known = [group for group in self.groups_across("patient") if self._of_known_patients(group)]
        counted = {
            "Files that cannot be read as chest X-rays": len(self.reading.failures),
            "Duplicates of other images": surplus,
            "Pictures in several classes": len(self.groups_across("label")),
            "Pictures in several splits, so that test figures would be too high": len(self.groups_across("split")),
            "Pictures in several folds, so that cross-validated figures would be too high": len(
                self.groups_across("fold")
            ),
            "Pictures under several patients, who may be one": len(known),
            "Patients in several splits": len(self.torn_patients("split")),
            "Patients in several folds": len(self.torn_patients("fold")),
            "Images without a known patient (each counts as its own, so images of one person may stand in two splits)": (
                without_patient
            ),
        }
        found = [f"{text}: {count}." for text, count in counted.items() if count]
        found += [
            f"No image of {', '.join(labels)} in the {split} split." for split, labels in self.missing_classes.items()
        ]
        found += [
            f"No readable image of {label}."
            for label, row in self.classes().items()
            if row["images"] == row["unreadable"]
        ]
        if self.dataset.folds and (outside := sum(not sample.fold for sample in self.dataset.samples)):
            found.append(
                f"Images in no fold, which every fold of a cross-validation trains on and none tests: {outside}."
            )
        found += [spelling_warning(names) for names in self.dataset.spellings]
        if not self.sources.known:
            found.append(f"{self.sources.too_few}, so nothing can be said about whether class and source go together.")
        elif "" in self.sources.names and self.sources.too_few:
            found.append(self.sources.elsewhere)
        alone = self.sources.one_source_only
        if alone and len(self.sources.names) == 1:
            alone = {"Every class": self.sources.names[0]}
        found += [
            f"{label} comes from one source alone, {source}: answers elsewhere are not shown to hold."
            for label, source in alone.items()
        ]
        if self.sources.predicts:
            v = f" (Cramér's V {self.sources.cramers_v:.2f})" if self.sources.cramers_v is not None else ""
            found.append(
                f"The source tells the class: knowing it alone, one would guess right in {self.sources.guess:.0%} of cases; the "
                f"most frequent class alone gives {self.sources.majority:.0%}{v}. A network can score high by recognizing sources."
            )
        if self.stored_sizes and self.stored_sizes.sentence:
            found.append(self.stored_sizes.sentence)
        return found

    def _of_known_patients(self, group: Duplicates) -> bool:
        return all(patient_known(self.dataset.samples[row]) for row in group.rows)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it (JSON types only)."""
        dataset, samples = self.dataset, self.dataset.samples
        return {
            "layout": dataset.layout,
            "images": len(samples),
            "patients": len({sample.patient for sample in samples if patient_known(sample)}),
            "classes": self.classes(),
            "labels": dict(zip(dataset.labels, dataset.truth.sum(0).tolist(), strict=True)),
            "splits": dataset.table("split") if any(sample.split for sample in samples) else {},
            "folds": dataset.table("fold") if dataset.folds else {},
            "sources": self.sources.to_dict(),
            "sizes": self.sizes(),
            "stored_sizes": self.stored_sizes.to_dict() if self.stored_sizes else None,
            "notes": dataset.said(),
            "files": dataset.manifest.to_dict(),
            "unreadable": [
                {"file": samples[row].file, "reason": reason} for row, reason in self.reading.failures.items()
            ],
            "duplicates": [
                {
                    "exact": group.exact,
                    "files": [samples[row].file for row in group.rows],
                    "classes": self.values(group, "label"),
                    "splits": self.values(group, "split"),
                    "folds": self.values(group, "fold"),
                    "patients": [one for one in self.values(group, "patient") if self._of_known_patients(group)],
                }
                for group in self.duplicates
            ],
            "patients_on_several_sides": self.torn_patients("split"),
            "patients_in_several_folds": self.torn_patients("fold"),
            "classes_missing_on_a_side": self.missing_classes,
            "warnings": self.warnings,
        }

    def classes(self) -> dict[str, dict[str, int]]:
        """Return class -> images, known patients, images whose patient is not known, and files that cannot be read."""
        found: dict[str, dict[str, int]] = {}
        unreadable = Counter(self.dataset.samples[row].label for row in self.reading.failures)
        for label, row in self.dataset.table("split").items():
            of_class = [sample for sample in self.dataset.samples if sample.label == label]
            found[label] = {
                "images": sum(row.values()),
                "patients": len({sample.patient for sample in of_class if patient_known(sample)}),
                "without_patient": sum(not patient_known(sample) for sample in of_class),
                "unreadable": unreadable[label],
            }
        return found

    def sizes(self) -> dict[str, list[int]]:
        """Return width and height of the smallest, the median and the largest readable image by area."""
        sizes = self.reading.sizes[self.reading.sizes[:, 0] > 0]
        if not len(sizes):
            return {}
        order = sizes[np.argsort(sizes.prod(1), kind="stable")]
        return {
            name: order[place].tolist()
            for name, place in (("smallest", 0), ("median", (len(order) - 1) // 2), ("largest", -1))
        }


def take_inventory(dataset: Dataset) -> Inventory:
    """Read all images of a data set and compare them with each other."""
    reading = read_what_can_be_read(dataset.paths, THUMBNAIL)
    good = [row for row in range(len(dataset.samples)) if row not in reading.failures]
    groups = find_duplicates(reading.pixels[good], [reading.hashes[row] for row in good])
    return Inventory(
        dataset, reading, [Duplicates(tuple(good[row] for row in group.rows), group.exact) for group in groups]
    )


def patient_known(sample: Sample) -> bool:
    """Whether the data names the patient of an image."""
    return sample.patient != sample.file
