"""A finished run, as conversion, cross-validation and Python use it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.errors import DataError, ModelError
from freezenet.train.files import read_json
from freezenet.train.quiet import quiet
from freezenet.train.recipes.recipe import Recipe, load_recipe
from freezenet.train.run_folder import Manifest, RunFolder
from freezenet.train.task import Task, task_of


@dataclass(frozen=True)
class Run(RunFolder):
    """A finished RUN folder.

    Args:
        folder: where it lies.
        recipe: what it was trained by.
        manifest: what run.json holds.
        splits: the rows of splits.csv by column.
        labels: names of what the model answers, in the order of its scores.
    """

    recipe: Recipe
    manifest: Manifest
    splits: list[dict[str, str]]
    labels: tuple[str, ...]

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """Read a RUN folder; DataError where it is none or its training has not finished."""
        files = RunFolder(Path(folder))
        labels = tuple(files.read_metrics()["labels"])
        recipe = load_recipe(str(files.recipe_file))
        return cls(files.folder, recipe, files.read_manifest(), files.read_splits(), labels)

    def model(self) -> keras.Model:
        """Load the trained model; ModelError where the folder is kept without it, as `crossval` does."""
        if not self.model_file.is_file():
            raise ModelError(
                f"A RUN folder with model.keras is required. Got: {self.folder} without one; freezenet crossval keeps it "
                "with --keep-models."
            )
        with quiet():
            return keras.saving.load_model(self.model_file, compile=False)

    def paths(self, split: str, data: Path | None = None) -> list[tuple[Path, dict[str, str]]]:
        """Return the path and the row of splits.csv of each image of a split.

        Args:
            split: "train", "validation" or "test".
            data: where DATA lies now, if it was moved.
        """
        if data is not None and not data.exists():
            raise DataError(f"The folder or CSV where DATA lies now is required. Got: {data}, which does not exist.")
        root = data or Path(self.manifest["data"])
        root = root if root.is_dir() else root.parent
        return [(root / row["file"], row) for row in self.splits if row["split"] == split]

    def knows_below(self, data: Path) -> bool:
        """Whether a DATA that was moved can hold the run's images: not where the run names all of them by absolute paths."""
        return data.resolve() == Path(self.manifest["data"]) or not all(
            Path(row["file"]).is_absolute() for row in self.splits
        )

    @property
    def final(self) -> bool:
        """Whether it was trained on all images, so that its figures are those of a cross-validation."""
        return "final" in self.manifest

    @property
    def judged_split(self) -> str:
        """The split that converted files are compared on with the trained network: of a final run, the training images are all."""
        return "train" if self.final else "validation"

    @property
    def decision(self) -> dict[str, Any]:
        """Task, thresholds, confidence and OOD gate for the card; the task alone for a run of a version that knew none."""
        return read_json(self.decision_file) if self.decision_file.is_file() else {"task": self.recipe.task}

    @property
    def task(self) -> Task:
        """What the model answers."""
        return task_of(self.decision)

    def truth(self, rows: list[tuple[Path, dict[str, str]]]) -> NDArray[np.bool_]:
        """Return which labels the images that `paths` returned have, (n, labels) bool in label order."""
        return self.task.truth([row["class"] for _, row in rows], self.labels)
