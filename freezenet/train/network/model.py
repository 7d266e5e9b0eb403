"""The half-frozen network: one flat functional graph, what of it is frozen, a BatchNorm policy, a head."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from freezenet.edge_runtime.errors import ModelError, SettingError, one_line
from freezenet.train.network.backbones import BACKBONES
from freezenet.train.network.pretrained import load_file
from freezenet.train.recipes.recipe import Recipe

logger = logging.getLogger(__name__)

_POOLING = {"average": keras.layers.GlobalAveragePooling2D, "max": keras.layers.GlobalMaxPooling2D}


def build_model(recipe: Recipe, labels: tuple[str, ...], weights: str) -> keras.Model:
    """Build the network of a recipe: input (h, w, 3) normalized float32, output "scores" (classes,).

    The scores are probabilities that sum to 1, or one for each label where the task is multi-label.
    The head stands directly on the backbone's output, so the graph is flat: the cut, quantization-aware training
    and the converter all want that.

    Args:
        recipe: its keys of the network are read.
        labels: one score for each.
        weights: "imagenet" (Keras downloads them once), "none" (random), or the path of a file
            (`freezenet.train.network.pretrained`).

    Raises:
        SettingError: there are no ImageNet weights of the recipe's width, or no such file.
        ModelError: the weights cannot be fetched, or do not fit the network.
    """
    backbone = _backbone(recipe, weights)
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = recipe.batchnorm_momentum
            # A BatchNorm layer with trainable=False runs in inference mode, in Keras 2 and 3.
            layer.trainable = recipe.batchnorm == "train"
    for position in frozen_positions(recipe, len(backbone.layers)):
        layer = backbone.layers[position]
        layer.trainable = False
        if isinstance(layer, keras.layers.Dropout):  # EfficientNet's; frozen means inference mode for it, too
            layer.rate = 0.0
    x = _POOLING[recipe.pooling](name="pool")(backbone.output)
    for number, units in enumerate(recipe.head_units, 1):
        x = keras.layers.Dense(
            units,
            activation="relu",
            name=f"hidden_{number}",
            kernel_initializer=keras.initializers.GlorotUniform(seed=recipe.seed + number),
        )(x)
    if recipe.dropout:
        x = keras.layers.Dropout(recipe.dropout, name="dropout", seed=recipe.seed)(x)
    if recipe.head_batchnorm:
        x = keras.layers.BatchNormalization(momentum=recipe.batchnorm_momentum, name="head_batchnorm")(x)
    # float32 scores also under mixed precision: a softmax in 16 bits loses the small probabilities.
    scores = keras.layers.Dense(
        len(labels),
        activation="sigmoid" if recipe.task == "multi-label" else "softmax",
        name="scores",
        dtype="float32",
        kernel_initializer=keras.initializers.GlorotUniform(seed=recipe.seed),
    )(x)
    return keras.Model(backbone.input, scores, name="freezenet")


def frozen_layers(recipe: Recipe, layers: int) -> int:
    """Return how many of the backbone's layers are frozen (77 of 154 at one half)."""
    return round(recipe.freeze_fraction * layers)


def frozen_positions(recipe: Recipe, layers: int) -> Sequence[int]:
    """Return which of the backbone's layers are frozen, counted from the input: the first ones, or drawn once by the seed."""
    count = frozen_layers(recipe, layers)
    if recipe.freeze == "first":
        return range(count)
    return sorted(np.random.default_rng(recipe.seed).choice(layers, count, replace=False).tolist())


def count_parameters(model: keras.Model) -> dict[str, int]:
    """Return the numbers of trainable and of all parameters."""
    return {
        "trainable": sum(math.prod(weight.shape) for weight in model.trainable_weights),
        "total": model.count_params(),
    }


def _backbone(recipe: Recipe, weights: str) -> keras.Model:
    backbone, size, width = BACKBONES[recipe.backbone], recipe.image_size, recipe.alpha
    which = f"{backbone.title}{f' of width {width:g}' if backbone.widths else ''}"
    where = (
        f"Fetch {backbone.url(width, size)} on a machine with internet and pass it: --weights FILE (or train without: "
        "--weights none)."
    )
    if weights == "none":
        return backbone.build(size, width, None)
    if not backbone.expects(recipe.mean, recipe.std):
        logger.info(
            f"ImageNet weights of {backbone.title} expect mean {backbone.mean:g} and std {backbone.std:g} of gray images; "
            f"the recipe says {recipe.mean:g} and {recipe.std:g}."
        )
    if weights == "imagenet":
        if backbone.widths and width not in backbone.widths:
            raise SettingError(
                f"ImageNet weights exist for alpha {', '.join(f'{one:g}' for one in backbone.widths)}. "
                f"Got: {width:g}; choose one of them, or --weights none."
            )
        try:
            return backbone.build(size, width, "imagenet")
        except Exception as error:  # urllib, ssl and Keras raise many types where there is no network
            reason = one_line(error)  # it holds the address
            raise ModelError(f"ImageNet weights are required. Got: no download ({reason}). {where}") from None
    path = Path(weights)
    if not path.is_file():
        raise SettingError(
            f"--weights imagenet, none or a file of Keras (.h5, .keras) is required. Got: {weights}, which is no file. {where}"
        )
    network = backbone.build(size, width, None)
    try:
        load_file(network, path)
    except Exception as error:  # h5py and Keras raise many types for a wrong file
        reason = one_line(error, 160)
        raise ModelError(
            f"Weights for {which} are required. Got: {path.name}, which does not fit ({reason}). Pass a file of Keras for "
            f"this network{', or --set alpha=... to match its width' if backbone.widths else ''}."
        ) from None
    return network
