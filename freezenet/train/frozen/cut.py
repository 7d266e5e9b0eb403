"""Cut the network where all frozen computation flows through one tensor.

Frozen layers in inference mode are a fixed function of the image. The deepest bottleneck of the layer graph that has only
frozen layers below it splits the network into the frozen backbone, computed once per image, and the part that is trained. For
MobileNetV2 with half of its layers frozen it is the output of `block_7_add` (14 x 14 x 64 at 224 pixels).
"""

from __future__ import annotations

import keras

from freezenet.edge_runtime.errors import SettingError
from freezenet.train.network.graph import bottlenecks, layer_sources


def find_cut(model: keras.Model) -> keras.layers.Layer | None:
    """Return the deepest layer through whose output everything before it flows, with nothing trainable up to it.

    None where the first layer with weights is already trained, so that there is nothing worth caching.
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


def required_cut(model: keras.Model) -> keras.layers.Layer:
    """Return `find_cut`; raise SettingError where nothing is frozen."""
    layer = find_cut(model)
    if layer is None:
        raise SettingError(
            "A frozen part is required for the cache. Got: a network that is trained from its first layer; "
            "pass --set cache=none."
        )
    return layer


def split_model(model: keras.Model, layer: keras.layers.Layer) -> tuple[keras.Model, keras.Model]:
    """Return the network below and above a layer's output; both share the layers, and so the weights, of `model`."""
    return (
        keras.Model(model.input, layer.output, name="frozen_backbone"),
        keras.Model(layer.output, model.output, name="trained_part"),
    )


def backbone_tensor(model: keras.Model) -> keras.KerasTensor:
    """Return the frozen backbone's output (n, h, w, c); the last feature map of the network where nothing is frozen."""
    layer = find_cut(model)
    return model.get_layer("pool").input if layer is None else layer.output


def backbone_means(model: keras.Model) -> keras.KerasTensor:
    """Return the channel means (n, c) float32 of `backbone_tensor`, by a layer "features".

    Where the tensor is pooled already, it is returned itself.
    """
    tensor = backbone_tensor(model)
    mean = keras.layers.GlobalAveragePooling2D if len(tensor.shape) == 4 else keras.layers.Identity
    # In 32 bits also under mixed precision: the sum over a feature map overflows 16 of them sooner than the map itself.
    return mean(name="features", dtype="float32")(tensor)


def _deterministic(layer: keras.layers.Layer) -> bool:
    """Whether a layer without trained weights computes the same in training as in inference."""
    if isinstance(layer, keras.layers.BatchNormalization):
        return not layer.trainable
    return not isinstance(layer, keras.layers.Dropout) or layer.rate == 0
