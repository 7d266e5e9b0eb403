"""What BatchNorm does in inference mode: a fixed scale and shift per channel (Ioffe & Szegedy, ICML 2015, algorithm 2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray


def traced_affine(norm: keras.layers.BatchNormalization, bias: Any = None) -> tuple[Any, Any]:
    """Return scale and shift as tensors of the backend, for use inside a layer: y = scale * x + shift.

    Args:
        norm: the layer; channels last.
        bias: (c,) of the convolution before it, which goes into the shift; None for none.

    Returns:
        scale, shift: (c,) each, in the type of the layer's variables.
    """
    return _affine(norm, 0.0 if bias is None else bias, lambda variable: variable, keras.ops.rsqrt)


def affine(norm: keras.layers.BatchNormalization) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return scale and shift as (c,) float64 arrays, for rewriting a network: y = scale * x + shift."""
    return _affine(norm, 0.0, lambda variable: np.asarray(variable, np.float64), lambda value: 1 / np.sqrt(value))


def _affine(
    norm: keras.layers.BatchNormalization, bias: Any, read: Callable[[Any], Any], inverse_root: Callable[[Any], Any]
) -> tuple[Any, Any]:
    scale = inverse_root(read(norm.moving_variance) + norm.epsilon)
    if norm.scale:
        scale = scale * read(norm.gamma)
    shift = (bias - read(norm.moving_mean)) * scale
    return scale, shift + read(norm.beta) if norm.center else shift
