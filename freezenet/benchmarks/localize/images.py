"""A clinic's labelled images: what the network says about each, and the columns that tell subgroups apart."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from freezenet.benchmarks.evaluate import JudgedImages, decide_all, judged_images
from freezenet.benchmarks.localize.rule import Labelled
from freezenet.benchmarks.quality.bands import AGE_COLUMNS, years
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.decision import NOT_CHEST
from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.names import counted
from freezenet.train.data.images import read_images
from freezenet.train.data.inventory import patient_known
from freezenet.train.data.layouts.csv_rows import read_rows
from freezenet.train.data.layouts.csv_table import read_column
from freezenet.train.data.layouts.patients import spelling_key
from freezenet.train.metrics.draws import PatientDraws, patient_draws
from freezenet.train.run_folder import RunFolder
from freezenet.train.task import task_of

#: Subgroup -> names of its column, in small letters without what stands between letters.
_COLUMNS = {
    "sex": {"sex", "gender", "patientsex"},
    "age": AGE_COLUMNS,
    "device": {"device", "scanner", "manufacturer", "devicename", "manufacturermodelname"},
}
_AGES = ((18, "under 18"), (40, "18 to 39"), (65, "40 to 64"), (math.inf, "65 and older"))
_SEXES = {"m": "male", "male": "male", "f": "female", "female": "female"}


@dataclass(frozen=True)
class LocalImages:
    """What one model says about n labelled images.

    Args:
        files: (n,) as DATA names them.
        labels: of the model.
        scores: (n, classes) float32.
        truth: (n,) number of the true class.
        patients: (n,) each image its own where patients are not known.
        patients_known: whether DATA names the patient of any.
        refused: (n,) bool, whether the OOD gate says that it is no chest X-ray.
        groups: subgroup, such as "sex" -> what each image (n,) has there, "" where nothing is said.
        digest: SHA-256 over the images and their classes.
        run_known: whether the RUN folder was there to say that none took part in the training.
        sources: (n,) where each comes from, "" where nothing is said.
        pixels: (n, h, w) uint8, what the model was shown.
    """

    files: tuple[str, ...]
    labels: tuple[str, ...]
    scores: NDArray[np.float32]
    truth: NDArray[np.integer]
    patients: tuple[str, ...]
    patients_known: bool
    refused: NDArray[np.bool_]
    groups: dict[str, tuple[str, ...]]
    digest: str
    run_known: bool
    sources: tuple[str, ...]
    pixels: NDArray[np.uint8]

    @cached_property
    def draws(self) -> PatientDraws:
        """See `freezenet.train.metrics.draws.patient_draws`."""
        return patient_draws(self.patients)

    @cached_property
    def draws_within_classes(self) -> PatientDraws:
        """The same, each patient drawn within its class."""
        return patient_draws(self.patients, strata=self.truth)

    @classmethod
    def read(cls, classifier: Classifier, data: Path, run: RunFolder | None) -> LocalImages:
        """Run the model over DATA.

        Raises:
            DataError: DATA has no labels, classes that the model lacks, or images or patients of its training.
        """
        labels = classifier.card.labels
        columns = _group_columns(data)
        judged = judged_images(
            data, run, task=task_of(classifier.card.content).name, everything=True, columns=columns.values()
        )
        samples = judged.dataset.samples
        truth = judged.dataset.task.truth(judged.truth, labels).argmax(-1)
        _refuse_training(judged, run)
        read = read_images(judged.dataset, classifier.card.preprocess)
        scores, decisions = decide_all(classifier, read.pixels)
        rows = sorted(f"{digest} {sample.label}" for digest, sample in zip(read.hashes, samples, strict=True))
        return cls(
            files=tuple(sample.file for sample in samples),
            labels=labels,
            scores=scores,
            truth=truth,
            patients=judged.patients,
            patients_known=judged.dataset.has_patients,
            refused=np.array([one.reason == NOT_CHEST for one in decisions]),
            groups=_groups(data, columns, [sample.file for sample in samples]),
            digest=hashlib.sha256("\n".join(rows).encode()).hexdigest(),
            run_known=judged.took_part is not None,
            sources=tuple(sample.source for sample in samples),
            pixels=read.pixels,
        )

    @property
    def passing(self) -> NDArray[np.integer]:
        """The numbers of the images that the OOD gate lets pass."""
        return np.flatnonzero(~self.refused)

    @property
    def numbers(self) -> NDArray[np.integer]:
        """The number (n,) of each image's patient."""
        return np.unique(np.asarray(self.patients), return_inverse=True)[1]

    def labelled(self, rows: NDArray[np.integer]) -> Labelled:
        """Return those of the images with these numbers that the OOD gate lets pass."""
        kept = rows[~self.refused[rows]]
        return Labelled(self.scores[kept], self.truth[kept], self.numbers[kept], self.shares(rows))

    def shares(self, rows: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return how frequent each class (classes,) is among the images with these numbers."""
        return np.bincount(self.truth[rows], minlength=len(self.labels)) / len(rows)


def _refuse_training(judged: JudgedImages, run: RunFolder | None) -> None:
    """Refuse images and patients that the model was trained on: what it says of them is not what it says of others."""
    seen = {name: (judged.took_part or {}).get(name, 0) for name in ("train", "validation")}
    if any(seen.values()):
        named = " and ".join(f"{count} of the {name} split" for name, count in seen.items() if count)
        raise DataError(
            f"Images that took no part in the training are required, compared by content. Got: {named} among "
            f"{len(judged.truth)}; leave them out of DATA."
        )
    if run is None or run.adopted:
        return
    rows = run.read_splits()
    taught = {
        spelling_key(row["patient_id"])
        for row in rows
        if row["split"] in ("train", "validation") and row["patient_id"] != row["file"]
    }
    named_here = {sample.patient for sample in judged.dataset.samples if patient_known(sample)}
    same = sorted(one for one in named_here if spelling_key(one) in taught)
    if same:
        raise DataError(
            f"Patients that took no part in the training are required, by their identifiers in any spelling. Got: {counted(len(same), 'patient')} of it, "
            f"the first {same[0]}; leave them out of DATA, or name them otherwise if they are other people."
        )


def _group_columns(data: Path) -> dict[str, str]:
    """Return the columns of a CSV that tell subgroups apart, by subgroup."""
    if not data.is_file():
        return {}
    plain = {re.sub(r"[^a-z]", "", name.lower()): name for name in read_rows(data)[0]}
    found = {group: next((plain[one] for one in plain if one in names), None) for group, names in _COLUMNS.items()}
    return {group: column for group, column in found.items() if column}


def _groups(data: Path, columns: Mapping[str, str], files: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return sex, age and device of each file, as far as a CSV says them."""
    found = {}
    for group, column in columns.items():
        cells = read_column(data, column)
        found[group] = tuple(_shown(group, cells.get(file, "")) for file in files)
    return {group: values for group, values in found.items() if any(values)}


def _shown(group: str, cell: str) -> str:
    if group == "sex":
        return _SEXES.get(cell.lower(), cell)
    age = years(cell) if group == "age" else None
    return cell if age is None else next(name for below, name in _AGES if age < below)
