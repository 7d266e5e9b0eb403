"""Fold BatchNorm into the convolution before it, as the device computes it.

A layer conv -> BatchNorm in inference mode is one convolution with kernel k * g / sqrt(v + e) per output channel and
bias b - m * g / sqrt(v + e) (Jacob et al., Quantization and Training of Neural Networks, CVPR 2018, section 3.2). What
is rounded to 8 bits is this kernel, so everything that prepares a network for integers starts from it.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

_FOLDABLE = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


def fold_batchnorm(model: keras.Model) -> keras.Model:
    """Return a network of the same function without BatchNorm behind convolutions; `model` keeps its weights.

    model: a flat functional network. Layers keep their names, convolutions get a bias.
    """
    sources = {id(layer.output): layer for layer in model.layers}
    uses: dict[int, int] = {}
    for layer in model.layers:
        for tensor in _inputs(layer):
            uses[id(tensor)] = uses.get(id(tensor), 0) + 1
    image = keras.Input(batch_shape=model.input.shape, name=model.layers[0].name)
    tensors = {id(model.input): image}
    norms = {}  # convolution -> the BatchNorm that is folded into it
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            source = sources[id(_inputs(layer)[0])]
            if isinstance(source, _FOLDABLE) and uses[id(source.output)] == 1 and _is_linear(source):
                norms[source.name] = layer
    folded_away = {layer.name for layer in norms.values()}
    weights: dict[str, list[NDArray]] = {}
    for layer in model.layers[1:]:
        arguments = [tensors[id(tensor)] for tensor in _inputs(layer)]
        if layer.name in folded_away:
            tensors[id(layer.output)] = arguments[0]
            continue
        config = layer.get_config()
        if layer.name in norms:
            config["use_bias"] = True
            weights[layer.name] = _folded(layer, norms[layer.name])
        else:
            weights[layer.name] = layer.get_weights()
        copy = layer.__class__.from_config(config)
        tensors[id(layer.output)] = copy(arguments if len(arguments) > 1 else arguments[0])
    outputs = [tensors[id(tensor)] for tensor in model.outputs]
    folded = keras.Model(image, outputs[0] if len(outputs) == 1 else outputs, name=model.name)
    for layer in folded.layers:
        if weights.get(layer.name):
            layer.set_weights(weights[layer.name])
    return folded


def _folded(convolution: Any, norm: Any) -> list[NDArray]:
    kernel, *bias = convolution.get_weights()
    mean = np.asarray(norm.moving_mean, np.float64)
    scale = 1 / np.sqrt(np.asarray(norm.moving_variance, np.float64) + norm.epsilon)
    if norm.scale:
        scale *= np.asarray(norm.gamma, np.float64)
    shift = np.asarray(norm.beta, np.float64) if norm.center else 0.0
    # A depthwise kernel (h, w, c, multiplier) has its output channels in the last two axes.
    per_output = scale.reshape(kernel.shape[2:]) if isinstance(convolution, keras.layers.DepthwiseConv2D) else scale
    before = bias[0].astype(np.float64) if bias else 0.0
    return [(kernel * per_output).astype(np.float32), (shift + (before - mean) * scale).astype(np.float32)]


def _inputs(layer: keras.layers.Layer) -> list[Any]:
    return list(layer._inbound_nodes[0].input_tensors) if layer._inbound_nodes else []


def _is_linear(layer: Any) -> bool:
    return layer.activation is keras.activations.linear
