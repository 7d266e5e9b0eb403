"""From a Keras model to the bytes of a `.tflite` model: static batch of one, builtin operators only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from train.quiet import quiet

Representative = Callable[[], Iterator[list[NDArray[np.float32]]]]


@dataclass(frozen=True)
class Variant:
    """A way to write the model. arithmetic: "float" or "integer", of the operators inside."""

    name: str
    summary: str
    arithmetic: str


VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("float32", "float weights and arithmetic; float32 in, float32 out", "float"),
        Variant("float16", "weights stored as float16, arithmetic in float; float32 in, float32 out", "float"),
        Variant("dynamic", "int8 weights, activations quantized on the fly; float32 in, float32 out", "integer"),
        Variant("int8", "full integer inside, post-training; raw uint8 pixels in, float32 scores out", "integer"),
    )
}


def to_tflite(model: keras.Model, variant: Variant, representative: Representative) -> bytes:
    """Convert a flat functional model (batch, h, w, 3) -> (batch, classes) to a variant.

    representative: yields calibration inputs [(1, h, w, 3) float32]; used where the variant has integer activations.
    """
    # A batch of -1 in the signature is refused by LiteRT.js.
    fixed = keras.Input(batch_shape=(1, *model.input_shape[1:]), name="image")
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(fixed, model(fixed), name=model.name))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if variant.name != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant.name == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if variant.name == "int8":
        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8
        converter.inference_output_type = tf.float32
    with quiet():
        return converter.convert()
