"""The backbones: what Keras calls them, where their ImageNet weights lie, and what images those weights expect.

A device feeds (pixel - mean) / std with one mean and one std, the same gray value in all three channels; what a network
of Keras normalizes by itself is left away, so that this stays the whole truth for each of them. Where the weights were
trained on channels with means and deviations of their own, the nearest thing to say of a gray image is their average.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)

_URL = "https://storage.googleapis.com/tensorflow/keras-applications/"


@dataclass(frozen=True)
class Backbone:
    """One network of keras.applications.

    title: its name there. weights_url: of the ImageNet weights without top; "{width}" and "{size}" stand for the width and for
    the side of the images. sizes: of images that have weights of their own; others take those of 224 pixels.
    mean, std: of the gray images that these weights expect. smallest: side of the smallest image in pixels.
    widths: for which ImageNet weights exist; empty where the width is fixed. arguments: for Keras' function.
    first_layer: behind the network's own normalization, "" where it has none.
    """

    title: str
    weights_url: str
    mean: float
    std: float
    smallest: int = 32
    widths: tuple[float, ...] = ()
    sizes: tuple[int, ...] = (224,)
    arguments: dict[str, Any] = field(default_factory=dict)
    first_layer: str = ""

    def build(self, size: int, width: float, weights: str | None) -> keras.Model:
        """Return the network (size, size, 3) -> last feature map, flat, with Keras' weights "imagenet" or None (random)."""
        import keras

        sized = {"alpha": width} if self.widths else {}
        interactive = keras.config.is_interactive_logging_enabled()
        if weights is not None:
            logger.info(f"ImageNet weights of {self.title}: from Keras' cache, or downloaded to it")
            keras.config.disable_interactive_logging()  # it would print the address on stdout, which is for data
        try:
            network = getattr(keras.applications, self.title)(
                input_shape=(size, size, 3), include_top=False, weights=weights, **sized, **self.arguments
            )
        finally:
            if interactive:
                keras.config.enable_interactive_logging()
        return _layers_only(network, self.first_layer)

    def expects(self, mean: float, std: float) -> bool:
        """Return whether images of this mean and std are near to what the ImageNet weights expect."""
        return abs(mean - self.mean) <= 2 and abs(std / self.std - 1) < 0.1

    def url(self, width: float, size: int = 224) -> str:
        """Return where the ImageNet weights that Keras takes for images of `size` pixels can be fetched."""
        return self.weights_url.format(width=float(width), size=size if size in self.sizes else 224)


#: Name in a recipe -> backbone.
BACKBONES = {
    "mobilenetv2": Backbone(
        "MobileNetV2",
        _URL + "mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{width}_{size}_no_top.h5",
        mean=127.5,
        std=127.5,
        widths=(0.35, 0.5, 0.75, 1.0, 1.3, 1.4),
        sizes=(96, 128, 160, 192, 224),
    ),
    "mobilenetv3-small": Backbone(
        "MobileNetV3Small",
        _URL + "mobilenet_v3/weights_mobilenet_v3_small_224_{width}_float_no_top_v2.h5",
        mean=127.5,
        std=127.5,
        widths=(0.75, 1.0),
        arguments={"include_preprocessing": False},
    ),
    # Channel means .485, .456, .406 and deviations .229, .224, .225 of [0, 1]: on average 114.5 and 57.6 gray levels.
    "efficientnet-b0": Backbone(
        "EfficientNetB0",
        "https://storage.googleapis.com/keras-applications/efficientnetb0_notop.h5",
        mean=114.5,
        std=57.6,
        first_layer="stem_conv_pad",
    ),
    # Channel means 103.9, 116.8, 123.7, not scaled: on average 114.8 gray levels.
    "resnet50": Backbone(
        "ResNet50", _URL + "resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5", mean=114.8, std=1
    ),
    # As EfficientNet.
    "densenet121": Backbone(
        "DenseNet121", _URL + "densenet/densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5", mean=114.5, std=57.6
    ),
    "inceptionv3": Backbone(
        "InceptionV3",
        _URL + "inception_v3/inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
        mean=127.5,
        std=127.5,
        smallest=75,
    ),
    # As ResNet50.
    "vgg16": Backbone("VGG16", _URL + "vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5", mean=114.8, std=1),
}


def _layers_only(network: keras.Model, first: str) -> keras.Model:
    """Return the network as a graph of layers alone, from the layer `first` on where one is named.

    MobileNetV3 adds and multiplies numbers without a layer, which nothing that walks over `model.layers` would see.
    """
    import keras

    if not first and all(isinstance(one, keras.layers.Layer) for one in network.operations):
        return network
    start = network.get_layer(first).input if first else network.input
    image = keras.Input(start.shape[1:], name="image")
    tensors = {id(start): image}
    for operation in network.operations:
        sources = [tensors.get(id(tensor)) for tensor in operation._inbound_nodes[0].input_tensors]
        if not sources or any(one is None for one in sources):  # before the start
            continue
        layer = _as_layer(operation)
        tensors[id(operation.output)] = layer(sources if len(sources) > 1 else sources[0])
        if isinstance(operation, keras.layers.Layer):
            layer.set_weights(operation.get_weights())
    return keras.Model(image, tensors[id(network.output)], name=network.name)


def _as_layer(operation: Any) -> keras.layers.Layer:
    """Return a layer of its own that does what a layer, or the sum or product with a number, does."""
    import keras

    if isinstance(operation, keras.layers.Layer):
        return operation.__class__.from_config(operation.get_config())
    _, number = operation._inbound_nodes[0].arguments.args
    scale, offset = {"Add": (1.0, number), "Multiply": (number, 0.0)}[operation.__class__.__name__]
    return keras.layers.Rescaling(scale, offset, name=operation.name)
