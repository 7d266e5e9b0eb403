"""Cut the network where all frozen computation flows through one tensor.

Frozen layers in inference mode are a fixed function of the image. The deepest articulation point of the layer graph
that has only frozen layers below it splits the network into a prefix, computed once per image, and a suffix that is
trained. For MobileNetV2 with half of its layers frozen it is the output of `block_7_add` (14 x 14 x 64 at 224 pixels).
"""

from __future__ import annotations

import keras

from freezenet.train.network.graph import bottlenecks, layer_sources


def articulation_layer(model: keras.Model) -> keras.layers.Layer | None:
    """Return the deepest layer through whose output everything before it flows, with nothing trainable up to it.

    None where the first layer with weights is already trained, so that no prefix is worth caching.
    """
    narrow = set(bottlenecks(layer_sources(model)))
    found, has_weights = None, False
    for layer in model.layers[:-1]:  # in topological order
        if layer.trainable_weights or not _deterministic(layer):
            break
        has_weights |= bool(layer.weights)
        if has_weights and layer.name in narrow:
            found = layer
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


def _deterministic(layer: keras.layers.Layer) -> bool:
    """Whether a layer without trained weights computes the same in training as in inference."""
    if isinstance(layer, keras.layers.BatchNormalization):
        return not layer.trainable
    return not isinstance(layer, keras.layers.Dropout) or layer.rate == 0
