"""A RUN folder: which files a training leaves in it, and what they hold.

recipe.toml       the resolved recipe            history.csv       one row per epoch
run.json          the manifest: data, weights,   metrics.json      figures of the three splits
                  versions                       predictions.csv   scores of every image
splits.csv        every image and its split      decision.json     confidence and OOD gate, for the model's card
model.keras       the trained model              negatives.csv     with --not-cxr: its images and their splits
events/           for TensorBoard               calibration-<digest>.csv  by `convert`: the images it calibrated with
audit.json        by `pipeline`: what `freezenet audit` found in the data
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from freezenet.train.data.split import read_splits
from freezenet.train.files import read_json


class Manifest(TypedDict, total=False):
    """What run.json holds: what a run was made of. The keys on `not_cxr` are there where negatives were given.

    `adopted` is there for a network of another maker: its file, digest and what was said of it. `final` is there for a run on all images: the cross-validation that it rests on, its recipe there, and whether it learns from it.
    """

    data: str
    data_sha256: str
    images: int
    weights: str
    weights_sha256: str | None
    recipe: str
    seed: int
    backend: str
    environment: dict[str, Any]
    not_cxr: str
    not_cxr_sha256: str
    final: dict[str, Any]
    adopted: dict[str, Any]


class Metrics(TypedDict, total=False):
    """What metrics.json holds: the figures of the test split at the top, and what else the training measured.

    A figure is {"value", "low", "high"}. Which of them are there is up to the task (`freezenet.train.task.Task.evaluate`);
    accuracy, macro_f1, per_class and labels always are.
    """

    images: int
    patients: int
    labels: list[str]
    accuracy: dict[str, float]
    macro_f1: dict[str, float]
    hamming_loss: dict[str, float]
    per_class: dict[str, dict[str, Any]]
    confusion_matrix: list[list[int]]
    confusion_matrices: dict[str, list[list[int]]]
    measured_on: str
    variants: dict[str, Any]
    validation: dict[str, Any]
    train: dict[str, Any]
    thresholds: dict[str, float]
    at_half: dict[str, Any]
    confidence: dict[str, Any]
    gate: dict[str, Any]
    recipe: str
    seed: int
    data_sha256: str
    parameters: dict[str, int]
    epochs: int
    seconds: dict[str, float]
    images_by_class_and_side: dict[str, dict[str, int]]
    images_by_class_and_source: dict[str, dict[str, int]]
    elsewhere: str
    class_statistics: dict[str, Any] | None
    loss_weights: dict[str, float] | None


@dataclass(frozen=True)
class RunFolder:
    """The owner of the file names in a RUN folder, finished or not.

    Args:
        folder: where they lie.
    """

    folder: Path

    @property
    def recipe_file(self) -> Path:
        """The resolved recipe."""
        return self.folder / "recipe.toml"

    @property
    def manifest_file(self) -> Path:
        """What the run is made of (`Manifest`)."""
        return self.folder / "run.json"

    @property
    def splits_file(self) -> Path:
        """Every image with its class, patient, source, split and SHA-256."""
        return self.folder / "splits.csv"

    @property
    def negatives_file(self) -> Path:
        """In which split each of the images of --not-cxr is."""
        return self.folder / "negatives.csv"

    @property
    def model_file(self) -> Path:
        """The trained model."""
        return self.folder / "model.keras"

    @property
    def history_file(self) -> Path:
        """One row per epoch."""
        return self.folder / "history.csv"

    @property
    def predictions_file(self) -> Path:
        """The scores of every image."""
        return self.folder / "predictions.csv"

    @property
    def decision_file(self) -> Path:
        """What a device needs to turn scores into an answer, as `freezenet.edge_runtime.decision` reads it."""
        return self.folder / "decision.json"

    @property
    def metrics_file(self) -> Path:
        """The figures (`Metrics`); written last, so its presence means that the run is finished."""
        return self.folder / "metrics.json"

    @property
    def events(self) -> Path:
        """The folder for TensorBoard."""
        return self.folder / "events"

    @property
    def first_run(self) -> Path:
        """The folder of the first short run, where the loss asks for one; gone when the run is finished."""
        return self.folder / "first-run"

    @property
    def audit_file(self) -> Path:
        """What an audit of the data found (`freezenet.train.audit`), or why there is none; only `pipeline` writes it."""
        return self.folder / "audit.json"

    def calibration_file(self, digest: str) -> Path:
        """Return the list of the training images that a conversion calibrated with, by the digest in its card."""
        return self.folder / f"calibration-{digest[:12]}.csv"

    @property
    def finished(self) -> bool:
        """Whether the training has come to its end."""
        return self.metrics_file.is_file()

    @property
    def adopted(self) -> bool:
        """Whether the network came from another maker, so that nothing here says how, or on which images, it was trained."""
        return self.manifest_file.is_file() and "adopted" in self.read_manifest()

    def read_manifest(self) -> Manifest:
        """Read run.json; DataError where it is missing or damaged."""
        return read_json(self.manifest_file)

    def read_metrics(self) -> Metrics:
        """Read metrics.json; DataError where it is missing or damaged."""
        return read_json(self.metrics_file)

    def read_audit(self) -> dict[str, Any]:
        """Read audit.json, {} where the data was not audited; DataError where the file is damaged."""
        return read_json(self.audit_file) if self.audit_file.is_file() else {}

    def read_splits(self) -> list[dict[str, str]]:
        """Read splits.csv as dictionaries by column; DataError where there is none."""
        return read_splits(self.splits_file)

    def read_history(self) -> list[dict[str, Any]]:
        """Read history.csv: "phase" as text and all else as numbers, for each epoch; "epoch" counts from 0."""
        with self.history_file.open(newline="", encoding="utf-8") as file:
            return [
                {name: value if name == "phase" else float(value) for name, value in row.items()}
                for row in csv.DictReader(file)
            ]

    def read_predictions(self, split: str) -> list[dict[str, str]]:
        """Read the rows of a split in predictions.csv as dictionaries by column."""
        with self.predictions_file.open(newline="", encoding="utf-8") as file:
            return [row for row in csv.DictReader(file) if row["split"] == split]
