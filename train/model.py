"""The half-frozen MobileNetV2: one flat functional graph, a freeze fraction, a BatchNorm policy."""

from __future__ import annotations

import math
import os
from pathlib import Path

import keras

from edge_runtime.errors import FreezenetError, one_line
from train.recipe import Recipe

#: Widths for which Keras publishes ImageNet weights.
IMAGENET_ALPHAS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
_URL = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/"
_POOLING = {"average": keras.layers.GlobalAveragePooling2D, "max": keras.layers.GlobalMaxPooling2D}


def build_model(recipe: Recipe, labels: tuple[str, ...], weights: str) -> keras.Model:
    """Build the network of a recipe: input (h, w, 3) normalized float32, output "scores" (classes,).

    weights: "imagenet" (Keras downloads them once), "none" (random), or the path of a `.h5` file for
    `keras.applications.MobileNetV2(include_top=False)` of the same width.
    The head stands directly on the backbone's output, so the graph is flat: the cut, quantization-aware training
    and the converter all want that.
    """
    backbone = _backbone(recipe, weights)
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = recipe.batchnorm_momentum
            # A BatchNorm layer with trainable=False runs in inference mode, in Keras 2 and 3.
            layer.trainable = recipe.batchnorm == "train"
    for layer in backbone.layers[: frozen_layers(recipe, len(backbone.layers))]:
        layer.trainable = False
    x = _POOLING[recipe.pooling](name="pool")(backbone.output)
    if recipe.dropout:
        x = keras.layers.Dropout(recipe.dropout, name="dropout", seed=recipe.seed)(x)
    # float32 scores also under mixed precision: a softmax in 16 bits loses the small probabilities.
    scores = keras.layers.Dense(
        len(labels),
        activation="softmax",
        name="scores",
        dtype="float32",
        kernel_initializer=keras.initializers.GlorotUniform(seed=recipe.seed),
    )(x)
    return keras.Model(backbone.input, scores, name="freezenet")


def frozen_layers(recipe: Recipe, layers: int) -> int:
    """Return how many of the backbone's layers, counted from the input, are frozen (77 of 154 at one half)."""
    return round(recipe.freeze_fraction * layers)


def count_parameters(model: keras.Model) -> dict[str, int]:
    """Return the numbers of trainable and of all parameters."""
    return {
        "trainable": sum(math.prod(weight.shape) for weight in model.trainable_weights),
        "total": model.count_params(),
    }


def _backbone(recipe: Recipe, weights: str) -> keras.Model:
    shape = (*recipe.preprocess.size, 3)
    if weights == "none":
        return keras.applications.MobileNetV2(shape, alpha=recipe.alpha, include_top=False, weights=None)
    if weights == "imagenet":
        return _downloaded(recipe, shape)
    path = Path(weights)
    if not path.is_file():
        raise FreezenetError(
            f"--weights imagenet, none or a .h5 file is required. Got: {weights}, which is no file. "
            f"{_where_to_get(recipe.alpha)}"
        )
    try:
        return keras.applications.MobileNetV2(shape, alpha=recipe.alpha, include_top=False, weights=os.fspath(path))
    except Exception as error:  # h5py and Keras raise many types for a wrong file
        reason = one_line(error, 160)
        raise FreezenetError(
            f"Weights for MobileNetV2 of width {recipe.alpha:g} without top are required. Got: {path.name}, which does "
            f"not fit ({reason}). Pass the file of that width, or --set alpha=... to match it."
        ) from None


def _downloaded(recipe: Recipe, shape: tuple[int, int, int]) -> keras.Model:
    if recipe.alpha not in IMAGENET_ALPHAS:
        raise FreezenetError(
            f"ImageNet weights exist for alpha {', '.join(f'{alpha:g}' for alpha in IMAGENET_ALPHAS)}. "
            f"Got: {recipe.alpha:g}; choose one of them, or --weights none."
        )
    try:
        return keras.applications.MobileNetV2(shape, alpha=recipe.alpha, include_top=False, weights="imagenet")
    except Exception as error:  # urllib, ssl and Keras raise many types where there is no network
        reason = one_line(error, 160)
        raise FreezenetError(
            f"ImageNet weights are required. Got: no download ({reason}). {_where_to_get(recipe.alpha)}"
        ) from None


def _where_to_get(alpha: float) -> str:
    name = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha:.1f}_224_no_top.h5"
    if alpha in (0.35, 0.75):
        name = name.replace(f"{alpha:.1f}", f"{alpha:.2f}")
    return (
        f"Fetch {_URL}{name} on a machine with internet and pass it: --weights FILE (or train without: --weights none)."
    )
