"""Cross-validation of recipes over folds and seeds, each fold a RUN folder of its own.

DIR/
  plan.json                     what was asked for: data, folds, weights, recipes
  RECIPE/seed-S/fold-K/         a RUN folder (without model.keras, unless models are kept)
  folds.csv                     one row per recipe, seed and fold
  crossval.json                 means, deviations, tests        crossval.png   the same as a picture

All recipes meet the same folds, and folds, recipes and seeds share the caches of their frozen halves. What is finished is not
done again, so a killed call goes on, and recipes and seeds can be added later.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.train.crossval.folds import fold_numbers, fold_sides
from freezenet.train.crossval.table import write_table
from freezenet.train.data.dataset import content_hash
from freezenet.train.files import MARK, prepare_output, read_json, write_json
from freezenet.train.recipes.files import changed_keys
from freezenet.train.recipes.recipe import Recipe
from freezenet.train.run import FINISHED, weights_origin
from freezenet.train.training import Material, load_classes, read_material, train_on

logger = logging.getLogger(__name__)

PLAN = "plan.json"
#: Folds of data that name none.
_FOLDS = 10


@dataclass(frozen=True)
class Fold:
    """One training of a cross-validation: which recipe, which seed, which fold is tested (1..folds)."""

    arm: str
    seed: int
    number: int

    def folder(self, out: Path) -> Path:
        """Return the RUN folder of this fold."""
        return out / self.arm / f"seed-{self.seed}" / f"fold-{self.number}"


@dataclass(frozen=True)
class CrossValidation:
    """What is asked for.

    data: path of DATA. recipes: by the name of their arm. folds: the data's own are taken where they are as many. seeds: each
    shuffles the folds, unless they are the data's own, and starts the training anew. weights, cache: see
    `freezenet.train.training.train`. keep_models: whether model.keras of each fold stays.
    """

    data: Path
    recipes: dict[str, Recipe]
    folds: int = 10
    seeds: tuple[int, ...] = (0,)
    weights: str = "imagenet"
    cache: Path | None = None
    keep_models: bool = False

    def all_folds(self) -> Iterator[Fold]:
        """Yield every training, seed by seed, so that an unfinished cross-validation compares like with like."""
        for seed in self.seeds:
            for arm in self.recipes:
                for number in range(1, self.folds + 1):
                    yield Fold(arm, seed, number)

    def recipe(self, fold: Fold) -> Recipe:
        """Return the recipe of one training."""
        return self.recipes[fold.arm].with_settings({"seed": fold.seed})


def count_folds(materials: dict[str, Material], folds: int | None, out: Path) -> int:
    """Return `folds`, or where it is None those that `out` was begun with, the data's own, or ten."""
    if folds is None and (out / PLAN).is_file():
        return int(read_json(out / PLAN)["folds"])
    own = max(len(material.dataset.folds) for material in materials.values())
    if folds is None:
        return own or _FOLDS
    if own and own != folds:
        logger.info(f"The data's own {own} folds are set aside for {folds} others.")
    return folds


#: Trains folds and yields each when it is finished; `freezenet.train.crossval.ray_cluster` holds the other one.
Engine = Callable[[CrossValidation, dict[str, Material], list[Fold], Path], Iterator[Fold]]


def cross_validate(
    asked: CrossValidation, materials: dict[str, Material], out: Path, engine: Engine, overwrite: bool = False
) -> dict[str, Any]:
    """Train every fold that `out` does not hold yet, write the tables, and return what stands in crossval.json.

    materials: those of the asked recipes, by arm; others may be among them.
    """
    refuse_other_verbs(out)
    for arm in asked.recipes:
        tested_images(asked, materials[arm], Fold(arm, 0, 1))  # a refusal comes before anything is written
    prepare_output(out, None, overwrite)
    _begin(asked, materials, out)
    open_folds = [fold for fold in asked.all_folds() if not (fold.folder(out) / FINISHED).is_file()]
    total = len(asked.recipes) * len(asked.seeds) * asked.folds
    done = total - len(open_folds)
    if done:
        logger.info(f"{done} of {total} folds are finished already")
    started = time.perf_counter()
    for trained, fold in enumerate(engine(asked, materials, open_folds, out), 1):
        done += 1
        left = len(open_folds) - trained
        minutes = max(1, round((time.perf_counter() - started) / trained * left / 60))
        remaining = f"; about {minutes} min left" if left else ""
        found = read_json(fold.folder(out) / FINISHED)
        logger.info(
            f"[{done}/{total}] {fold.arm}, seed {fold.seed}, fold {fold.number}: accuracy "
            f"{found['accuracy']['value']:.3f}, macro-F1 {found['macro_f1']['value']:.3f}{remaining}"
        )
    return write_table(asked, out)


