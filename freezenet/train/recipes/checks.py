"""Keys of a recipe that are each possible, but not together."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from freezenet.edge_runtime.errors import SettingError
from freezenet.train.network.backbones import BACKBONES
from freezenet.train.recipes.keys import BINARY_LOSSES, RecipeKeys

#: Keys, what they need to have an effect, and whether a recipe gives it.
_NEEDS: tuple[tuple[tuple[str, ...], str, Callable[[RecipeKeys], object]], ...] = (
    (
        ("attention_source", "attention_weights", "attention_beta", "attention_gamma", "attention_temperature",
         "attention_pairs"),
        "loss=attention",
        lambda recipe: recipe.loss == "attention",
    ),
    (
        ("difficulty_epochs",),
        "loss=attention and attention_source=difficulty",
        lambda recipe: recipe.loss == "attention" and recipe.attention_source == "difficulty",
    ),
    (("class_balanced_beta",), "loss=class-balanced", lambda recipe: recipe.loss == "class-balanced"),
    (("focal_gamma", "focal_alpha"), "loss=focal or binary-focal", lambda recipe: recipe.loss in ("focal", "binary-focal")),
    (("patience",), "stopping=early", lambda recipe: recipe.stopping == "early"),
    (("abstain_by",), "task=multi-class", lambda recipe: recipe.task == "multi-class"),
    (("threshold_metric",), "task=multi-label", lambda recipe: recipe.task == "multi-label"),
    (("batchnorm_momentum",), "batchnorm=train", lambda recipe: recipe.batchnorm == "train"),
    (("head_batchnorm",), "head_units", lambda recipe: recipe.head_units),
    (("head_learning_rate",), "head_epochs above 0", lambda recipe: recipe.head_epochs),
    (("schedule_epochs", "schedule_factor"), "schedule=step or plateau", lambda recipe: recipe.schedule in ("step", "plateau")),
    (("augment_rotation_probability",), "augment_rotation above 0", lambda recipe: recipe.augment_rotation),
    (("augment_copies",), "a change of the images, such as augment_rotation, and a cache", lambda recipe: recipe.versions),
)  # fmt: skip


def check_together(recipe: RecipeKeys) -> None:
    """Raise SettingError, with what to change, where keys of a recipe contradict each other."""
    backbone = BACKBONES[recipe.backbone]
    if recipe.image_size < backbone.smallest:
        raise SettingError(
            f"An image_size of at least {backbone.smallest} is required for {recipe.backbone}. Got: {recipe.image_size}."
        )
    if recipe.alpha != 1 and not backbone.widths:
        with_width = [name for name, one in BACKBONES.items() if one.widths]
        raise SettingError(
            f"alpha = 1 is required for {recipe.backbone}, whose width is fixed. Got: {recipe.alpha:g}; "
            f"alpha is a key of {' and '.join(with_width)}."
        )
    binary = recipe.loss in BINARY_LOSSES
    if (recipe.task == "multi-label") != binary:
        raise SettingError(
            f"Loss {' or '.join(BINARY_LOSSES)} and task multi-label belong together. Got: task {recipe.task} with loss "
            f"{recipe.loss}; change one of them with --set."
        )
    if len(recipe.classes) == 1 or len(set(recipe.classes)) < len(recipe.classes):
        raise SettingError(
            f"Two or more different classes are required, or none for all. Got: {', '.join(recipe.classes)}."
        )
    if recipe.schedule == "plateau" and recipe.stopping == "early" and recipe.schedule_epochs >= recipe.patience:
        raise SettingError(
            f"schedule_epochs below patience ({recipe.patience}) is required for the schedule plateau, or the training stops "
            f"before the learning rate falls. Got: {recipe.schedule_epochs}."
        )


def without_effect(recipe: RecipeKeys, keys: Iterable[str]) -> list[str]:
    """Return a sentence about each of the keys, set to other than its default, that changes nothing beside the other keys."""
    keys = list(keys)
    return [
        f"Recipe {recipe.name}: {key} has no effect without {needed}."
        for group, needed, given in _NEEDS
        for key in group
        if key in keys and getattr(recipe, key) != getattr(type(recipe), key) and not given(recipe)
    ]
