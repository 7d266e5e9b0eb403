"""Weights from a file of Keras: of the backbone alone, or of a whole network whose top is left away.

.keras         a whole model
.h5            of Keras 2 or 3, weights or a whole model: arrays under the names of their layers. CheXNet for Keras
               (github.com/brucechou1983/CheXNet-Keras) is one: DenseNet121 with 14 outputs, 242 layers with weights
               where the backbone has 241
.weights.h5    weights of Keras 3, which are in the order of the layers and without their names
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

#: Name of a layer and its arrays in Keras' order; only layers with weights.
Stored = list[tuple[str, list[NDArray]]]


def load_file(backbone: keras.Model, path: Path) -> None:
    """Set the weights of all layers of a flat backbone from a file; what the file has beyond them is left away.

    Layers are found by their names where the file has all of them, else by their order from the input, since names
    differ between versions of Keras.
    Raises what h5py and Keras raise for a file that is none, and ValueError with a reason where it does not fit.
    """
    stored = _stored(path)
    if stored is None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Keras warns of layers that the file does not have, and leaves them random
            backbone.load_weights(str(path))
        return
    wanted = [layer for layer in backbone.layers if layer.weights]
    for layer, arrays in zip(wanted, _found(wanted, stored), strict=True):
        shapes = [tuple(weight.shape) for weight in layer.weights]
        if shapes != [array.shape for array in arrays]:
            raise ValueError(f"layer {layer.name} has {shapes}, the file {[array.shape for array in arrays]}")
        layer.set_weights(arrays)


def _found(wanted: list[keras.layers.Layer], stored: Stored) -> list[list[NDArray]]:
    by_name = {_plain(name): arrays for name, arrays in stored}
    names = [_plain(layer.name) for layer in wanted]
    if all(name in by_name for name in names):
        return [by_name[name] for name in names]
    if len(stored) < len(wanted):
        raise ValueError(f"{len(wanted)} layers with weights are needed, the file has {len(stored)}")
    return [arrays for _, arrays in stored[: len(wanted)]]


def _plain(name: str) -> str:
    return name.replace("/", "_")  # "conv1/bn" before Keras 3


def _stored(path: Path) -> Stored | None:
    """Return a file's layers, None where it keeps no names."""
    if zipfile.is_zipfile(path):
        model = keras.saving.load_model(path, compile=False)
        return [(layer.name, layer.get_weights()) for layer in _leaves(model) if layer.weights]
    import h5py

    with h5py.File(path) as file:
        group = file.get("model_weights", file)
        names = _attribute(group, "layer_names")
        if not names:
            return None
        return list(chain.from_iterable(_layers_of(group[name], name) for name in names))


def _leaves(model: Any) -> Iterator[keras.layers.Layer]:
    for layer in model.layers:
        yield from _leaves(layer) if isinstance(layer, keras.Model) else (layer,)


def _layers_of(group: Any, name: str) -> Stored:
    """Return what a layer's group of an HDF5 file holds: one layer, or all those of a network inside the network."""
    found: dict[str, list[NDArray]] = {}
    for weight in _attribute(group, "weight_names"):
        found.setdefault(weight.rpartition("/")[0], []).append(np.asarray(group[weight]))
    return list(found.items()) if len(found) > 1 else [(name, arrays) for arrays in found.values()]


def _attribute(group: Any, name: str) -> list[str]:
    """Return a list of names that Keras keeps as attribute `name`, or in parts `name0`, `name1`, ... where it is long."""
    parts = [group.attrs[name]] if name in group.attrs else []
    while f"{name}{len(parts)}" in group.attrs:
        parts.append(group.attrs[f"{name}{len(parts)}"])
    return [one.decode() if isinstance(one, bytes) else str(one) for part in parts for one in part]
