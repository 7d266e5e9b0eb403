"""Keys of a recipe that are each possible, but not together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.errors import FreezenetError
from train.backbones import BACKBONES

if TYPE_CHECKING:
    from train.recipe import Recipe

#: Losses of one sigmoid for each label; the others are of one softmax over all classes.
BINARY_LOSSES = ("binary-cross-entropy", "binary-focal")
_MOST_UNITS = 65_536


def check_together(recipe: Recipe) -> None:
    """Raise FreezenetError, with what to change, where keys of a recipe contradict each other."""
    backbone = BACKBONES[recipe.backbone]
    if recipe.image_size < backbone.smallest:
        raise FreezenetError(
            f"An image_size of at least {backbone.smallest} is required for {recipe.backbone}. Got: {recipe.image_size}."
        )
    if recipe.alpha != 1 and not backbone.widths:
        with_width = [name for name, one in BACKBONES.items() if one.widths]
        raise FreezenetError(
            f"alpha = 1 is required for {recipe.backbone}, whose width is fixed. Got: {recipe.alpha:g}; "
            f"alpha is a key of {' and '.join(with_width)}."
        )
    binary = recipe.loss in BINARY_LOSSES
    if (recipe.task == "multi-label") != binary:
        raise FreezenetError(
            f"Loss {' or '.join(BINARY_LOSSES)} and task multi-label belong together. Got: task {recipe.task} with loss "
            f"{recipe.loss}; change one of them with --set."
        )
    if len(recipe.classes) == 1 or len(set(recipe.classes)) < len(recipe.classes):
        raise FreezenetError(
            f"Two or more different classes are required, or none for all. Got: {', '.join(recipe.classes)}."
        )
    if not all(0 < units <= _MOST_UNITS for units in recipe.head_units):
        raise FreezenetError(
            f"head_units from 1 to {_MOST_UNITS} are required. Got: {', '.join(map(str, recipe.head_units))}."
        )
    if recipe.schedule == "plateau" and recipe.schedule_epochs >= recipe.patience:
        raise FreezenetError(
            f"schedule_epochs below patience ({recipe.patience}) is required for the schedule plateau, or the training stops "
            f"before the learning rate falls. Got: {recipe.schedule_epochs}."
        )
