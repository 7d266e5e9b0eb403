"""From a Keras model to the bytes of a `.tflite` model: static batch of one, builtin operators only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import islice
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from freezenet.convert.float.batchnorm import fuse_batchnorm
from freezenet.convert.float.outputs import keep_outputs
from freezenet.convert.ptq.bias_correction import correct_biases
from freezenet.convert.ptq.integer import to_integer
from freezenet.convert.ptq.mixed import mixed_precision
from freezenet.convert.ptq.ranges import Ranges, least_error_ranges
from freezenet.convert.ptq.rounding import round_kernels
from freezenet.convert.ptq.sensitivity import Sensitivity, measure_sensitivity
from freezenet.convert.qat.training import by_layer
from freezenet.convert.variants import VARIANTS, UnsupportedError, Variant
from freezenet.edge_runtime.errors import one_line
from freezenet.train.quiet import quiet

#: Calibration images that the kernels are rounded for and the biases corrected on; more changed nothing (docs/quantization.md).
ROUNDING_IMAGES = 64
_ROUNDING_BATCH = 16
#: Calibration images that the operators' noise is measured on.
SENSITIVITY_IMAGES = 32

#: Layers of the networks of our backbones, whose kernels are rounded and whose ranges are measured here.
_L = keras.layers
_KNOWN = frozenset({
    _L.InputLayer, _L.Conv2D, _L.DepthwiseConv2D, _L.Dense, _L.BatchNormalization, _L.ReLU, _L.Activation, _L.ZeroPadding2D, _L.Add,
    _L.Multiply, _L.Concatenate, _L.Reshape, _L.Flatten, _L.Dropout, _L.Identity, _L.MaxPooling2D, _L.AveragePooling2D,
    _L.GlobalAveragePooling2D, _L.GlobalMaxPooling2D, _L.Rescaling,
})  # fmt: skip

Representative = Callable[[], Iterator[list[NDArray[np.float32]]]]


class Converter:
    """A trained network ready to be written as any variant; what several variants need is computed once.

    model: a flat functional model (batch, h, w, 3) -> (batch, classes).
    representative: yields calibration inputs [(1, h, w, 3) float32], whose input extremes become those of a uint8 input.
    """

    def __init__(self, model: keras.Model, representative: Representative) -> None:
        """Keep both; nothing is computed yet."""
        self.model = model
        self._representative = representative
        #: Whether all of the network is of layers that this project quantizes itself; else TensorFlow does.
        self.quantizes = all(map(_is_known, model.operations))

    def to_tflite(self, variant: Variant) -> bytes:
        """Return the bytes of a variant, with the outputs of the network in its order and under its names."""
        return keep_outputs(self._written(variant), self.model.output_names)

    def to_int8(self, network: keras.Model) -> bytes:
        """Return the integer file of `corrected`, or of the same network with other weights on their 8-bit grid."""
        content = to_float32(network)
        return keep_outputs(to_integer(content, self.ranges), self.model.output_names)

    def to_mixed(self, passes: Callable[[bytes], bool]) -> tuple[bytes, tuple[str, ...]]:
        """Return the integer file with the fewest outputs in float that passes, and the names of its float operators' outputs."""

        self.require_known("mixed")

        def ordered(content: bytes) -> bytes:
            return keep_outputs(content, self.model.output_names)

        content, floats = mixed_precision(
            self._corrected_float32, self.ranges, self.sensitivity.worst_first(), lambda one: passes(ordered(one))
        )
        return ordered(content), floats

    def _written(self, variant: Variant) -> bytes:
        if variant.name == "int8" and self.quantizes:
            return to_integer(self._corrected_float32, self.ranges)
        network = self.model if variant.arithmetic == "float" or not self.quantizes else self.rounded
        return _converted(network, variant, self._representative)

    def require_known(self, variant: str) -> None:
        """Raise UnsupportedError where the network has layers that only TensorFlow's converter knows."""
        if not self.quantizes:
            raise UnsupportedError(
                f"A network of layers that freezenet itself quantizes is required by {variant}. Got: others; leave out this variant."
            )

    @cached_property
    def rounded(self) -> keras.Model:
        """The network without BatchNorm, its kernels on the 8-bit grid."""
        return round_kernels(self._fused, self._batches)

    @cached_property
    def corrected(self) -> keras.Model:
        """`rounded` without the mean error that its kernels and 8-bit activations leave in each channel."""
        return correct_biases(self.rounded, self._fused, np.concatenate(list(self._batches())))

    @cached_property
    def ranges(self) -> Ranges:
        """The 8-bit range of every activation, by tensor name of the float file of `corrected`."""
        images = [image for (image,) in self._representative()]
        return least_error_ranges(self._corrected_float32, images)

    @cached_property
    def layer_ranges(self) -> dict[str, tuple[float, float]]:
        """The same ranges by the name of the Keras layer, of all on the way to the first output."""
        # Of a file without further outputs, because a tensor that is one has no layer's name.
        alone = keras.Model(self.corrected.input, self.corrected.outputs[0], name=self.corrected.name)
        images = [image for (image,) in self._representative()]
        return by_layer(least_error_ranges(to_float32(alone), images))

    @cached_property
    def sensitivity(self) -> Sensitivity:
        """What the integers of each operator on the way to the first output do, on some calibration images."""
        images = [image for (image,) in islice(self._representative(), SENSITIVITY_IMAGES)]
        return measure_sensitivity(
            keep_outputs(self._corrected_float32, self.model.output_names[:1]), self.ranges, images
        )

    @cached_property
    def _fused(self) -> keras.Model:
        return fuse_batchnorm(self.model)

    @cached_property
    def _corrected_float32(self) -> bytes:
        return to_float32(self.corrected)

    def _batches(self) -> Iterator[NDArray[np.float32]]:
        images = islice(self._representative(), ROUNDING_IMAGES)
        while batch := list(islice(images, _ROUNDING_BATCH)):
            yield np.concatenate([image for (image,) in batch])


def _is_known(layer: Any) -> bool:
    """Whether a layer is one whose kernel is rounded here; one that stands in two places, or a kernel in groups or with holes, is not."""
    whole = getattr(layer, "groups", 1) == 1 and set(getattr(layer, "dilation_rate", (1,))) == {1}
    return type(layer) in _KNOWN and len(layer._inbound_nodes) == 1 and whole


def to_float32(model: keras.Model) -> bytes:
    """Return the float .tflite of any flat network, its outputs named after their layers, in no certain order."""
    return _converted(model, VARIANTS["float32"])


def _converted(model: keras.Model, variant: Variant, representative: Representative | None = None) -> bytes:
    # A batch of -1 in the signature is refused by LiteRT.js.
    fixed = keras.Input(batch_shape=(1, *model.input_shape[1:]), name="image")
    outputs = model(fixed)
    # As a dictionary, because the order of a list is lost on the way; the names go into the signature.
    named = dict(zip(model.output_names, outputs if isinstance(outputs, list) else [outputs], strict=True))
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(fixed, named, name=model.name))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if variant.name != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant.name == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if variant.name == "int8":
        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type, converter.inference_output_type = tf.uint8, tf.float32
    if variant.name == "int16x8":
        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]
    with quiet():
        try:
            return converter.convert()
        except RuntimeError as error:  # of the quantizer, once for each operator that it does not know
            reason = one_line(str(error).partition("\n")[0], 160)
    raise UnsupportedError(
        f"A network of operators that {variant.name} has is required. Got: {reason}; leave out this variant."
    )
