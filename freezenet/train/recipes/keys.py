"""The keys of a recipe, each with its default and what it may hold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.edge_runtime.settings import Settings, setting
from freezenet.train.network.backbones import BACKBONES

#: Losses of one softmax over all classes.
SOFTMAX_LOSSES = ("attention", "cross-entropy", "inverse-frequency", "bwcce", "class-balanced", "focal")
#: Losses of one sigmoid for each label.
BINARY_LOSSES = ("binary-cross-entropy", "binary-focal")
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
# Later ones, which stand in the name of an augmented version only where they are used: earlier caches stay of use.
_HIDING = ("augment_storage", "augment_border", "augment_markers")
_CLASS_NUMBERS = "a list of positive numbers in class order, or a table class = number"


def _class_numbers(value: Any) -> tuple[float, ...] | dict[str, float]:
    """Return a number for each class; raise ValueError where it is not that."""
    numbers = value.values() if isinstance(value, dict) else value
    if not isinstance(value, (dict, list, tuple)) or not all(
        isinstance(number, (int, float)) and 0 < number < math.inf for number in numbers
    ):
        raise ValueError
    return value if isinstance(value, dict) else tuple(float(number) for number in value)


@dataclass(frozen=True)
class RecipeKeys(Settings):
    """All settings of a run; `freezenet/train/recipes/mobile-freezenet.toml` explains each key where it sets it."""

    noun: ClassVar[str] = "Recipe key"

    name: str = setting("")
    summary: str = setting("")
    source: str = setting("")
    # the image
    image_size: int = setting(224, low=32, high=1024)
    mean: float = setting(128.0)
    std: float = setting(127.5, low=1e-6)
    # the question
    task: str = setting("multi-class", choices=("multi-class", "multi-label"))
    classes: tuple[str, ...] = setting(())
    threshold_metric: str = setting("f1", choices=("f1", "matthews"))
    # the network
    backbone: str = setting("mobilenetv2", choices=tuple(BACKBONES))
    alpha: float = setting(1.0, low=0.05, high=4)
    freeze: str = setting("first", choices=("first", "random"))
    freeze_fraction: float = setting(0.5, low=0, high=1)
    pooling: str = setting("average", choices=("average", "max"))
    head_units: tuple[int, ...] = setting((), low=1, high=65_536)
    head_batchnorm: bool = setting(False)
    dropout: float = setting(0.0, low=0, high=0.95)
    batchnorm: str = setting("train", choices=("train", "inference"))
    batchnorm_momentum: float = setting(0.9, low=0, high=0.9999)
    # the loss
    loss: str = setting("attention", choices=(*SOFTMAX_LOSSES, *BINARY_LOSSES))
    attention_source: str = setting("statistics", choices=("statistics", "difficulty"))
    attention_weights: tuple[float, ...] | dict[str, float] = setting(
        (), convert=_class_numbers, expected=_CLASS_NUMBERS
    )
    attention_beta: float = setting(1.0)
    attention_gamma: float = setting(1.0)
    attention_temperature: float = setting(10.0, low=1e-3)
    attention_pairs: int = setting(2000, low=1, high=1_000_000)
    difficulty_epochs: int = setting(3, low=1, high=1000)
    class_balanced_beta: float = setting(0.999, low=0, high=0.9999999)
    focal_gamma: float = setting(2.0, low=0, high=10)
    focal_alpha: tuple[float, ...] | dict[str, float] = setting((), convert=_class_numbers, expected=_CLASS_NUMBERS)
    label_smoothing: float = setting(0.0, low=0, high=0.9)
    sampling: str = setting("shuffle", choices=("shuffle", "inverse-frequency", "source-balanced"))
    group_tilt: float = setting(0.0, low=0, high=100)
    # the optimizer
    head_epochs: int = setting(0, low=0, high=100_000)
    head_learning_rate: float = setting(1e-3, low=1e-8, high=10)
    learning_rate: float = setting(2e-4, low=1e-8, high=10)
    adam_epsilon: float = setting(1e-7, low=1e-12, high=1)
    schedule: str = setting("constant", choices=("constant", "cosine", "step", "plateau"))
    schedule_epochs: int = setting(10, low=1, high=100_000)
    schedule_factor: float = setting(0.5, low=0.01, high=0.99)
    weight_average: float = setting(0.0, low=0, high=0.99999)
    batch_size: int = setting(16, low=1, high=65536)
    epochs: int = setting(30, low=1, high=100_000)
    stopping: str = setting("early", choices=("early", "fixed"))
    patience: int = setting(5, low=1, high=100_000)
    # the answer
    abstain_risk: float = setting(0.02, low=0, high=1)
    abstain_sureness: float = setting(0.95, low=0.5, high=0.999)
    abstain_by: str = setting("all", choices=("all", "class"))
    # the split and the seed
    validation_share: float = setting(0.1, low=0.01, high=0.5)
    test_share: float = setting(0.2, low=0.01, high=0.5)
    seed: int = setting(0, low=0, high=2**31 - 1)
    # augmentation of the training images; without copies any of them bypasses the cache
    augment_copies: int = setting(0, low=0, high=1000)
    augment_horizontal_flip: bool = setting(False)
    augment_vertical_flip: bool = setting(False)
    augment_rotation: float = setting(0.0, low=0, high=180)
    augment_rotation_probability: float = setting(1.0, low=0, high=1)
    augment_shear: float = setting(0.0, low=0, high=1)
    augment_zoom: float = setting(0.0, low=0, high=0.9)
    augment_shift: float = setting(0.0, low=0, high=0.9)
    augment_brightness: float = setting(0.0, low=0, high=1)
    augment_contrast: float = setting(0.0, low=0, high=1)
    augment_storage: float = setting(0.0, low=0, high=1)
    augment_border: float = setting(0.0, low=0, high=0.4)
    augment_markers: float = setting(0.0, low=0, high=1)
    # the machine
    cache: str = setting("float16", choices=("float16", "float32", "none"))
    precision: str = setting("float32", choices=("float32", "mixed_float16", "mixed_bfloat16"))
    devices: str = setting("auto", choices=("auto", "cpu", "all"))

    @cached_property
    def preprocess(self) -> PreprocessSpec:
        """The preprocessing of this recipe's images."""
        return PreprocessSpec(size=(self.image_size, self.image_size), mean=self.mean, std=self.std)

    @property
    def augments(self) -> bool:
        """Whether training images change from epoch to epoch."""
        return any(getattr(self, key) for key in (*_CHANGES, *_HIDING))

    @property
    def augmentation(self) -> dict[str, float]:
        """The keys that decide what an augmented image looks like, for the cache of augmented versions."""
        used = [key for key in _HIDING if getattr(self, key)]
        return {key: getattr(self, key) for key in (*_CHANGES, "augment_rotation_probability", *used)}

    @property
    def versions(self) -> int:
        """The number of augmented versions of each image whose features are kept."""
        return self.augment_copies if self.augments and self.cache != "none" else 0

    @property
    def caches(self) -> bool:
        """Whether the output of the frozen backbone is computed once and kept."""
        return self.cache != "none" and (not self.augments or self.versions > 0)
