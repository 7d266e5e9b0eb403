"""Empirical bias correction: take the mean error of each output channel, measured on images, out of the layer's bias.

Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction, ICCV 2019, section 4.2 and appendix D.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from freezenet.convert.ptq.ranges import SAMPLES, Observation, least_error, rounded
from freezenet.train.network.graph import source_names
from freezenet.train.progress import track

_BATCH = 16
#: Layers that hand on what they get, so that it needs no rounding again.
_PASSING = (keras.layers.InputLayer, keras.layers.ZeroPadding2D, keras.layers.Dropout)


def correct_biases(network: keras.Model, reference: keras.Model, images: NDArray[np.float32]) -> keras.Model:
    """Return `network` with biases that make the mean of each layer's output, before its activation, that of `reference`.

    network: flat, BatchNorm fused, kernels already rounded. reference: the same layers before rounding.
    images: (n, h, w, 3) float32; all feature maps of two layers are held in memory.
    Layer after layer: each is corrected on the inputs that it gets from the corrected layers before it, with activations
    rounded to 8 bits in ranges of least error on these images, as the integer file does.
    """
    corrected = keras.models.clone_model(network)
    corrected.set_weights(network.get_weights())
    users = [source for layer in corrected.layers for source in source_names(layer)]
    activated = {
        source for layer in corrected.layers if isinstance(layer, keras.layers.ReLU) for source in source_names(layer)
    }
    wanted, found = {}, {}
    for layer in track(corrected.layers, "Correcting the biases", len(corrected.layers)):
        sources = source_names(layer)
        if not sources:
            wanted[layer.name] = found[layer.name] = images
            continue
        wanted[layer.name] = _outputs(reference.get_layer(layer.name), [wanted[source] for source in sources])
        values = _outputs(layer, [found[source] for source in sources])
        if getattr(layer, "use_bias", False):
            values = values - _correct(layer, values, wanted[layer.name])
        if layer.name not in activated and not isinstance(layer, _PASSING):
            values = _rounded(values, wanted[layer.name])
        found[layer.name] = values
        for source in sources:
            users.remove(source)
            if source not in users:
                del wanted[source], found[source]
    return corrected


def _outputs(layer: Any, arguments: list[NDArray]) -> NDArray[np.float32]:
    """Return a layer's output before a fused activation, batch by batch."""
    parts = []
    for start in range(0, len(arguments[0]), _BATCH):
        batch = [argument[start : start + _BATCH] for argument in arguments]
        if isinstance(layer, keras.layers.Dense):
            kernel, bias = layer.get_weights()
            parts.append(batch[0] @ kernel + bias)
        else:
            parts.append(keras.ops.convert_to_numpy(layer(batch if len(batch) > 1 else batch[0])))
    return np.concatenate(parts)


def _correct(layer: Any, values: NDArray, wanted: NDArray) -> NDArray[np.float32]:
    """Take the mean error of each channel out of the bias, and return it."""
    axes = tuple(range(values.ndim - 1))
    error = (values.mean(axes, dtype=np.float64) - wanted.mean(axes, dtype=np.float64)).astype(np.float32)
    kernel, bias = layer.get_weights()
    layer.set_weights([kernel, bias - error])
    return error


def _rounded(values: NDArray, wanted: NDArray) -> NDArray[np.float32]:
    """Return values after a trip through 8 bits, in the range of least error for the wanted ones."""
    flat = wanted.reshape(len(wanted), -1)
    low, high = float(flat.min()), float(flat.max())
    if flat.shape[1] > SAMPLES:
        flat = flat[:, np.random.default_rng(0).integers(0, flat.shape[1], SAMPLES)]
    low, high = least_error(Observation(low, high, flat.ravel()))
    return rounded(values, low, high).astype(np.float32) if high > low else values
