"""A RUN folder, and what its model scores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.train.data.split import read_splits
from freezenet.train.files import read_json
from freezenet.train.quiet import quiet
from freezenet.train.recipes.recipe import Recipe
from freezenet.train.task import Task, task_of

#: Written last, so its presence means that the run is finished.
FINISHED = "metrics.json"
#: What a device needs to turn scores into an answer, as `freezenet.edge_runtime.decision` reads it.
DECISION = "decision.json"
#: Which side of the gate each of the images of --not-cxr stands on.
NEGATIVES = "negatives.csv"


@dataclass(frozen=True)
class Run:
    """A finished RUN folder."""

    folder: Path
    recipe: Recipe
    account: dict[str, Any]
    splits: list[dict[str, str]]
    labels: tuple[str, ...]

    @classmethod
    def open(cls, folder: Path) -> Run:
        """Read a RUN folder; FreezenetError where it is none or its training has not finished."""
        from freezenet.train.recipes.recipe import load_recipe

        metrics = read_json(folder / FINISHED)
        recipe = load_recipe(str(folder / "recipe.toml"))
        return cls(
            folder, recipe, read_json(folder / "run.json"), read_splits(folder / "splits.csv"), tuple(metrics["labels"])
        )

    def model(self) -> keras.Model:
        """Load the trained model; FreezenetError where the folder is kept without it, as `crossval` does."""
        if not (self.folder / "model.keras").is_file():
            raise FreezenetError(
                f"A RUN folder with model.keras is required. Got: {self.folder} without one; freezenet crossval keeps it "
                "with --keep-models."
            )
        with quiet():
            return keras.saving.load_model(self.folder / "model.keras", compile=False)

    def paths(self, side: str, data: Path | None = None) -> list[tuple[Path, dict[str, str]]]:
        """Return (path, row of splits.csv) of a side's images; `data` is where DATA lies now, if it was moved."""
        if data is not None and not data.exists():
            raise FreezenetError(
                f"The folder or CSV where DATA lies now is required. Got: {data}, which does not exist."
            )
        root = data or Path(self.account["data"])
        root = root if root.is_dir() else root.parent
        return [(root / row["file"], row) for row in self.splits if row["split"] == side]

    @property
    def decision(self) -> dict[str, Any]:
        """Task, thresholds, confidence and gate for the card; the task alone for a run of a version that knew none."""
        path = self.folder / DECISION
        return read_json(path) if path.is_file() else {"task": self.recipe.task}

    @property
    def task(self) -> Task:
        """What the model answers."""
        return task_of(self.decision)

    def truth(self, rows: list[tuple[Path, dict[str, str]]]) -> NDArray[np.bool_]:
        """Return which labels the images that `paths` returned have, (n, labels) bool in label order."""
        return self.task.truth([row["class"] for _, row in rows], self.labels)


def weights_origin(weights: str) -> str:
    """Return where weights come from: "imagenet", "none", or the absolute path of the file."""
    return str(Path(weights).resolve()) if Path(weights).is_file() else weights
