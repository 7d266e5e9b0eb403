"""What a training is asked for beside DATA and the recipe: as a frozen dataclass, and as options of the command line.

`train`, `crossval`, `pipeline` and the studies share both.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from freezenet.edge_runtime.options import json_option as json_option
from freezenet.edge_runtime.settings import Settings, setting

_Command = TypeVar("_Command", bound=Callable[..., Any])

DEFAULT_RECIPE = "mobile-freezenet"


@dataclass(frozen=True)
class TrainingOptions(Settings):
    """How `freezenet.train` goes about it.

    Args:
        weights: "imagenet", "none", or a file of Keras, see `freezenet.train.network.model.build_model`.
        cache: folder of the cache of the frozen backbone's features; None for the user's.
        overwrite: replace the results in the output folder.
        skip_unreadable: leave out images that cannot be read, and name them.
        not_cxr: folder of images that are no chest X-rays, for the OOD gate.
    """

    weights: str = setting("imagenet", convert=os.fspath, expected="imagenet, none, or the path of a file of Keras")
    cache: Path | None = setting(None, convert=Path, expected="a path")
    overwrite: bool = False
    skip_unreadable: bool = False
    not_cxr: Path | None = setting(None, convert=Path, expected="a path")

    @property
    def weights_origin(self) -> str:
        """Where the weights come from: "imagenet", "none", or the absolute path of the file."""
        return str(Path(self.weights).resolve()) if Path(self.weights).is_file() else self.weights


def out_option(metavar: str, default: str | None = None, what: str = "the results") -> Callable[[_Command], _Command]:
    """Return the option --out, required where it has no default."""
    # click 8.3 takes a default of None for a value.
    shown: dict[str, Any] = {"required": True} if default is None else {"default": default, "show_default": True}
    return click.option("--out", type=click.Path(path_type=Path), metavar=metavar, help=f"Folder for {what}.", **shown)


overwrite_option = click.option("--overwrite", is_flag=True, help="Replace the results in the output folder.")
set_option = click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change one key of the recipe; may be repeated."
)
weights_option = click.option(
    "--weights",
    default="imagenet",
    show_default=True,
    metavar="imagenet|none|FILE",
    help="Start from Keras' ImageNet weights (downloaded once), random ones, or a file of Keras (.h5, .keras).",
)
recipe_option = click.option(
    "--recipe", default=DEFAULT_RECIPE, show_default=True, metavar="NAME|FILE", help="A recipe's name or TOML file."
)
_cache_option = click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the cache of the frozen backbone's features; default: the user's.",
)
_skip_option = click.option(
    "--skip-unreadable", is_flag=True, help="Leave out images that cannot be read, and name them."
)
_not_cxr_option = click.option(
    "--not-cxr",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Images that are no chest X-rays: half train the OOD gate, half test it.",
)


def recipe_options(command: _Command) -> _Command:
    """Add --recipe and --set; the command takes them as one argument, `recipe`.

    A mistake in them is told before TensorFlow has started.
    """

    @functools.wraps(command)
    def with_recipe(*args: Any, recipe: str, settings: tuple[str, ...], **others: Any) -> Any:
        from freezenet.train.recipes.recipe import load_recipe

        return command(*args, recipe=load_recipe(recipe, settings), **others)

    return recipe_option(set_option(with_recipe))  # type: ignore[return-value]


def training_options(command: _Command) -> _Command:
    """Add --weights, --cache, --overwrite and --skip-unreadable; the command takes them as one argument, `options`."""

    @functools.wraps(command)
    def with_options(
        *args: Any,
        weights: str,
        cache: Path | None,
        overwrite: bool,
        skip_unreadable: bool,
        not_cxr: Path | None = None,
        **others: Any,
    ) -> Any:
        return command(*args, options=TrainingOptions(weights, cache, overwrite, skip_unreadable, not_cxr), **others)

    return weights_option(_cache_option(overwrite_option(_skip_option(with_options))))  # type: ignore[return-value]


def training_options_with_negatives(command: _Command) -> _Command:
    """Add what `training_options` does, and --not-cxr."""
    return training_options(_not_cxr_option(command))
