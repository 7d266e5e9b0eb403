"""Cut the network where all frozen computation flows through one tensor.

Frozen layers in inference mode are a fixed function of the image. The deepest articulation point of the layer graph
that has only frozen layers below it splits the network into a prefix, computed once per image, and a suffix that is
trained. For MobileNetV2 with half of its layers frozen it is the output of `block_7_add` (14 x 14 x 64 at 224 pixels).
"""

from __future__ import annotations

import keras


def articulation_layer(model: keras.Model) -> keras.layers.Layer | None:
    """Return the deepest layer through whose output everything before it flows, with nothing trainable up to it.

    None where the first layer with weights is already trained, so that no prefix is worth caching.
    """
    layers = model.layers  # in topological order
    position = {id(layer): index for index, layer in enumerate(layers)}
    last_use = [0] * len(layers)
    for index, layer in enumerate(layers):
        for source in _sources(layer, position):
            last_use[source] = max(last_use[source], index)
    found, reach, has_weights = None, 0, False
    for index, layer in enumerate(layers[:-1]):
        if layer.trainable_weights or not _deterministic(layer):
            break
        has_weights |= bool(layer.weights)
        # Everything before this layer has been consumed at its position: its output is the only open tensor.
        if reach <= index and has_weights:
            found = layer
        reach = max(reach, last_use[index])
    return found


def trunk_tensor(model: keras.Model) -> keras.KerasTensor:
    """Return the frozen trunk's last tensor (n, h, w, c); the last feature map of the network where nothing is frozen."""
    trunk = articulation_layer(model)
    return model.get_layer("pool").input if trunk is None else trunk.output


def trunk_means(model: keras.Model) -> keras.KerasTensor:
    """Return the channel means (n, c) of `trunk_tensor`, by a layer "features"; where it is pooled already, it is them."""
    tensor = trunk_tensor(model)
    mean = keras.layers.GlobalAveragePooling2D if len(tensor.shape) == 4 else keras.layers.Identity
    return mean(name="features")(tensor)


def split_model(model: keras.Model, layer: keras.layers.Layer) -> tuple[keras.Model, keras.Model]:
    """Return (prefix, suffix) around a layer's output; both share the layers, and so the weights, of `model`."""
    return (
        keras.Model(model.input, layer.output, name="prefix"),
        keras.Model(layer.output, model.output, name="suffix"),
    )


def _sources(layer: keras.layers.Layer, position: dict[int, int]) -> list[int]:
    return [
        position[id(tensor._keras_history.operation)]
        for node in layer._inbound_nodes
        for tensor in node.input_tensors
        if id(tensor._keras_history.operation) in position
    ]


def _deterministic(layer: keras.layers.Layer) -> bool:
    """Whether a layer without trained weights computes the same in training as in inference."""
    if isinstance(layer, keras.layers.BatchNormalization):
        return not layer.trainable
    return not isinstance(layer, keras.layers.Dropout) or layer.rate == 0
