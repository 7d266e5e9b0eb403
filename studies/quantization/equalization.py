"""Cross-layer equalization: scale a layer's channels against those of the next, so that their weights use one range.

Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction, ICCV 2019, section 4.1. It rests on
relu(s x) = s relu(x), which does not hold for ReLU6: there the cap of each channel would have to move with its scale, and
neither Keras' nor TFLite's operator has a cap per channel. So ReLU6 is replaced by ReLU first, as in the paper.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from freezenet.train.network.graph import source_names

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
#: A round that scales no channel by more than this share is the last.
_SETTLED = 1e-3
_ROUNDS = 40


def without_cap(model: keras.Model) -> keras.Model:
    """Return the network with ReLU in the place of ReLU6: another function wherever a value exceeds 6.

    model: flat; it keeps its weights.
    """

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        changes = {"max_value": None} if isinstance(layer, keras.layers.ReLU) else {}
        return layer.__class__.from_config({**layer.get_config(), **changes})

    found = keras.models.clone_model(model, clone_function=copy)
    found.set_weights(model.get_weights())
    return found


def equalize(model: keras.Model) -> keras.Model:
    """Return a network of the same function whose neighbouring convolutions have equal weight ranges in each channel.

    model: flat, BatchNorm fused, ReLU without cap (`without_cap`). Channel i between two layers with largest weights
    r1, r2 is divided by s = sqrt(r1 / r2) in the first and multiplied by it in the second (equation 11: s = sqrt(r1 r2) / r2);
    repeated over all pairs until nothing moves.
    """
    found = keras.models.clone_model(model)
    found.set_weights(model.get_weights())
    neighbours = pairs(found)
    for _ in range(_ROUNDS):
        if max((_equalize_pair(*pair) for pair in neighbours), default=0.0) < _SETTLED:
            break
    return found


def pairs(model: keras.Model) -> list[tuple[Any, Any]]:
    """Return the convolutions (first, second) with nothing but ReLU and padding between them, in the network's order."""
    users: dict[str, list[Any]] = {}
    for layer in model.layers:
        for source in source_names(layer):
            users.setdefault(source, []).append(layer)
    found = []
    for layer in model.layers:
        after = layer
        while isinstance(layer, _CONVOLUTIONS) and len(users.get(after.name, [])) == 1:
            (after,) = users[after.name]
            if isinstance(after, _CONVOLUTIONS):
                found.append((layer, after))
            if not (isinstance(after, keras.layers.ZeroPadding2D) or _is_uncapped(after)):
                break
    return found


def _equalize_pair(first: Any, second: Any) -> float:
    """Equalize two layers in place; return the largest share by which a channel was scaled."""
    (kernel, bias), (next_kernel, *rest) = first.get_weights(), second.get_weights()
    # Kernels are (h, w, in, out), depthwise ones (h, w, channel, 1).
    depthwise = isinstance(first, keras.layers.DepthwiseConv2D)
    largest = np.abs(kernel).max((0, 1, 3) if depthwise else (0, 1, 2))
    next_largest = np.abs(next_kernel).max((0, 1, 3))
    alive = (largest > 0) & (next_largest > 0)
    scale: NDArray = np.sqrt(np.where(alive, largest, 1) / np.where(alive, next_largest, 1))
    first.set_weights([kernel / (scale[:, None] if depthwise else scale), bias / scale])
    second.set_weights([next_kernel * scale[:, None], *rest])
    return float(np.abs(scale - 1).max())


def _is_uncapped(layer: Any) -> bool:
    return isinstance(layer, keras.layers.ReLU) and layer.max_value is None