def read_materials(data: Path, recipes: dict[str, Recipe], skip_unreadable: bool = False) -> dict[str, Material]:
    """Read the images once for each preprocessing and choice of classes that the recipes ask for; by arm."""
    found: dict[Any, Material] = {}
    by_arm = {}
    for arm, recipe in recipes.items():
        key = (recipe.image_size, recipe.classes, recipe.task)
        if key not in found:
            found[key] = read_material(data, load_classes(data, recipe), recipe, skip_unreadable)
        by_arm[arm] = found[key]
    return by_arm


def in_this_process(
    asked: CrossValidation, materials: dict[str, Material], folds: list[Fold], out: Path
) -> Iterator[Fold]:
    """Train the folds one after the other."""
    for fold in folds:
        folder = fold.folder(out)
        folder.parent.mkdir(parents=True, exist_ok=True)
        train_fold(asked, materials[fold.arm], fold, folder)
        yield fold


def train_fold(asked: CrossValidation, material: Material, fold: Fold, folder: Path) -> None:
    """Train one fold into its RUN folder."""
    import keras

    recipe = asked.recipe(fold)
    tested = tested_images(asked, material, fold)
    sides = fold_sides(material.dataset, tested, recipe.validation_share, fold.seed)
    keras.backend.clear_session()  # a hundred networks in one process would fill the memory
    train_on(material, sides, folder, recipe, asked.weights, asked.cache)
    shutil.rmtree(folder / "events", ignore_errors=True)
    if not asked.keep_models:
        (folder / "model.keras").unlink(missing_ok=True)


def tested_images(asked: CrossValidation, material: Material, fold: Fold) -> NDArray[np.bool_]:
    """Return which images (n,) the fold tests."""
    own = material.dataset.folds
    if len(own) == asked.folds:
        return np.array([sample.fold == own[fold.number - 1] for sample in material.dataset.samples])
    return fold_numbers(material.dataset, asked.folds, fold.seed) == fold.number - 1


def refuse_other_verbs(out: Path) -> None:
    """Refuse a folder of another verb: a run in it would be mixed with this, or lost to --overwrite."""
    if (out / MARK).exists() and not (out / PLAN).is_file() and any(path.name != MARK for path in out.iterdir()):
        raise FreezenetError(
            f"A folder of freezenet crossval, or a new one, is required. Got: {out}, which another verb wrote; choose "
            "another name."
        )


def _begin(asked: CrossValidation, materials: dict[str, Material], out: Path) -> None:
    """Write down what was asked for, or check that what lies there was asked for in the same way."""
    account: dict[str, Any] = {
        "data": str(asked.data.resolve()),
        "samples_sha256": {arm: _samples_hash(materials[arm]) for arm in asked.recipes},
        "folds": asked.folds,
        "weights": weights_origin(asked.weights),
        "recipes": {arm: recipe.to_toml() for arm, recipe in asked.recipes.items()},
    }
    if (out / PLAN).is_file():
        before = read_json(out / PLAN)
        for key, what in (("folds", "number of folds"), ("weights", "weights")):
            if before[key] != account[key]:
                raise FreezenetError(
                    f"The same {what} is required to go on. Got: {account[key]} for {out}, begun with {before[key]}; "
                    "pass --overwrite or choose another name."
                )
        for key, what in (
            ("samples_sha256", "data (images, classes, patients and folds)"),
            ("recipes", "recipe settings"),
        ):
            changed = [arm for arm in account[key] if before[key].get(arm, account[key][arm]) != account[key][arm]]
            if changed:
                raise FreezenetError(
                    f"The same {what} are required to go on. Got: others for {', '.join(changed)} than {out} was begun "
                    f"with{_keys(changed, before[key], account[key]) if key == 'recipes' else ''}; pass --overwrite or "
                    "choose another name."
                )
            account[key] = before[key] | account[key]
    write_json(out / PLAN, account)
    left_out = [arm for arm in account["recipes"] if arm not in asked.recipes]
    if left_out:
        logger.info(f"{out} also holds {', '.join(left_out)}: add them to --recipes to see them in the tables too.")


def _keys(arms: list[str], before: dict[str, str], now: dict[str, str]) -> str:
    """Return " (epochs, seed)": the keys in which recipes as TOML text differ."""
    keys = {key: None for arm in arms for key in changed_keys(before[arm], now[arm])}
    return f" ({', '.join(keys)})"


def _samples_hash(material: Material) -> str:
    """Return a hash of everything about the images that a fold depends on."""
    samples = zip(material.images.hashes, material.dataset.samples, strict=True)
    return content_hash(
        repr((digest, sample.label, sample.patient, sample.split, sample.fold)) for digest, sample in samples
    )
