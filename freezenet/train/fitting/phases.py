"""The phases of a training: first the head alone where the recipe says so, then the part that the recipe leaves unfrozen.

A new head gives random gradients; trained alone first, it does not disturb the ImageNet weights below it (feature extraction,
then fine-tuning). In the first phase nothing below the head changes, so its cache holds little more than the pooled features
of each image, and its epochs cost next to nothing.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
from numpy.typing import NDArray

from freezenet.train.data.training_data import TrainingData
from freezenet.train.fitting.fit import fit
from freezenet.train.frozen.cut import find_cut, split_model
from freezenet.train.frozen.versions import StackedRows, cached_versions
from freezenet.train.recipes.recipe import Recipe

logger = logging.getLogger(__name__)

#: First word of the names of the files that a killed training goes on from.
CHECKPOINT = "checkpoint"


@dataclass(frozen=True)
class Phase:
    """One phase of a training.

    Args:
        name: as in history.csv.
        recipe: what is trained by.
        head_only: whether the whole backbone is frozen.
    """

    name: str
    recipe: Recipe
    head_only: bool


@dataclass(frozen=True)
class Fitted:
    """What the phases left beside the model's weights.

    Args:
        features: (n, ...) the frozen backbone's output in the last phase, of all images as they are; None where nothing was
            cached.
        history: one dictionary per epoch.
        seconds: "fit", and "cache" where there was one.
    """

    features: NDArray | None
    history: list[dict[str, Any]]
    seconds: dict[str, float]


def phases(recipe: Recipe) -> list[Phase]:
    """Return the phases in their order.

    The first one takes `head_epochs` at the constant `head_learning_rate`. It is not stopped early, and its best validated
    weights go into the next, as at the end of a training; its last ones where the epochs are fixed. A moving average of the weights would lag behind a head that
    begins with random ones, so there is none.
    """
    last = Phase("fine-tuning", recipe, head_only=False)
    if not recipe.head_epochs:
        return [last]
    head = {
        "learning_rate": recipe.head_learning_rate,
        "schedule": "constant",
        "weight_average": 0.0,
        "epochs": recipe.head_epochs,
        "patience": recipe.head_epochs,
    }
    return [Phase("head", recipe.with_settings(head), head_only=True), last]


def fit_phases(
    model: keras.Model,
    data: TrainingData,
    *,
    recipe: Recipe,
    loss: keras.losses.Loss,
    folder: Path,
    cache: Path,
    gpus: int = 0,
) -> Fitted:
    """Train the model in place through all phases; each begins with a new optimizer.

    Each phase has a checkpoint of its own, so a killed training restores what the finished phases left and goes on in the one
    that was killed.

    Args:
        model, data, recipe, loss, folder: see `freezenet.train.fitting.fit.fit`.
        cache: folder of the cache of the frozen backbone.
        gpus: how many are used.
    """
    history: list[dict[str, Any]] = []
    seconds = {"fit": 0.0}
    features: NDArray | None = None
    for phase in phases(recipe):
        with head_alone(model) if phase.head_only else contextlib.nullcontext():
            features = inputs = None
            cut = _cache_cut(model, recipe)
            if cut is not None:
                started = time.perf_counter()
                frozen, _ = split_model(model, cut)
                versions = cached_versions(frozen, data.images, recipe=phase.recipe, folder=cache, has_gpu=gpus > 0)
                features, inputs = versions[0].values, StackedRows([version.values for version in versions])
                taken = time.perf_counter() - started
                seconds["cache"] = seconds.get("cache", 0.0) + taken
                engines = " and ".join(dict.fromkeys(version.engine for version in versions))
                logger.info(
                    f"{phase.name}: frozen backbone computed for {len(inputs)} images by {engines} in {taken:.1f} s"
                )
            started = time.perf_counter()
            name = f"{CHECKPOINT}-{phase.name}"
            epochs = fit(
                model, data, recipe=phase.recipe, loss=loss, folder=folder, features=inputs, jit=gpus > 0,
                checkpoint_name=name, first_epoch=len(history),
            )  # fmt: skip
            seconds["fit"] += time.perf_counter() - started
        history += [{"phase": phase.name, **epoch} for epoch in epochs]
    return Fitted(features, history, seconds)


@contextlib.contextmanager
def head_alone(model: keras.Model) -> Iterator[None]:
    """Freeze everything up to "pool", BatchNorm in inference mode, so that the head alone is trained; undo it at the end."""
    layers = model.layers[: model.layers.index(model.get_layer("pool")) + 1]
    before = [layer.trainable for layer in layers]
    for layer in layers:
        layer.trainable = False
    try:
        yield
    finally:
        for layer, trainable in zip(layers, before, strict=True):
            layer.trainable = trainable


def remove_checkpoints(folder: Path) -> None:
    """Remove the files that a killed training would go on from."""
    for path in folder.glob(f"{CHECKPOINT}-*.npz"):
        path.unlink()


def _cache_cut(model: keras.Model, recipe: Recipe) -> keras.layers.Layer | None:
    """Return the layer whose output is cached; None where the recipe caches nothing, or nothing is frozen (which is said)."""
    if not recipe.caches:
        return None
    layer = find_cut(model)
    if layer is None:
        logger.info("No layer before the first trained one is frozen: training from the images, without the cache.")
    return layer
