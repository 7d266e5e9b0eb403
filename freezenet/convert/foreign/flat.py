"""A Keras model of any nesting as a flat graph of new layers with the same weights, as this project's converter wants it.

What only trains is left out, models inside the model are dissolved, and what only normalizes the image becomes one convolution.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

_L = keras.layers
#: Layers that hand on what they get when nothing is trained.
_ONLY_IN_TRAINING = (_L.Dropout, _L.SpatialDropout2D, _L.GaussianDropout, _L.GaussianNoise, _L.ActivityRegularization,
                     _L.RandomFlip, _L.RandomRotation, _L.RandomZoom, _L.RandomTranslation, _L.RandomContrast,
                     _L.RandomBrightness)  # fmt: skip
_POOLS = (_L.GlobalAveragePooling2D, _L.GlobalMaxPooling2D)
#: Functions with a constant, as in image / 127.5 - 1 -> scale and shift.
_ARITHMETIC: dict[str, Callable[[NDArray], tuple[Any, Any]]] = {
    "TrueDivide": lambda one: (1 / one, 0.0),
    "Divide": lambda one: (1 / one, 0.0),
    "Multiply": lambda one: (one, 0.0),
    "Subtract": lambda one: (1.0, -one),
    "Add": lambda one: (1.0, one),
}
#: Names that outputs and parts of our networks have.
_OURS = frozenset({"image", "pool", "scores", "cam", "features"})


def is_graph(layer: Any) -> bool:
    """Whether a layer is a model whose layers can be walked, and not one with code of its own."""
    return isinstance(layer, keras.Sequential) or (
        isinstance(layer, keras.Model) and hasattr(layer, "_run_through_graph")
    )


def last_pool(model: Any) -> Any:
    """Return the last layer that pools whole maps, also one in a model inside, or None."""
    found = None
    for layer in model.layers:
        if is_graph(layer):
            found = last_pool(layer) or found
        elif isinstance(layer, _POOLS) and not layer.keepdims:
            found = layer
    return found


class Flat:
    """Applies the layers of a model, and of models in it, to a tensor; each is made anew, with its weights."""

    def __init__(self, pool: Any) -> None:
        """Begin without layers. pool: the layer that is to be called "pool", None for none."""
        self._pool = pool
        self._made: dict[int, Any] = {}
        self._names = set(_OURS)
        # Layer that normalizes -> what it is given, scale and shift.
        self._normalizing: dict[int, tuple[Any, NDArray, NDArray]] = {}

    def __call__(self, model: Any, x: Any) -> Any:
        """Return the output of a model for a tensor."""
        if isinstance(model, keras.Sequential):
            for layer in model.layers:
                x = self._apply(layer, x)
            return x
        # The graph's own walk knows arguments of any kind.
        return model._run_through_graph(x, operation_fn=lambda one: one, call_fn=self._apply)

    def _apply(self, layer: Any, *arguments: Any, **more: Any) -> Any:
        if is_graph(layer):
            return self(layer, arguments[0])
        if isinstance(layer, (_L.InputLayer, *_ONLY_IN_TRAINING)):
            return arguments[0]
        more.pop("training", None)
        affine = _affine(layer, arguments)
        if affine is not None:
            return self.normalized(arguments[0], *affine)
        if not isinstance(layer, keras.Layer):  # a function such as x / 127.5
            return layer(*arguments, **more)
        first = id(layer) not in self._made
        if first:
            self._made[id(layer)] = layer.__class__.from_config({**layer.get_config(), "name": self._name(layer)})
        made = self._made[id(layer)]
        found = made(*arguments, **more)
        if first:
            made.set_weights(layer.get_weights())
        return found

    def normalized(self, x: Any, scale: NDArray, shift: NDArray) -> Any:
        """Return scale * x + shift for each channel, as a convolution, which the converter knows; two in a row become one.

        Of three channels the first is taken where the network has one: they are equal.
        """
        before = self._normalizing.get(id(x._keras_history.operation))
        if before is not None and x.shape[-1] == len(scale):
            x, scale, shift = before[0], scale * before[1], scale * before[2] + shift
        if x.shape[-1] == len(scale):
            if np.all(scale == 1) and np.all(shift == 0):
                return x
            layer: Any = _L.DepthwiseConv2D(1)
            kernel = np.asarray(scale, np.float32).reshape(1, 1, -1, 1)
        else:
            layer = _L.Conv2D(1, 1)
            kernel = np.array([scale[0], 0, 0], np.float32).reshape(1, 1, 3, 1)
        found = layer(x)
        layer.set_weights([kernel, np.asarray(shift, np.float32)])
        self._normalizing[id(layer)] = (x, scale, shift)
        return found

    def _name(self, layer: Any) -> str:
        if layer is self._pool:
            return "pool"
        name, number = layer.name, 1
        while name in self._names:
            number += 1
            name = f"{layer.name}_{number}"
        self._names.add(name)
        return str(name)


def _affine(layer: Any, arguments: tuple[Any, ...]) -> tuple[NDArray, NDArray] | None:
    """Return scale and shift (channels,) of what only normalizes images: layers of Keras, and arithmetic with a constant; None of the rest."""
    if not arguments or len(getattr(arguments[0], "shape", ())) != 4:
        return None
    channels = arguments[0].shape[-1]
    if isinstance(layer, _L.Rescaling):
        scale, shift = np.asarray(layer.scale, np.float64), np.asarray(layer.offset, np.float64)
    elif isinstance(layer, _L.Normalization):
        mean, variance = (np.asarray(one, np.float64).reshape(-1) for one in (layer.mean, layer.variance))
        scale = 1 / np.maximum(np.sqrt(variance), keras.backend.epsilon())
        shift = -mean * scale
    elif not isinstance(layer, keras.Layer) and type(layer).__name__ in _ARITHMETIC and len(arguments) == 2:
        if isinstance(arguments[1], keras.KerasTensor):
            return None
        constant = np.asarray(arguments[1], np.float64)
        scale, shift = (np.asarray(one, np.float64) for one in _ARITHMETIC[type(layer).__name__](constant))
    else:
        return None
    if scale.size not in (1, channels) or shift.size not in (1, channels):
        return None
    return np.broadcast_to(scale.reshape(-1), channels), np.broadcast_to(shift.reshape(-1), channels)
