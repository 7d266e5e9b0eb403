"""The training criterion: which loss a recipe asks for, with which weights on these training images."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.errors import SettingError
from freezenet.train.data.training_data import TrainingData
from freezenet.train.losses.attention import attention_weights, class_statistics, difficulty_weights
from freezenet.train.losses.focal import BinaryFocalCrossentropy, FocalCrossentropy
from freezenet.train.losses.weighted import WeightedCrossentropy
from freezenet.train.losses.weights import WEIGHTS_OF_COUNTS
from freezenet.train.recipes.recipe import Recipe

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Criterion:
    """A loss for Keras, and what a run says of its class weights.

    Args:
        loss: for `keras.Model.compile`.
        weights: (C,), None where the loss has none.
        statistics: what the weights were computed from (JSON types), None where they were given or follow from the counts.
    """

    loss: keras.losses.Loss
    weights: NDArray[np.float64] | None = None
    statistics: dict[str, Any] | None = None


def choose_criterion(recipe: Recipe, data: TrainingData, recall: NDArray[np.float64] | None = None) -> Criterion:
    """Return the recipe's criterion for the training images of `data`.

    Args:
        recipe: its keys of the loss are read.
        data: only training images take part in the weights.
        recall: (C,), 0..1, of the validation images after a first short run, for `attention_source = "difficulty"`.

    Raises:
        SettingError: the recipe gives numbers for other classes than those of the data.
    """
    smoothing = recipe.label_smoothing
    if recipe.loss == "cross-entropy":
        return Criterion(keras.losses.CategoricalCrossentropy(label_smoothing=smoothing))
    if recipe.loss == "binary-cross-entropy":
        return Criterion(keras.losses.BinaryCrossentropy(label_smoothing=smoothing))
    if recipe.loss == "binary-focal":
        alpha = _one_number(recipe.focal_alpha)
        return Criterion(BinaryFocalCrossentropy(alpha, recipe.focal_gamma, smoothing))
    if recipe.loss == "focal":
        given = recipe.focal_alpha
        single = not isinstance(given, dict) and len(given) < 2
        weights = np.full(len(data.labels), _one_number(given)) if single else _named(given, data.labels, "focal_alpha")
        return Criterion(FocalCrossentropy(weights.tolist(), recipe.focal_gamma, label_smoothing=smoothing), weights)
    statistics = None
    if recipe.loss == "attention":
        weights, statistics = _attention(recipe, data, recall)
    else:
        counts = np.bincount(data.classes[data.rows("train")], minlength=len(data.labels))
        weights = WEIGHTS_OF_COUNTS[recipe.loss](counts, recipe)
    return Criterion(WeightedCrossentropy(weights.tolist(), smoothing), weights, statistics)


def needs_recall(recipe: Recipe) -> bool:
    """Whether the criterion needs the recall of a first short run."""
    return recipe.loss == "attention" and recipe.attention_source == "difficulty" and not recipe.attention_weights


def _attention(
    recipe: Recipe, data: TrainingData, recall: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], dict[str, Any] | None]:
    """Weights given as numbers are used, unless they are for another data set: then, and without any, the data decide."""
    given = recipe.attention_weights
    if isinstance(given, dict) and given and not set(given) & set(data.labels):
        logger.info(
            f"The recipe's loss weights are for {', '.join(given)}; those of {', '.join(data.labels)} come from the data."
        )
    elif given:
        return _named(given, data.labels, "attention_weights"), None
    if recall is not None:
        return difficulty_weights(recall, recipe.attention_temperature), {"recall": np.round(recall, 6).tolist()}
    rows = data.rows("train")
    found = class_statistics(data.images.pixels[rows], data.classes[rows], recipe.attention_pairs, recipe.seed)
    weights = attention_weights(found, recipe.attention_beta, recipe.attention_gamma, recipe.attention_temperature)
    return weights, found.to_dict()


def _named(given: tuple[float, ...] | dict[str, float], labels: tuple[str, ...], key: str) -> NDArray[np.float64]:
    """Return a recipe's numbers in class order."""
    if isinstance(given, dict):
        absent = [label for label in labels if label not in given]
        if not absent:
            return np.array([given[label] for label in labels])
        unknown = next((name for name in given if name not in labels), None)
        got = f"none for {', '.join(absent)}" + (f", but one for {unknown}" if unknown else "")
    else:
        if len(given) == len(labels):
            return np.array(given)
        got = f"{len(given)} numbers"
    raise SettingError(
        f"Recipe key {key} with a number for each of {', '.join(labels)} is required. Got: {got}; pass --set {key}={{}} to do without."
    )


def _one_number(given: tuple[float, ...] | dict[str, float]) -> float:
    """Return the single alpha of a focal loss, 1 where none is given."""
    if isinstance(given, dict) or len(given) > 1:
        raise SettingError(f"One number for focal_alpha is required by this loss. Got: {given!r}.")
    return given[0] if given else 1.0
