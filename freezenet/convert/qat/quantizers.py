"""What tensorflow-model-optimization is told to round in each layer, and how.

The gradient passes through the rounding of weights unchanged, and is zero beyond the range of an activation (Jacob et al.,
Quantization and Training of Neural Networks, CVPR 2018, section 3).

Imported in the process of `freezenet.convert.qat.worker` only: tf_keras and Keras 3 in one process disturb each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot

from freezenet.convert.qat.compression import LIMIT
from freezenet.convert.qat.graph import Node

#: Layer class -> (name of its kernel, how many of the kernel's last axes count output channels).
KERNELS = {"Conv2D": ("kernel", 1), "DepthwiseConv2D": ("depthwise_kernel", 2), "Dense": ("kernel", 1)}


class KernelQuantizer(tfmot.quantization.keras.quantizers.Quantizer):
    """Round a kernel symmetrically: scale = largest weight / 127 of each output channel, always of the weights as they are.

    channel_axes: how many of its last axes count output channels. compressed: multiply it with a mask first, and replace
    each integer by one of a table.
    """

    # LastValueQuantizer does not fit: it starts at +-6 and moves in training mode only, and it knows channels only in the
    # last axis, where a depthwise kernel has its multiplier.

    def __init__(self, channel_axes: int, compressed: bool) -> None:
        """Keep the settings."""
        self._channel_axes, self._compressed = channel_axes, compressed

    def build(self, tensor_shape, name, layer):
        """Make mask and table, which are part of the wrapper's weights; at first they change nothing."""
        if not self._compressed:
            return {}
        mask = layer.add_weight(f"{name}_mask", tensor_shape, initializer="ones", trainable=False)
        table = layer.add_weight(f"{name}_table", (2 * LIMIT + 1,), initializer="zeros", trainable=False)
        table.assign(np.arange(-LIMIT, LIMIT + 1))
        return {"mask": mask, "table": table}

    def __call__(self, inputs, training, weights, **kwargs):
        """Return the rounded kernel."""

        @tf.custom_gradient
        def rounded(values):
            integers, scale = self.integers(values, weights)
            return integers * scale, lambda upstream: upstream

        return rounded(inputs * weights["mask"] if weights else inputs)

    def integers(self, values, weights):
        """Return (integers, scale of each output channel) of a kernel; both float32.

        values: with the mask's zeros. weights: what `build` returned.
        """
        inner = list(range(len(values.shape) - self._channel_axes))
        scale = tf.maximum(tf.reduce_max(tf.abs(values), inner, keepdims=True), 1e-30) / LIMIT
        integers = tf.round(values / scale)
        if weights:
            integers = tf.gather(weights["table"], tf.cast(integers, tf.int32) + LIMIT)
        return integers, scale

    def get_config(self):
        """Return what rebuilds the quantizer."""
        return {"channel_axes": self._channel_axes, "compressed": self._compressed}


class FixedConfig(tfmot.quantization.keras.QuantizeConfig):
    """Round a layer's kernel, and its output where the node has limits."""

    def __init__(self, node: Node, compressed: bool) -> None:
        """Keep the settings."""
        self._node, self._compressed = node, compressed

    def get_weights_and_quantizers(self, layer):
        """Return the kernel, where there is one."""
        if self._node.kind not in KERNELS:
            return []
        name, channel_axes = KERNELS[self._node.kind]
        return [(getattr(layer, name), KernelQuantizer(channel_axes, self._compressed))]

    def get_activations_and_quantizers(self, layer):
        """Return nothing: activations are layers of their own here."""
        return []

    def set_quantize_weights(self, layer, quantize_weights):
        """Let the layer compute with the rounded kernel."""
        for value in quantize_weights:
            setattr(layer, KERNELS[self._node.kind][0], value)

    def set_quantize_activations(self, layer, quantize_activations):
        """Do nothing."""

    def get_output_quantizers(self, layer):
        """Return the rounding to the fixed range."""
        if self._node.limits is None:
            return []
        return [tfmot.quantization.keras.quantizers.FixedQuantizer(8, *self._node.limits, narrow_range=False)]

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the configuration."""
        return {"node": self._node, "compressed": self._compressed}
