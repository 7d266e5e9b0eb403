"""Fuse BatchNorm into the kernels beside it, as the device computes it, and give activations layers of their own.

A layer conv -> BatchNorm in inference mode is one convolution with kernel k * g / sqrt(v + e) per output channel and
bias b - m * g / sqrt(v + e) (Jacob et al., Quantization and Training of Neural Networks, CVPR 2018, section 3.2). What
is rounded to 8 bits is this kernel, so everything that prepares a network for integers starts from it.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from freezenet.train.network.batchnorm import affine
from freezenet.train.network.graph import inputs_of

_FUSABLE = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
_WITH_KERNEL = (*_FUSABLE, keras.layers.Dense)
#: Layers in the place of one, each with its weights.
_Chain = list[tuple[keras.layers.Layer, list[NDArray]]]


def fuse_batchnorm(model: keras.Model) -> keras.Model:
    """Return a network of the same function without BatchNorm; `model` keeps its weights.

    model: a flat functional network. Layers keep their names, what BatchNorm is fused into gets a bias. BatchNorm behind
    anything but a linear convolution of one use becomes a 1x1 depthwise convolution of its name, or is fused into the
    dense layer behind it. A convolution's or dense layer's own activation comes behind it as "<name>_activation", but for
    the model's outputs; ReLU is always the layer ReLU.
    """
    sources = {id(layer.output): layer for layer in model.layers}
    users: dict[int, list[Any]] = {}
    for layer in model.layers:
        for tensor in inputs_of(layer):
            users.setdefault(id(tensor), []).append(layer)
    behind, before = {}, {}  # convolution, dense layer -> the BatchNorm that is fused into it
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            source, targets = sources[id(inputs_of(layer)[0])], users.get(id(layer.output), [])
            if isinstance(source, _FUSABLE) and len(users[id(source.output)]) == 1 and _is_linear(source):
                behind[source.name] = layer
            elif len(targets) == 1 and isinstance(targets[0], keras.layers.Dense):
                before[targets[0].name] = layer
    fused_away = {layer.name for layer in (*behind.values(), *before.values())}
    outputs = {id(tensor) for tensor in model.outputs}
    image = keras.Input(batch_shape=model.input.shape, name=model.layers[0].name)
    tensors = {id(model.input): image}
    weights: dict[str, list[NDArray]] = {}
    for layer in model.layers[1:]:
        arguments = [tensors[id(tensor)] for tensor in inputs_of(layer)]
        x = arguments if len(arguments) > 1 else arguments[0]
        if layer.name not in fused_away:
            for copy, values in _replaced(layer, behind.get(layer.name), before.get(layer.name), outputs):
                x = copy(x)
                weights[copy.name] = values
        tensors[id(layer.output)] = x
    results = [tensors[id(tensor)] for tensor in model.outputs]
    fused = keras.Model(image, results[0] if len(results) == 1 else results, name=model.name)
    for layer in fused.layers:
        if weights.get(layer.name):
            layer.set_weights(weights[layer.name])
    return fused


def _replaced(layer: Any, behind: Any, before: Any, outputs: set[int]) -> _Chain:
    """Return what stands for a layer; behind, before: the BatchNorm to fuse into it, or None."""
    if isinstance(layer, keras.layers.BatchNormalization) and len(layer.output.shape) == 4:
        scale, shift = affine(layer)
        return [(keras.layers.DepthwiseConv2D(1, name=layer.name), _float32(scale[None, None, :, None], shift))]
    if isinstance(layer, keras.layers.Activation):
        return [(_activation(layer.activation, layer.name), [])]
    config, weights = layer.get_config(), layer.get_weights()
    if behind or before:
        config["use_bias"] = True
        weights = _fused(layer, behind) if behind else _fused_ahead(layer, before)
    if not isinstance(layer, _WITH_KERNEL) or _is_linear(layer) or id(layer.output) in outputs:
        return [(layer.__class__.from_config(config), weights)]
    config["activation"] = "linear"
    activation = _activation(layer.activation, f"{layer.name}_activation")
    return [(layer.__class__.from_config(config), weights), (activation, [])]


def _activation(function: Any, name: str) -> keras.layers.Layer:
    if function is keras.activations.relu:
        return keras.layers.ReLU(name=name)
    return keras.layers.Activation(function, name=name)


def _fused(convolution: Any, norm: Any) -> list[NDArray]:
    kernel, *bias = convolution.get_weights()
    scale, shift = affine(norm)
    # A depthwise kernel (h, w, c, multiplier) has its output channels in the last two axes.
    per_output = scale.reshape(kernel.shape[2:]) if isinstance(convolution, keras.layers.DepthwiseConv2D) else scale
    return _float32(kernel * per_output, (bias[0] * scale if bias else 0) + shift)


def _fused_ahead(dense: Any, norm: Any) -> list[NDArray]:
    kernel, *bias = dense.get_weights()
    scale, shift = affine(norm)
    return _float32(kernel * scale[:, None], (bias[0] if bias else 0) + shift @ kernel)


def _float32(*arrays: NDArray) -> list[NDArray]:
    return [array.astype(np.float32) for array in arrays]


def _is_linear(layer: Any) -> bool:
    return layer.activation is keras.activations.linear
