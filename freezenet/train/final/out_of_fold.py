"""The answers of a cross-validation about every image, each by a network that has not seen it."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.errors import DataError
from freezenet.train.answers.elsewhere import ElsewhereAnswers
from freezenet.train.crossval.left_out import left_out_folds
from freezenet.train.crossval.plan import CrossValidation, Fold
from freezenet.train.crossval.plan_file import read_plan
from freezenet.train.crossval.table import SUMMARY
from freezenet.train.data.training_data import TrainingData
from freezenet.train.files import read_json
from freezenet.train.metrics.matrices import label_matrices, macro_f1
from freezenet.train.recipes.recipe import Recipe, kept_recipe
from freezenet.train.run import Run
from freezenet.train.run_folder import RunFolder

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class OutOfFold:
    """What a cross-validation knows of the images of DATA.

    Args:
        arm: name of the recipe, of several that with the best macro-F1.
        recipe: it, with the epochs that its folds took, fixed.
        scores: (seeds, n, classes) float64, of the networks that did not see the image.
        folds: (seeds, n) the fold that tested each image.
        variants: variant -> its figures, where the folds were converted, too.
        elsewhere: the answers about sources that were left out; None where none was.
    """

    arm: str
    recipe: Recipe
    scores: NDArray[np.float64]
    folds: NDArray[np.integer]
    variants: dict[str, Any]
    elsewhere: ElsewhereAnswers | None = None

    @property
    def seeds(self) -> int:
        """How often each image was tested."""
        return len(self.scores)

    @property
    def soft(self) -> NDArray[np.float64]:
        """The mean (n, classes) over the seeds, for a network to learn from."""
        return np.asarray(self.scores.mean(0))

    @property
    def stacked(self) -> NDArray[np.float64]:
        """All scores, (seeds x n, classes), seed by seed."""
        return self.scores.reshape(-1, self.scores.shape[2])


def final_recipe(folder: Path) -> tuple[str, Recipe]:
    """Return the name and the recipe of the arm with the best macro-F1 of a finished cross-validation, its epochs fixed.

    Of an early-stopped recipe these are the median over the trainings of the epochs after which the validation loss was lowest.

    Raises:
        DataError: the folder is no cross-validation, or not finished.
    """
    asked = finished_crossval(folder)
    arms = list(asked.recipes)
    if len(arms) > 1:
        found = {arm: _pooled_f1(folder, asked, arm) for arm in arms}
        arms.sort(key=lambda arm: -found[arm])
        shown = ", ".join(f"{arm} {found[arm]:.3f}" for arm in arms)
        logger.info(f"out-of-fold macro-F1: {shown}; the final model follows the first")
    recipe = asked.recipes[arms[0]]
    if recipe.stopping == "early":
        epochs = [_best_epoch(fold.run(folder).read_history()) for fold in asked.folds_of(arms[0])]
        chosen = round(statistics.median(epochs))
        logger.info(f"epochs: {chosen}, the median of {len(epochs)} trainings ({min(epochs)} to {max(epochs)})")
        recipe = recipe.with_settings({"stopping": "fixed", "epochs": chosen})
    return arms[0], recipe


def read_out_of_fold(folder: Path, arm: str, recipe: Recipe, data: TrainingData) -> OutOfFold:
    """Read the answers about all images of DATA.

    Args:
        folder: of the cross-validation.
        arm, recipe: as `final_recipe` returns them.
        data: the images that the final model is trained on, with their groups where the cross-validation left a column out.

    Raises:
        DataError: the cross-validation did not test each of these images, or other ones.
    """
    asked = finished_crossval(folder)
    find = _Places(folder, data)
    shape = (len(asked.seeds), len(data.images.hashes), len(data.labels))
    scores, folds = np.full(shape, np.nan), np.full(shape[:2], -1)
    for fold in asked.folds_of(arm):
        seed = asked.seeds.index(fold.seed)
        rows, found = find.tested(fold)
        scores[seed, rows], folds[seed, rows] = found, fold.number
    untested = int(np.isnan(scores).any(2).any(0).sum())
    if untested:
        raise DataError(
            f"A cross-validation that tested each image is required. Got: {folder}, which did not test {untested} of {shape[1]}."
        )
    summary = read_json(folder / SUMMARY)
    elsewhere = _elsewhere(asked, arm, data, find)
    return OutOfFold(arm, recipe, scores, folds, summary.get("variants", {}).get(arm, {}), elsewhere)


class _Places:
    """Finds the tested images of a fold among those of the final training."""

    def __init__(self, folder: Path, data: TrainingData) -> None:
        """Remember where each file and content is. folder: of the cross-validation."""
        self._folder, self._data = folder, data
        self._place = {digest: row for row, digest in reversed(list(enumerate(data.images.hashes)))}
        self._files = {sample.file: row for row, sample in enumerate(data.dataset.samples)}

    def run(self, fold: Fold) -> RunFolder:
        """Return the RUN folder of a fold."""
        return fold.run(self._folder)

    def tested(self, fold: Fold) -> tuple[list[int], NDArray[np.float64]]:
        """Return the row numbers of the tested images, and the scores (tested, classes): 0 for a class that the fold did not have."""
        data = self._data
        run = Run.open(self.run(fold).folder)
        digests = {row["file"]: row["sha256"] for row in run.splits}
        rows, scores = [], []
        for one in run.read_predictions("test"):
            row = self._files.get(one["file"], self._place.get(digests[one["file"]]))
            known = set(run.labels) <= set(data.labels) if fold.left_out else run.labels == data.labels
            if row is None or data.images.hashes[row] != digests[one["file"]] or not known:
                raise DataError(
                    f"The data of the cross-validation are required. Got: others than {self._folder} tested, first {one['file']}."
                )
            rows.append(row)
            scores.append([float(one.get(label, 0)) for label in data.labels])
        return rows, np.array(scores)


def _elsewhere(asked: CrossValidation, arm: str, data: TrainingData, find: _Places) -> ElsewhereAnswers | None:
    """Return the answers about left-out sources; None where none was left out."""
    if not asked.leave_out:
        return None
    folds = left_out_folds(asked, arm, data.dataset)
    open_folds = [fold.name for fold in folds if not find.run(fold).finished]
    if open_folds:
        raise DataError(
            f"A finished cross-validation is required by --final. Got: one that has still to train {', '.join(open_folds)}."
        )
    parts = [find.tested(fold) for fold in folds]
    if not parts:
        return None
    rows = np.concatenate([found for found, _ in parts])
    return ElsewhereAnswers(
        np.concatenate([scores for _, scores in parts]),
        data.truth[rows],
        np.concatenate([np.full(len(found), fold.left_out) for fold, (found, _) in zip(folds, parts, strict=True)]),
        rows,
        np.concatenate(
            [np.full(len(found), asked.seeds.index(fold.seed)) for fold, (found, _) in zip(folds, parts, strict=True)]
        ),
    )


def finished_crossval(folder: Path) -> CrossValidation:
    """Return what is in a folder: all recipes and seeds whose folds are finished."""
    plan = read_plan(folder)
    asked = CrossValidation(
        Path(plan["data"]),
        {arm: kept_recipe(text) for arm, text in plan["recipes"].items()},
        plan["folds"],
        leave_out=plan.get("leave_out", ""),
    )
    whole = [
        (arm, seed)
        for arm in asked.recipes
        for seed in _seeds(folder / arm)
        if all(Fold(arm, seed, number).run(folder).finished for number in range(1, asked.folds + 1))
    ]
    seeds = sorted(set.intersection(*({seed for one, seed in whole if one == arm} for arm in asked.recipes)))
    if not seeds:
        raise DataError(f"A finished cross-validation is required by --final. Got: {folder}, which has folds to train.")
    return replace(asked, seeds=tuple(seeds))


def _seeds(folder: Path) -> list[int]:
    return [int(path.name.removeprefix("seed-")) for path in folder.glob("seed-*")]


def _pooled_f1(folder: Path, asked: CrossValidation, arm: str) -> float:
    truth, answers = [], []
    for fold in asked.folds_of(arm):
        run = Run.open(fold.run(folder).folder)
        rows = run.read_predictions("test")
        truth.append(run.task.truth([row["class"] for row in rows], run.labels))
        answers.append(run.task.truth([row["answer"] for row in rows], run.labels))
    return float(macro_f1(label_matrices(np.concatenate(truth), np.concatenate(answers))))


def _best_epoch(history: Sequence[Mapping[str, Any]]) -> int:
    """Return after how many epochs of its last phase the validation loss was lowest."""
    losses = [row["val_loss"] for row in history if row["phase"] == history[-1]["phase"]]
    return int(np.argmin(losses)) + 1
