"""The network with rounding inside, on tf_keras and tensorflow-model-optimization.

Values are rounded where the 8-bit file rounds them: kernels per output channel, activations after the fused ReLU (Jacob et
al., CVPR 2018, section 3.1). Biases are 32-bit integers in the file, too fine to make a difference here.

Imported in the process of `freezenet.convert.qat.worker` only: tf_keras and Keras 3 in one process disturb each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow_model_optimization as tfmot
import tf_keras
from numpy.typing import NDArray

from freezenet.convert.qat.compression import scales_of
from freezenet.convert.qat.graph import Node
from freezenet.convert.qat.quantizers import KERNELS, FixedConfig
from freezenet.edge_runtime.images.preprocess import PreprocessSpec


class Network:
    """A tf_keras network with rounding inside, from the image to the logits.

    nodes: by name. trained: the variables that training may change; nothing else ever is, whatever tf_keras counts as
    trainable (tensorflow-model-optimization adds frozen kernels again to the trainable weights, its issue 881).
    compressed: names of the layers whose kernels are pruned or clustered: trained convolutions that are not depthwise.
    """

    def __init__(
        self,
        nodes: list[Node],
        weights: Mapping[str, list[NDArray[np.float32]]],
        spec: PreprocessSpec,
        compress: bool = False,
    ) -> None:
        """Build the network for images of a preprocessing. weights: kernel and bias of each layer that has them."""
        self.nodes = {node.name: node for node in nodes}
        # Depthwise kernels and the classifier are small, and losing weights there costs most (Zhu & Gupta 2017, section 4.2).
        self.compressed = [node.name for node in nodes if compress and node.trained and node.kind == "Conv2D"]
        self._tensors: dict[str, Any] = {}
        for node in nodes:
            if node.kind == "InputLayer":
                self._tensors[node.name] = tf_keras.Input((*spec.size, 3), name=node.name)
                continue
            arguments = [self._tensors[name] for name in node.inputs]
            layer = _layer(node, node.name in self.compressed)
            self._tensors[node.name] = layer(arguments if len(arguments) > 1 else arguments[0])
        self._image = self._tensors[nodes[0].name]
        self._logits = self._tensors[nodes[-1].name]
        self._model = tf_keras.Model(self._image, self._logits)
        for name, values in weights.items():
            for variable, value in zip(self._variables(name), values, strict=True):
                variable.assign(value)
        self._trained = [node for node in nodes if node.trained]
        self.trained = [variable for node in self._trained for variable in self._variables(node.name)]

    def split(self, cut: str) -> tuple[Any, Any]:
        """Return (prefix, suffix) around a node's output; prefix is None where the node is the input."""
        middle = self._tensors[cut]
        if middle is self._image:
            return None, self._model
        return tf_keras.Model(self._image, middle), tf_keras.Model(middle, self._logits)

    def weights(self) -> dict[str, list[NDArray[np.float32]]]:
        """Return the trained layers' weights, kernels rounded: a writer with scale = largest / 127 finds the integers."""
        found = {}
        for node in self._trained:
            kernel, *bias = self._variables(node.name)
            quantizer, state = self._quantizer(node.name)
            rounded = quantizer(kernel.value(), training=False, weights=state)
            found[node.name] = [rounded.numpy(), *(one.numpy() for one in bias)]
        return found

    def units(self) -> list[NDArray[np.float32]]:
        """Return the unit in which each of `trained` is counted, one scale: of a kernel per channel, of a bias the activation's."""
        rounded_by = {name: node for node in self.nodes.values() for name in node.inputs}
        found = []
        for node in self._trained:
            kernel, *bias = self._variables(node.name)
            found.append(scales_of(kernel.numpy(), KERNELS[node.kind][1]).astype(np.float32))
            limits = node.limits or rounded_by[node.name].limits
            assert limits is not None  # `describe` refuses a network without
            found += [np.full(1, (limits[1] - limits[0]) / 255, np.float32) for _ in bias]
        return found

    def integers(self, name: str) -> NDArray[np.int64]:
        """Return the integers of a layer's kernel."""
        quantizer, state = self._quantizer(name)
        kernel = self._variables(name)[0].value()
        integers, _ = quantizer.integers(kernel * state["mask"] if state else kernel, state)
        return integers.numpy().astype(np.int64)

    def kernel(self, name: str) -> NDArray[np.float32]:
        """Return a layer's kernel before rounding."""
        return self._variables(name)[0].numpy()

    def compression(self, name: str, part: str) -> Any:
        """Return the variable "mask" or "table" of a compressed layer."""
        return self._quantizer(name)[1][part]

    def _quantizer(self, name: str) -> tuple[Any, dict[str, Any]]:
        ((_, quantizer, state),) = self._model.get_layer(f"quant_{name}")._weight_vars
        return quantizer, state

    def _variables(self, name: str) -> list[Any]:
        """Return the variables of a layer with a kernel: [kernel] or [kernel, bias]."""
        wrapper = self._model.get_layer(f"quant_{name}")
        # The layer's own attribute is the rounded kernel, which is no variable.
        ((kernel, _, _),) = wrapper._weight_vars
        return [kernel, wrapper.layer.bias] if wrapper.layer.use_bias else [kernel]


def _layer(node: Node, compressed: bool) -> Any:
    layer = getattr(tf_keras.layers, node.kind)(**node.config, name=node.name, trainable=node.trained)
    if node.kind not in KERNELS and node.limits is None:
        return layer
    return tfmot.quantization.keras.QuantizeWrapperV2(layer, FixedConfig(node, compressed))
