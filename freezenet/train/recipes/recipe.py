"""A recipe: everything that decides a training run, as data.

Recipes are TOML files (`freezenet.train.recipes.files`) with the keys of `freezenet.train.recipes.keys`; the ones that can be named lie
in this folder.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from freezenet.edge_runtime.errors import SettingError, require_type
from freezenet.train.recipes.checks import check_together, without_effect
from freezenet.train.recipes.files import parsed_recipe, read_recipe
from freezenet.train.recipes.files import parsed_setting as parsed_setting  # beside the recipe for who changes one
from freezenet.train.recipes.files import recipe_names as recipe_names
from freezenet.train.recipes.keys import RecipeKeys

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe(RecipeKeys):
    """All settings of a run, checked one by one and together."""

    def __post_init__(self) -> None:
        """Raise SettingError where a value cannot be, or not beside the others."""
        super().__post_init__()
        check_together(self)

    def to_toml(self) -> str:
        """Return the resolved recipe as TOML: every key, also those at their default."""
        import tomli_w

        return tomli_w.dumps(asdict(self))


def load_recipe(name: str | Path, settings: str | Iterable[str] | Mapping[str, Any] = ()) -> Recipe:
    """Load a recipe by name (see `recipe_names`) or from a TOML file, then change keys of it.

    A setting without effect beside the recipe's other keys is logged.

    Args:
        name: of the recipe, or its file.
        settings: one or more texts `key=value`, or a mapping of keys to values.

    Raises:
        SettingError: there is no such recipe or key, or a value is not possible.
    """
    require_type("recipe", name, str, Path)
    settings = (settings,) if isinstance(settings, str) else settings
    changed = dict(settings) if isinstance(settings, Mapping) else dict(map(parsed_setting, settings))
    recipe = Recipe().with_settings({**read_recipe(str(name)), **changed})
    for sentence in without_effect(recipe, changed):
        logger.info(sentence)
    return recipe


def kept_recipe(text: str) -> Recipe:
    """Return the resolved recipe that a folder keeps; a key that is younger than the folder has its default.

    Raises:
        SettingError: the text is damaged, or has a key that this version does not know.
    """
    return Recipe().with_settings(parsed_recipe(text))


def load_arms(text: str, settings: tuple[str, ...] = ()) -> dict[str, Recipe]:
    """Read a comma-separated list of recipes, each with changed keys where asked (`NAME+KEY=VALUE+KEY=VALUE`); by that text.

    settings: `key=value` for all of them.
    """
    arms = [arm.strip() for arm in text.split(",") if arm.strip()]
    if not arms or len(set(arms)) < len(arms):
        raise SettingError(f"A list of different recipes is required. Got: {text!r}.")
    found = {}
    for arm in arms:
        name, *changes = arm.split("+")
        recipe = load_recipe(name, (*settings, *changes))
        found[Path(name).stem + "".join(f"+{change}" for change in changes)] = recipe
    return found
