"""Where recipes come from: TOML files that may extend each other, and `key=value` settings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from freezenet.edge_runtime.errors import SettingError
from freezenet.edge_runtime.names import meant

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RECIPES = Path(__file__).resolve().parent
DEFAULT_RECIPE = "mobile-freezenet"
#: What a recipe says of itself; another that extends it is not it.
_OWN = ("name", "summary", "source")


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with the project."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def read_recipe(name: str) -> dict[str, Any]:
    """Return the keys of a recipe, by name (see `recipe_names`) or from a TOML file, and of what it extends.

    A key `extends` holds the name of another recipe or its file, relative to the folder of the one that says so; a file of one's
    own without it extends the default recipe. The keys of the nearer file count, as a whole where they are tables; name, summary
    and source are not inherited.
    Raises SettingError where there is no such recipe, it is not TOML, or it extends itself.
    """
    return _resolved(_file_of(name, Path()), ())


def parsed_setting(setting: str) -> tuple[str, Any]:
    """Read `key=value`; the value is TOML, or a bare word."""
    key, equals, text = setting.partition("=")
    if not equals:
        raise SettingError(f"A setting key=value is required. Got: {setting}.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word is a string, so that nobody has to quote for TOML inside a shell
    return key.strip(), value


def changed_keys(one: str, other: str) -> list[str]:
    """Return the keys in which two resolved recipes, as TOML text, differ; SettingError where one is damaged."""
    first, second = parsed_recipe(one), parsed_recipe(other)
    return [key for key in {**first, **second} if first.get(key) != second.get(key)]


def parsed_recipe(text: str) -> dict[str, Any]:
    """Return the keys of a resolved recipe as TOML text; SettingError where it is damaged."""
    return _parsed(text.encode(), "the recipe that the folder keeps")


def _file_of(name: str, folder: Path) -> Path:
    for path in (RECIPES / f"{name}.toml", folder / name, folder / f"{name}.toml"):
        if path.is_file():
            return path
    if name.endswith(".toml"):
        raise SettingError(f"A recipe's TOML file is required. Got: {folder / name}, which is no file.")
    raise SettingError(
        f"A recipe's name or TOML file is required. Got: {name}.{meant(name, recipe_names())} The names are "
        f"{', '.join(recipe_names())}."
    )


def _parsed(content: bytes, origin: object) -> dict[str, Any]:
    """Return what a recipe's file says. origin: where it stands, for the refusal of what is no TOML."""
    try:
        return tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(
            "A recipe in TOML is required, where words stand in quotes and numbers begin with a digit (0.5, not .5). "
            f"Got: {origin}: {error}."
        ) from None


def _resolved(path: Path, extending: tuple[Path, ...]) -> dict[str, Any]:
    """Return a file's keys; extending: the files on the way to it."""
    chain = (*extending, path.resolve())
    if path.resolve() in extending:
        names = " extends ".join(one.stem for one in chain)
        raise SettingError(f"A recipe that does not extend itself is required. Got: {names}.")
    content = _parsed(path.read_bytes(), path)
    # A file of one's own that says only what it wants otherwise means: otherwise than the default.
    base = content.pop("extends", None if path.resolve().parent == RECIPES else DEFAULT_RECIPE)
    inherited = {}
    if base is not None:
        if not isinstance(base, str):
            raise SettingError(f"Recipe key extends must be a recipe's name or file. Got: {base!r} in {path}.")
        inherited = _resolved(_file_of(base, path.parent), chain)
    return {**{key: value for key, value in inherited.items() if key not in _OWN}, "name": path.stem, **content}
