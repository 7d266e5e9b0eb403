"""Cross-validation of recipes over folds and seeds, each fold a RUN folder of its own.

DIR/
  plan.json                     what was asked for: data, folds, weights, recipes
  RECIPE/seed-S/fold-K/         a RUN folder (without model.keras, unless models are kept)
  RECIPE/seed-S/without-K/      the same without one source; transfer.csv holds the figures of these (`freezenet.train.crossval.left_out`)
  folds.csv                     one row per recipe, seed and fold
  crossval.json                 means, deviations, tests        crossval.png   the same as a picture

All recipes meet the same folds, and folds, recipes and seeds share the caches of their frozen halves. What is finished is not
done again, so a killed call goes on, and recipes and seeds can be added later.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.errors import SettingError
from freezenet.edge_runtime.names import counted
from freezenet.train.crossval.folds import fold_numbers, fold_splits, own_folds
from freezenet.train.crossval.left_out import left_out_folds, with_groups, without
from freezenet.train.crossval.plan import CrossValidation, Engine, Fold
from freezenet.train.crossval.plan_file import PLAN, begin
from freezenet.train.crossval.table import write_table
from freezenet.train.data.dataset import SPLITS, Dataset
from freezenet.train.data.training_data import TrainingData
from freezenet.train.files import MARK, prepare_output, read_json, require_drawing
from freezenet.train.network.host_settings import own_settings
from freezenet.train.recipes.recipe import Recipe
from freezenet.train.run_folder import RunFolder
from freezenet.train.training import load_classes, read_data, train_on

logger = logging.getLogger(__name__)

#: Folds of data that name none.
_FOLDS = 10


def count_folds(data: dict[str, TrainingData], folds: int | None, out: Path, usual: int | None = None) -> int:
    """Return `folds`, or where it is None those that `out` was begun with, the data's own, or the usual number, ten.

    Args:
        data: by arm.
        folds: what was asked for.
        out: folder of the cross-validation.
        usual: another usual number.
    """
    if folds is None and (out / PLAN).is_file():
        return int(read_json(out / PLAN)["folds"])
    own = max(len(one.dataset.folds) for one in data.values())
    if own == 1:
        logger.warning("The data names one fold only, so it is set aside.")
        own = 0
    if folds is None:
        folds = own or usual or _FOLDS
    if own and own != folds:
        logger.warning(f"The data's own {own} folds are set aside for {folds} others.")
    return folds


def cross_validate(
    asked: CrossValidation,
    out: Path,
    *,
    data: dict[str, TrainingData],
    engine: Engine,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Train every fold that `out` does not hold yet, write the tables, and return what stands in crossval.json.

    Args:
        asked: the plan.
        out: folder of the cross-validation.
        data: of the asked recipes, by arm (`read_data_by_arm`); others may be among them.
        engine: what trains the folds.
        overwrite: empty the folder first.
    """
    refuse_other_verbs(out)
    require_drawing()  # its picture comes after all trainings
    for arm in asked.recipes:
        tested_images(asked, data[arm].dataset, Fold(arm, 0, 1))  # a refusal comes before anything is written
    prepare_output(out, None, overwrite)
    begin(asked, data, out)
    _say_what_is_not_tested(asked, {id(data[arm]): data[arm].dataset for arm in asked.recipes}.values())
    all_folds = [
        *asked.all_folds(),
        *(fold for arm in asked.recipes for fold in left_out_folds(asked, arm, data[arm].dataset)),
    ]
    open_folds = [fold for fold in all_folds if not fold.run(out).finished]
    total = len(all_folds)
    done = total - len(open_folds)
    if done:
        logger.info(f"{done} of {total} folds are finished already")
    started = time.perf_counter()
    for trained, fold in enumerate(engine(asked, data, open_folds, out), 1):
        done += 1
        left = len(open_folds) - trained
        minutes = max(1, round((time.perf_counter() - started) / trained * left / 60))
        remaining = f"; about {minutes} min left" if left else ""
        found = fold.run(out).read_metrics()
        logger.info(
            f"[{done}/{total}] {fold.arm}, seed {fold.seed}, {fold.name}: accuracy "
            f"{found['accuracy']['value']:.3f}, macro-F1 {found['macro_f1']['value']:.3f}{remaining}"
        )
    return write_table(asked, out, data)


