"""What a cross-validation was begun with, in plan.json of its folder; who goes on with it, or builds on it, is held to that."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from freezenet.edge_runtime.errors import DataError, SettingError
from freezenet.train.crossval.plan import CrossValidation
from freezenet.train.data.dataset import Dataset, content_hash
from freezenet.train.data.training_data import TrainingData
from freezenet.train.files import read_json, write_json
from freezenet.train.recipes.files import changed_keys
from freezenet.train.recipes.recipe import kept_recipe

logger = logging.getLogger(__name__)

PLAN = "plan.json"
#: Key of the plan that is one for all arms -> what it is called, with its verb.
_OF_ALL = {
    "leave_out": "column to leave out by is",
    "folds": "number of folds is",
    "weights": "weights are",
}
#: Keys of a recipe that choose which images it meets, and as what.
_CHOICE = {"classes", "task"}


def begin(asked: CrossValidation, data: Mapping[str, TrainingData], out: Path) -> None:
    """Write down what was asked for, or check that what lies there was asked for in the same way.

    Args:
        asked: the plan.
        data: of its recipes, by arm.
        out: folder of the cross-validation.

    Raises:
        SettingError: the folder was begun with something else.
    """
    plan = _plan(asked, data)
    if (out / PLAN).is_file():
        before = _begun_with(out, plan)
        _refuse_another(before, plan, out, "to go on", "pass --overwrite or choose another name")
        plan = {**before, **plan, **{key: before.get(key, {}) | plan[key] for key in _of_arms(plan)}}
    write_json(out / PLAN, plan)
    left_out = [arm for arm in plan["recipes"] if arm not in asked.recipes]
    if left_out:
        logger.info(f"{out} also holds {', '.join(left_out)}: add them to --recipes to see them in the tables too.")


def refuse_another_basis(asked: CrossValidation, data: Mapping[str, TrainingData], folder: Path) -> None:
    """Refuse to build a final model on a cross-validation that was begun with something else; see `begin`."""
    plan = _plan(asked, data)
    _refuse_another(_begun_with(folder, plan), plan, folder, "by --final", "pass what the cross-validation was given")


def weights_of(folder: Path) -> str:
    """Return the weights that a cross-validation starts from: "imagenet", "none", or the path of a file.

    Raises:
        DataError: the folder is no cross-validation.
    """
    return str(read_plan(folder)["weights"])


def read_plan(folder: Path) -> dict[str, Any]:
    """Return what plan.json holds; a key of a recipe that is younger than the folder has its default.

    Raises:
        DataError: the folder is no cross-validation.
    """
    if not (folder / PLAN).is_file():
        raise DataError(f"A folder of freezenet crossval is required by --final. Got: {folder}.")
    plan: dict[str, Any] = read_json(folder / PLAN)
    plan["recipes"] = {arm: kept_recipe(text).to_toml() for arm, text in plan["recipes"].items()}
    return plan


def _begun_with(folder: Path, plan: dict[str, Any]) -> dict[str, Any]:
    """Return the plan of a folder, its facts by arm where those of another plan are."""
    before = read_plan(folder)
    groups, now = before.get("groups_sha256"), plan.get("groups_sha256", {})
    if now and isinstance(groups, str):  # of a version that kept it of the first arm of a call alone
        owner = next((arm for arm in before["recipes"] if now.get(arm) == groups), next(iter(before["recipes"])))
        before["groups_sha256"] = {owner: groups}
    return before


def _plan(asked: CrossValidation, data: Mapping[str, TrainingData]) -> dict[str, Any]:
    plan: dict[str, Any] = {
        "data": str(asked.data.resolve()),
        "samples_sha256": {arm: _samples_hash(data[arm]) for arm in asked.recipes},
        "folds": asked.folds,
        "weights": asked.options.weights_origin,
        "recipes": {arm: recipe.to_toml() for arm, recipe in asked.recipes.items()},
    }
    if asked.leave_out:
        plan["leave_out"] = asked.leave_out
        plan["groups_sha256"] = {arm: _groups_hash(data[arm].dataset) for arm in asked.recipes}
    return plan


def _of_arms(plan: Mapping[str, Any]) -> list[str]:
    """Return the keys of a plan whose facts differ from arm to arm."""
    return [key for key, value in plan.items() if isinstance(value, dict)]


def _refuse_another(before: dict[str, Any], plan: dict[str, Any], folder: Path, purpose: str, advice: str) -> None:
    """Refuse a plan that is another than that of a folder in a fact which both hold."""
    for key, what in _OF_ALL.items():
        if key in plan and before.get(key, plan[key]) != plan[key]:
            raise SettingError(
                f"The same {what} required {purpose}. Got: {plan[key]} for {folder}, begun with {before[key]}; {advice}."
            )
    of_arms = {
        "samples_sha256": "data (images, classes, patients and folds)",
        "groups_sha256": f"values in the column {plan.get('leave_out')}",
        "recipes": "recipe settings",
    }
    for key, what in of_arms.items():
        if changed := _changed_arms(before, plan, key):
            raise SettingError(
                f"The same {what} are required {purpose}. Got: others for {', '.join(changed)} than {folder} was begun "
                f"with{_keys(changed, before[key], plan[key]) if key == 'recipes' else ''}; {advice}."
            )


def _keys(arms: list[str], before: dict[str, str], now: dict[str, str]) -> str:
    """Return " (epochs, seed)": the keys in which recipes as TOML text differ."""
    keys = {key: None for arm in arms for key in changed_keys(before[arm], now[arm])}
    return f" ({', '.join(keys)})"


def _changed_arms(before: dict[str, Any], plan: dict[str, Any], key: str) -> list[str]:
    """Return the arms of which a fact has changed.

    An arm of which the folder does not hold it is compared with those that chose the same classes and task, whose images are the same.
    """
    known, now = before.get(key, {}), plan.get(key, {})

    def is_other(arm: str) -> bool:
        if arm in known or key == "recipes":
            return known.get(arm, now[arm]) != now[arm]
        choice = plan["recipes"][arm]
        alike = [one for one in known if _CHOICE.isdisjoint(changed_keys(before["recipes"][one], choice))]
        return any(known[one] != now[arm] for one in alike)

    return [arm for arm in now if is_other(arm)]


def _samples_hash(data: TrainingData) -> str:
    """Return a hash of everything about the images that a fold depends on."""
    samples = zip(data.images.hashes, data.dataset.samples, strict=True)
    return content_hash(
        repr((digest, sample.label, sample.patient, sample.split, sample.fold)) for digest, sample in samples
    )


def _groups_hash(dataset: Dataset) -> str:
    """Return a hash of what stands in the column that is left out by."""
    return content_hash(sample.group for sample in dataset.samples)
