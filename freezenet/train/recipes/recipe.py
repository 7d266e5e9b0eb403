"""A recipe: everything that decides a training run, as data.

Recipes are TOML files with the keys of `Recipe` (`freezenet.train.recipes.files`); `train/recipes/` holds the ones that can be named.
"""

from __future__ import annotations

import contextlib
import logging
import math
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.edge_runtime.names import meant
from freezenet.train.network.backbones import BACKBONES
from freezenet.train.recipes.checks import check_together, without_effect
from freezenet.train.recipes.files import parsed_setting as parsed_setting  # beside the recipe for who changes one
from freezenet.train.recipes.files import read_recipe
from freezenet.train.recipes.files import recipe_names as recipe_names

logger = logging.getLogger(__name__)

_CHOICES: dict[str, tuple[str, ...]] = {
    "backbone": tuple(BACKBONES),
    "freeze": ("first", "random"),
    "pooling": ("average", "max"),
    "batchnorm": ("train", "inference"),
    "task": ("multi-class", "multi-label"),
    "loss": (
        "attention",
        "cross-entropy",
        "inverse-frequency",
        "bwcce",
        "class-balanced",
        "focal",
        "binary-cross-entropy",
        "binary-focal",
    ),
    "attention_source": ("statistics", "difficulty"),
    "sampling": ("shuffle", "inverse-frequency"),
    "schedule": ("constant", "cosine", "step", "plateau"),
    "threshold_metric": ("f1", "matthews"),
    "cache": ("float16", "float32", "none"),
    "precision": ("float32", "mixed_float16", "mixed_bfloat16"),
    "devices": ("auto", "cpu", "all"),
}
# key -> (lowest, highest) allowed
_RANGES: dict[str, tuple[float, float]] = {
    "alpha": (0.05, 4),
    "image_size": (32, 1024),
    "std": (1e-6, math.inf),
    "freeze_fraction": (0, 1),
    "dropout": (0, 0.95),
    "batchnorm_momentum": (0, 0.9999),
    "attention_pairs": (1, 1_000_000),
    "attention_temperature": (1e-3, math.inf),
    "difficulty_epochs": (1, 1000),
    "class_balanced_beta": (0, 0.9999999),
    "focal_gamma": (0, 10),
    "label_smoothing": (0, 0.9),
    "head_epochs": (0, 100_000),
    "head_learning_rate": (1e-8, 10),
    "learning_rate": (1e-8, 10),
    "adam_epsilon": (1e-12, 1),
    "schedule_epochs": (1, 100_000),
    "schedule_factor": (0.01, 0.99),
    "weight_average": (0, 0.99999),
    "batch_size": (1, 65536),
    "epochs": (1, 100_000),
    "patience": (1, 100_000),
    "abstain_risk": (0, 1),
    "validation_share": (0.01, 0.5),
    "test_share": (0.01, 0.5),
    "seed": (0, 2**31 - 1),
    "augment_rotation": (0, 180),
    "augment_rotation_probability": (0, 1),
    "augment_shear": (0, 1),
    "augment_copies": (0, 1000),
    "augment_zoom": (0, 0.9),
    "augment_shift": (0, 0.9),
    "augment_brightness": (0, 1),
    "augment_contrast": (0, 1),
}

# Keys with a number for each class.
_CLASS_NUMBERS = ("attention_weights", "focal_alpha")
_KINDS: dict[type, str] = {int: "a whole number", float: "a number", str: "a word", bool: "true or false"}
_EXAMPLES: dict[type, str] = {str: '["COVID", "Normal"]', int: "[256, 64]"}
_ITEMS: dict[str, type] = {"tuple[str, ...]": str, "tuple[int, ...]": int}
# Keys that change a training image; the other keys of augmentation say how often and where.
_CHANGES = (
    "augment_horizontal_flip",
    "augment_vertical_flip",
    "augment_rotation",
    "augment_shear",
    "augment_zoom",
    "augment_shift",
    "augment_brightness",
    "augment_contrast",
)