def read_data_by_arm(
    data: Path, recipes: dict[str, Recipe], *, skip_unreadable: bool = False, leave_out: str = ""
) -> dict[str, TrainingData]:
    """Read the images once for each preprocessing and choice of classes that the recipes ask for; by arm.

    leave_out: column of DATA whose values the samples then know, see `freezenet.train.crossval.left_out`.
    """
    found: dict[Any, TrainingData] = {}
    by_arm = {}
    for arm, recipe in recipes.items():
        key = (recipe.image_size, recipe.classes, recipe.task)
        if key not in found:
            dataset = load_classes(data, recipe, [leave_out] if leave_out else [])
            if leave_out:
                dataset = with_groups(dataset, leave_out)
            found[key] = read_data(dataset, recipe, skip_unreadable=skip_unreadable)
        by_arm[arm] = found[key]
    return by_arm


def in_this_process(
    asked: CrossValidation, data: dict[str, TrainingData], folds: list[Fold], out: Path
) -> Iterator[Fold]:
    """Train the folds one after the other."""
    for fold in folds:
        run = fold.run(out)
        run.folder.parent.mkdir(parents=True, exist_ok=True)
        train_fold(asked, data[fold.arm], fold, run)
        yield fold


@own_settings()
def train_fold(asked: CrossValidation, data: TrainingData, fold: Fold, run: RunFolder) -> None:
    """Train one fold into its RUN folder."""
    import keras

    recipe = asked.recipe(fold)
    if fold.left_out:
        data = without(data, fold.left_out)
    tested = tested_images(asked, data.dataset, fold)
    splits = fold_splits(data.dataset, tested, recipe.validation_share, fold.seed, left_out=bool(fold.left_out))
    keras.backend.clear_session()  # a hundred networks in one process would fill the memory
    train_on(data.with_splits(splits), run.folder, recipe=recipe, options=asked.options)
    shutil.rmtree(run.events, ignore_errors=True)
    if not asked.keep_models:
        run.model_file.unlink(missing_ok=True)


def tested_images(asked: CrossValidation, dataset: Dataset, fold: Fold) -> NDArray[np.bool_]:
    """Return which images (n,) the fold tests."""
    if fold.left_out:
        return np.array([sample.group == fold.left_out for sample in dataset.samples])
    own = dataset.folds
    if len(own) == asked.folds:
        return own_folds(dataset) == own[fold.number - 1]
    return fold_numbers(dataset, asked.folds, fold.seed) == fold.number - 1


def _say_what_is_not_tested(asked: CrossValidation, datasets: Iterable[Dataset]) -> None:
    """Say what becomes of the splits and folds that data sets name."""
    for dataset in datasets:
        splits = Counter(sample.split for sample in dataset.samples if sample.split)
        if splits:
            shown = ", ".join(f"{name} {splits[name]}" for name in SPLITS if splits[name])
            logger.warning(
                f"The data's own split ({shown} images) is set aside: each image is tested in one fold, so figures of its test split are "
                "others."
            )
        without = sum(not sample.fold for sample in dataset.samples)
        if without and len(dataset.folds) == asked.folds:
            logger.warning(
                f"{counted(without, 'image')} of {len(dataset.samples)} in no fold: every fold trains on them and none tests them."
            )


def refuse_other_verbs(out: Path) -> None:
    """Refuse a folder of another verb: a run in it would be mixed with this, or lost to --overwrite."""
    if (out / MARK).exists() and not (out / PLAN).is_file() and any(path.name != MARK for path in out.iterdir()):
        raise SettingError(
            f"A folder of freezenet crossval, or a new one, is required. Got: {out}, which another verb wrote; choose "
            "another name."
        )
