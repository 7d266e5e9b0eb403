"""Round kernels to 8 bits so that each layer's output, not each weight, stays close.

Rounding every weight to the nearest integer undoes fine-tuning: what training added to a kernel is often smaller than half
its scale, and all of it vanishes in one direction. Here the weights of a layer are rounded one input at a time, and the error of
each is made good by the weights that are still to come, weighted by how the layer's inputs go together on real images
(Frantar & Alistarh, Optimal Brain Compression, NeurIPS 2022; Frantar et al., GPTQ, ICLR 2023, equations 2 to 4).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from freezenet.train.progress import track

#: Largest integer of a symmetric 8-bit kernel, as TFLite defines it.
LIMIT = 127
#: Share of the mean diagonal that is added to the diagonal of the input products, so that they can be inverted.
DAMPING = 0.01
#: Positions of a feature map that are looked at in each batch; neighbours on a large map say the same twice.
POSITIONS = 2048
#: Smallest largest weight of a channel, as a share of its bias: the bias is a 32-bit integer of scale (input scale x kernel
#: scale), which a dead channel's tiny kernel would let overflow.
BIAS_SHARE = 1e-4
_TINY = 1e-30
# Weights after which those still to come make good all errors at once (GPTQ, section 3.3, step 2): one product of matrices is far
# faster than many of vectors, and ResNet's rows have thousands of weights.
_BLOCK = 128


def round_kernels(model: keras.Model, batches: Callable[[], Iterable[NDArray]]) -> keras.Model:
    """Return the network with every kernel in 8 bits: per output channel, multiples of scale = largest weight / 127.

    model: flat, BatchNorm fused (`freezenet.convert.float.batchnorm`). batches: yields network inputs (n, h, w, 3) float32.
    The largest weight of each channel keeps its integer, so that a converter which takes the scale from the
    largest weight finds the same integers again.
    """
    rounded = keras.models.clone_model(model)
    rounded.set_weights(model.get_weights())
    layers = [layer for layer in model.layers if layer.weights]
    products = input_products(model, layers, batches())
    for layer, moments in zip(track(layers, "Rounding the kernels", len(layers)), products, strict=True):
        kernel, *rest = layer.get_weights()
        bias = rest[0] if rest else np.zeros(layer.output.shape[-1], np.float32)
        rounded.get_layer(layer.name).set_weights([_rounded_kernel(layer, kernel, bias, moments), *rest])
    return rounded


def round_rows(rows: NDArray, products: NDArray, least: NDArray) -> NDArray[np.float64]:
    """Round rows (..., out, k) to multiples of scale = max |row| / 127 where the inputs have products (..., k, k) = sum x x'.

    Leading axes are independent problems. least (..., out): smallest largest weight that a rounded row may have.
    Minimizes the sum over inputs of ((row - rounded) x)^2 greedily: column by column in the order of falling input power.
    """
    rows = rows.astype(np.float64)
    scale = np.maximum(np.abs(rows).max(-1), np.maximum(least, _TINY)) / LIMIT
    products = products.astype(np.float64)
    size = rows.shape[-1]
    diagonal = np.einsum("...ii->...i", products)
    # An input that is always zero has weights that do not matter; any positive number makes the inverse exist.
    mean = np.maximum(diagonal.mean(-1, keepdims=True), _TINY)
    products = products + np.eye(size) * (DAMPING * mean + np.where(diagonal == 0, mean, 0))[..., None]
    order = np.argsort(-diagonal, axis=-1, kind="stable")
    back = np.argsort(order, axis=-1)
    rows = np.take_along_axis(rows, order[..., None, :], -1)
    products = np.take_along_axis(np.take_along_axis(products, order[..., None, :], -1), order[..., :, None], -2)
    # Row j of this upper factor: how the weights after j make good an error of weight j.
    factor = np.swapaxes(np.linalg.cholesky(np.linalg.inv(products)), -1, -2)
    largest = np.abs(rows).argmax(-1)
    sign = np.where(np.take_along_axis(rows, largest[..., None], -1)[..., 0] < 0, -1, 1)
    result = np.empty_like(rows)
    for start in range(0, size, _BLOCK):
        block = slice(start, start + _BLOCK)
        errors = np.empty_like(rows[..., block])
        for column in range(start, min(start + _BLOCK, size)):
            integer = np.clip(np.rint(rows[..., column] / scale), -LIMIT, LIMIT)
            integer = np.where(largest == column, sign * LIMIT, integer)
            result[..., column] = integer * scale
            error = (rows[..., column] - result[..., column]) / factor[..., column, column, None]
            errors[..., column - start] = error
            near = slice(column + 1, start + _BLOCK)
            rows[..., near] -= error[..., None] * factor[..., None, column, near]
        rows[..., start + _BLOCK :] -= errors @ factor[..., block, start + _BLOCK :]
    return np.take_along_axis(result, back[..., None, :], -1)


def input_products(model: keras.Model, layers: list[Any], batches: Iterable[NDArray]) -> list[NDArray[np.float64]]:
    """Return sum x x' of what each layer's kernel is multiplied with: (k, k), for a depthwise layer (channels, k, k)."""
    probe = keras.Model(model.input, [layer.input for layer in layers])
    products: list[Any] = [0.0] * len(layers)
    for batch in batches:
        for number, (layer, values) in enumerate(zip(layers, probe.predict_on_batch(batch), strict=True)):
            images = max(1, POSITIONS // math.prod(layer.output.shape[1:-1]))
            inputs = _patches(layer, values[:images])
            products[number] = products[number] + (np.swapaxes(inputs, -1, -2) @ inputs).astype(np.float64)
    return products


def _patches(layer: Any, values: NDArray) -> NDArray:
    """Return the inputs that meet a kernel: (positions, k), for a depthwise layer (channels, positions, k)."""
    if isinstance(layer, keras.layers.Dense):
        return values
    channels = values.shape[-1]
    if layer.kernel_size == (1, 1):
        patches = values[:, :: layer.strides[0], :: layer.strides[1]].reshape(-1, 1, channels)
    else:
        if layer.padding == "same":
            values = np.pad(values, [(0, 0), *_same(layer, values), (0, 0)])
        # TensorFlow's own extraction of patches is far slower on a CPU.
        windows = np.lib.stride_tricks.sliding_window_view(values, layer.kernel_size, (1, 2))
        windows = windows[:, :: layer.strides[0], :: layer.strides[1]]
        patches = windows.reshape(-1, channels, math.prod(layer.kernel_size)).transpose(0, 2, 1)
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return np.ascontiguousarray(patches.transpose(2, 0, 1))
    return patches.reshape(len(patches), -1)


def _same(layer: Any, values: NDArray) -> list[tuple[int, int]]:
    """Return the rows and columns of zeros before and after that padding "same" means: the odd one comes after."""
    sides = zip(values.shape[1:3], layer.kernel_size, layer.strides, strict=True)
    missing = [max((math.ceil(side / stride) - 1) * stride + size - side, 0) for side, size, stride in sides]
    return [(one // 2, one - one // 2) for one in missing]


def _rounded_kernel(layer: Any, kernel: NDArray, bias: NDArray, products: NDArray) -> NDArray[np.float32]:
    if not all(np.isfinite(part).all() for part in (kernel, bias, products)):
        return kernel  # a broken network stays as it is, so that the gate can say what is wrong
    least = np.abs(bias) * BIAS_SHARE
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        size, channels = kernel.shape[0] * kernel.shape[1], kernel.shape[2]
        per_channel = kernel.reshape(size, channels, -1).transpose(1, 2, 0)
        rounded = round_rows(per_channel, products, least.reshape(channels, -1))
        return rounded.transpose(2, 0, 1).reshape(kernel.shape).astype(np.float32)
    rows = kernel.reshape(-1, kernel.shape[-1]).T
    return round_rows(rows, products, least).T.reshape(kernel.shape).astype(np.float32)
