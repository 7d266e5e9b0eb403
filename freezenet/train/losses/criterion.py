"""The training criterion: which loss a recipe asks for, with which weights on this training side."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.train.data.training_data import TrainingData
from freezenet.train.losses import (
    BWCCE,
    AttentionWeightedCrossentropy,
    BinaryFocalCrossentropy,
    ClassBalancedCrossentropy,
    FocalCrossentropy,
    InverseFrequencyCrossentropy,
)
from freezenet.train.losses.attention import attention_weights, class_statistics, difficulty_weights
from freezenet.train.recipes.recipe import Recipe

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Criterion:
    """loss: for Keras. weights: one per class, None where the loss has none. statistics: what they were computed from (JSON)."""

    loss: keras.losses.Loss
    weights: NDArray[np.float64] | None = None
    statistics: dict[str, Any] | None = None


def choose_criterion(recipe: Recipe, data: TrainingData, recall: NDArray[np.float64] | None = None) -> Criterion:
    """Return the recipe's criterion for the training side of `data`.

    recall: (C,) of the validation side after a first short run, for `attention_source = "difficulty"`.
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
    counts = np.bincount(data.classes[data.rows("train")], minlength=len(data.labels))
    if recipe.loss == "attention":
        weights, statistics = _attention(recipe, data, recall)
        kind: type = AttentionWeightedCrossentropy
    elif recipe.loss == "inverse-frequency":
        weights, kind = InverseFrequencyCrossentropy.weights_of(counts), InverseFrequencyCrossentropy
    elif recipe.loss == "bwcce":
        weights, kind = BWCCE.weights_of(counts), BWCCE
    else:
        weights, kind = (
            ClassBalancedCrossentropy.weights_of(counts, recipe.class_balanced_beta),
            ClassBalancedCrossentropy,
        )
    return Criterion(kind(weights.tolist(), smoothing), weights, statistics)


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
    raise FreezenetError(
        f"Recipe key {key} with a number for each of {', '.join(labels)} is required. Got: {got}; pass --set {key}={{}} to do without."
    )


def _one_number(given: tuple[float, ...] | dict[str, float]) -> float:
    """Return the single alpha of a focal loss, 1 where none is given."""
    if isinstance(given, dict) or len(given) > 1:
        raise FreezenetError(f"One number for focal_alpha is required by this loss. Got: {given!r}.")
    return given[0] if given else 1.0
