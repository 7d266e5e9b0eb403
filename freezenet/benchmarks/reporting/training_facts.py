"""What a report says about a training: its epochs, which of them was kept, and what it began with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freezenet.train.recipes.files import parsed_recipe
from freezenet.train.run_folder import RunFolder


@dataclass(frozen=True)
class TrainingFacts:
    """A training as its RUN folder keeps it.

    Args:
        history: a row for each epoch, from 0: "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "phase".
        kept: what was kept of it, in a sentence; "" where the folder does not say.
        began: what its weights were before, in a sentence; "" likewise.
    """

    history: list[dict[str, Any]]
    kept: str
    began: str

    @classmethod
    def of(cls, run: RunFolder, *, share: bool) -> TrainingFacts:
        """Read them; recipe.toml and run.json may be missing. share: whether names of files stay unsaid."""
        history = run.read_history()
        recipe = parsed_recipe(run.recipe_file.read_text(encoding="utf-8")) if run.recipe_file.is_file() else {}
        manifest = run.read_manifest() if run.manifest_file.is_file() else {}
        return cls(history, _kept(history, recipe.get("stopping", "")), _began(manifest.get("weights", ""), share))


def _kept(history: list[dict[str, Any]], stopping: str) -> str:
    if not stopping or not history:
        return ""
    last = [row for row in history if row.get("phase") == history[-1].get("phase") and "val_loss" in row]
    if stopping != "early" or not last:
        return "The state after the last epoch was kept."
    best = min(last, key=lambda row: row["val_loss"])
    return f"The state after epoch {best['epoch'] + 1:.0f} was kept, where the loss on the validation images was lowest; what came later is not in the files."


def _began(weights: str, share: bool) -> str:
    if weights == "none":
        return "It began with random weights."
    if weights == "imagenet":
        return "It began with weights learned from photographs (ImageNet), no X-rays among them."
    if not weights:
        return ""
    named = "a file of weights" if share else f"the weights in {Path(weights).name}"
    return f"It began with {named}; what those were learned from, the file does not say."