@dataclass(frozen=True)
class Recipe:
    """All settings of a run; `freezenet/train/recipes/mobile-freezenet.toml` explains each key where it sets it."""

    name: str = ""
    summary: str = ""
    source: str = ""
    # the image
    image_size: int = 224
    mean: float = 128.0
    std: float = 127.5
    # the question
    task: str = "multi-class"
    classes: tuple[str, ...] = ()
    threshold_metric: str = "f1"
    # the network
    backbone: str = "mobilenetv2"
    alpha: float = 1.0
    freeze: str = "first"
    freeze_fraction: float = 0.5
    pooling: str = "average"
    head_units: tuple[int, ...] = ()
    head_batchnorm: bool = False
    dropout: float = 0.0
    batchnorm: str = "train"
    batchnorm_momentum: float = 0.9
    # the loss
    loss: str = "attention"
    attention_source: str = "statistics"
    attention_weights: tuple[float, ...] | dict[str, float] = ()
    attention_beta: float = 1.0
    attention_gamma: float = 1.0
    attention_temperature: float = 10.0
    attention_pairs: int = 2000
    difficulty_epochs: int = 3
    class_balanced_beta: float = 0.999
    focal_gamma: float = 2.0
    focal_alpha: tuple[float, ...] | dict[str, float] = ()
    label_smoothing: float = 0.0
    sampling: str = "shuffle"
    # the optimizer
    head_epochs: int = 0
    head_learning_rate: float = 1e-3
    learning_rate: float = 2e-4
    adam_epsilon: float = 1e-7
    schedule: str = "constant"
    schedule_epochs: int = 10
    schedule_factor: float = 0.5
    weight_average: float = 0.0
    batch_size: int = 16
    epochs: int = 30
    patience: int = 5
    # the answer
    abstain_risk: float = 0.02
    # the split and the seed
    validation_share: float = 0.1
    test_share: float = 0.2
    seed: int = 0
    # augmentation of the training images; without copies any of them bypasses the cache
    augment_copies: int = 0
    augment_horizontal_flip: bool = False
    augment_vertical_flip: bool = False
    augment_rotation: float = 0.0
    augment_rotation_probability: float = 1.0
    augment_shear: float = 0.0
    augment_zoom: float = 0.0
    augment_shift: float = 0.0
    augment_brightness: float = 0.0
    augment_contrast: float = 0.0
    # the machine
    cache: str = "float16"
    precision: str = "float32"
    devices: str = "auto"

    def __post_init__(self) -> None:
        """Refuse values that cannot be."""
        for key, allowed in _CHOICES.items():
            if getattr(self, key) not in allowed:
                raise FreezenetError(
                    f"Recipe key {key} must be one of {', '.join(allowed)}. Got: {getattr(self, key)!r}."
                    f"{meant(getattr(self, key), allowed)}"
                )
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise FreezenetError(f"Recipe key {field.name} must be a finite number. Got: {value!r}.")
        for key, (lowest, highest) in _RANGES.items():
            if not lowest <= getattr(self, key) <= highest:
                raise FreezenetError(
                    f"Recipe key {key} must be between {lowest} and {highest}. Got: {getattr(self, key)!r}."
                )
        check_together(self)

    @cached_property
    def preprocess(self) -> PreprocessSpec:
        """The preprocessing of this recipe's images."""
        return PreprocessSpec(size=(self.image_size, self.image_size), mean=self.mean, std=self.std)

    @property
    def augments(self) -> bool:
        """Whether training images change from epoch to epoch."""
        return any(getattr(self, key) for key in _CHANGES)

    @property
    def augmentation(self) -> dict[str, float]:
        """The keys that decide what a changed image looks like, for the cache of changed copies."""
        return {key: getattr(self, key) for key in (*_CHANGES, "augment_rotation_probability")}

    @property
    def versions(self) -> int:
        """The number of changed copies of each image whose frozen half is kept."""
        return self.augment_copies if self.augments and self.cache != "none" else 0

    @property
    def caches(self) -> bool:
        """Whether the frozen half is computed once and kept."""
        return self.cache != "none" and (not self.augments or self.versions > 0)

    def with_settings(self, settings: dict[str, Any]) -> Recipe:
        """Return the recipe with some keys changed; unknown keys and wrong types are refused."""
        return replace(self, **{key: _coerced(key, value) for key, value in settings.items()})

    def to_toml(self) -> str:
        """Return the resolved recipe as TOML: every key, also those at their default."""
        import tomli_w

        return tomli_w.dumps(asdict(self))


def load_recipe(name: str, settings: tuple[str, ...] = ()) -> Recipe:
    """Load a recipe by name (see `recipe_names`) or from a TOML file, then apply `key=value` settings.

    A setting without effect beside the recipe's other keys is said on stderr.
    """
    changed = dict(parsed_setting(one) for one in settings)
    recipe = Recipe().with_settings({**read_recipe(name), **changed})
    for sentence in without_effect(recipe, changed):
        logger.info(sentence)
    return recipe


def load_arms(text: str, settings: tuple[str, ...] = ()) -> dict[str, Recipe]:
    """Read a comma-separated list of recipes, each with changed keys where asked (`NAME+KEY=VALUE+KEY=VALUE`); by that text.

    settings: `key=value` for all of them.
    """
    arms = [arm.strip() for arm in text.split(",") if arm.strip()]
    if not arms or len(set(arms)) < len(arms):
        raise FreezenetError(f"A list of different recipes is required. Got: {text!r}.")
    found = {}
    for arm in arms:
        name, *changes = arm.split("+")
        recipe = load_recipe(name, (*settings, *changes))
        found[Path(name).stem + "".join(f"+{change}" for change in changes)] = recipe
    return found


def _coerced(key: str, value: Any) -> Any:
    types = {field.name: field.type for field in fields(Recipe)}
    if key not in types:
        raise FreezenetError(
            f"A recipe key is required. Got: {key!r}.{meant(key, types)} The keys are {', '.join(types)}."
        )
    if key in _CLASS_NUMBERS:
        return _class_numbers(key, value)
    if str(types[key]) in _ITEMS:
        item = _ITEMS[str(types[key])]
        if not isinstance(value, (list, tuple)) or not all(type(one) is item for one in value):
            raise FreezenetError(f"Recipe key {key} must be a list such as {_EXAMPLES[item]}. Got: {value!r}.")
        return tuple(value)
    expected: type = {"int": int, "float": float, "str": str, "bool": bool}[str(types[key])]
    if expected is float and type(value) in (int, str):  # "1" and ".35" are numbers to people, not to TOML
        with contextlib.suppress(ValueError):
            return float(value)
    if type(value) is not expected:
        raise FreezenetError(f"Recipe key {key} must be {_KINDS[expected]}. Got: {value!r}.")
    return value


def _class_numbers(key: str, value: Any) -> tuple[float, ...] | dict[str, float]:
    numbers = value.values() if isinstance(value, dict) else value
    if not isinstance(value, (dict, list, tuple)) or not all(
        isinstance(number, (int, float)) and 0 < number < math.inf for number in numbers
    ):
        raise FreezenetError(
            f"Recipe key {key} must be a list of positive numbers in class order, or a table class = number. Got: {value!r}."
        )
    return value if isinstance(value, dict) else tuple(float(number) for number in value)
