"""The same network with fewer passes over its activations, for training.

A BatchNorm layer in inference mode is a fixed scale and shift per channel. Applied to the kernel of the convolution before it,
some thousand numbers, it saves a pass over the activations forward and one backward. A 1 x 1 convolution is written as the matrix
product that it is: oneDNN's gradients of a convolution cost twice those of a product. Both train the very same variables, so
gradients and steps are those of the network as it was, up to rounding.
"""

from __future__ import annotations

import keras
from keras import layers, ops

from freezenet.train.network.batchnorm import traced_affine
from freezenet.train.network.graph import inputs_of


class FusedConvolution(layers.Layer):
    """A convolution, plain or depthwise, and the fixed BatchNorm behind it, where there is one, as one layer."""

    def __init__(self, convolution: layers.Layer, norm: layers.BatchNormalization | None) -> None:
        """Share the variables of both layers."""
        super().__init__(name=convolution.name, dtype=convolution.dtype_policy, trainable=convolution.trainable)
        self.convolution, self.norm = convolution, norm
        self.built = True

    def call(self, inputs):
        """Return the normalized output (n, h', w', c')."""
        kernel, shift = self._fused()
        like = self.convolution
        if isinstance(like, layers.DepthwiseConv2D):
            outputs = ops.depthwise_conv(inputs, kernel, like.strides, like.padding, dilation_rate=like.dilation_rate)
        elif _pointwise(like):
            shape = ops.shape(inputs)
            product = ops.matmul(ops.reshape(inputs, (-1, inputs.shape[-1])), kernel[0, 0])
            outputs = ops.reshape(product, (*shape[:-1], kernel.shape[-1]))
        else:
            outputs = ops.conv(inputs, kernel, like.strides, like.padding, dilation_rate=like.dilation_rate)
        return outputs if shift is None else outputs + shift

    def _fused(self):
        """Return the kernel times the norm's scale, and what is added to each channel, in the compute type."""
        like, norm = self.convolution, self.norm
        kernel = ops.convert_to_tensor(like.kernel)
        shift = like.bias if like.use_bias else None
        if norm is not None:
            scale, shift = traced_affine(norm, shift)
            depthwise = isinstance(like, layers.DepthwiseConv2D)
            kernel = kernel * (ops.reshape(scale, (1, 1, *kernel.shape[2:])) if depthwise else scale)
        return ops.cast(kernel, self.compute_dtype), None if shift is None else ops.cast(shift, self.compute_dtype)


def fused(model: keras.Model) -> keras.Model:
    """Return a model that computes and trains what `model` does, with its variables.

    Convolutions followed by nothing but a BatchNorm in inference mode take it in; 1 x 1 convolutions become products.
    """
    consumers: dict[int, list[layers.Layer]] = {}
    for layer in model.layers:
        for tensor in inputs_of(layer):
            consumers.setdefault(id(tensor), []).append(layer)
    replaced: dict[int, layers.Layer] = {}
    taken_in: set[int] = set()
    for layer in model.layers:
        if not _plain(layer):
            continue
        behind = consumers.get(id(layer._inbound_nodes[0].outputs[0]), [])
        norm = behind[0] if len(behind) == 1 and _fixed_norm(behind[0]) else None
        if norm is None and not _pointwise(layer):
            continue
        replaced[id(layer)] = FusedConvolution(layer, norm)
        if norm is not None:
            taken_in.add(id(norm))
    return keras.models.clone_model(
        model,
        model.input,
        lambda layer: replaced.get(id(layer), layer),
        lambda layer, *inputs, **named: inputs[0] if id(layer) in taken_in else layer(*inputs, **named),
    )


def _plain(layer: layers.Layer) -> bool:
    """Whether a layer is a convolution as this module writes it."""
    if type(layer) not in (layers.Conv2D, layers.DepthwiseConv2D) or layer.data_format != "channels_last":
        return False
    multiplied = isinstance(layer, layers.DepthwiseConv2D) and layer.depth_multiplier != 1
    return not multiplied and getattr(layer, "groups", 1) == 1 and layer.activation is keras.activations.linear


def _pointwise(layer: layers.Layer) -> bool:
    return type(layer) is layers.Conv2D and layer.kernel_size == (1, 1) == layer.strides


def _fixed_norm(layer: layers.Layer) -> bool:
    return isinstance(layer, layers.BatchNormalization) and not layer.trainable and layer.axis in (-1, 3)
