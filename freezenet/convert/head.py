"""The last layer of a model file, its head: what it reads of an image, what it makes of that, and another one in its place.

A file ends in a dense layer and a softmax; its class activation map, where it has one, is a 1x1 convolution with the same kernel
(`freezenet.convert.float.outputs`). All else in the file stays what it is, to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray
from scipy.special import softmax

from freezenet.convert.float.flatbuffer import read_tree, write_tree
from freezenet.convert.float.layer import Layer, empty_unused, kind_of, maker
from freezenet.convert.ptq.ranges import Observation
from freezenet.edge_runtime.errors import ModelError
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.edge_runtime.interpreter import Interpreter
from freezenet.train.progress import track

#: Type of the scores inside -> their steps between 0 and 1, which TFLite's softmax has by definition.
_SCORE_STEPS = {schema.TensorType.INT8: 256, schema.TensorType.UINT8: 256, schema.TensorType.INT16: 32768}


@dataclass(frozen=True)
class Head:
    """A dense layer under a softmax.

    Args:
        kernel: (features, classes) float64.
        bias: (classes,) float64.
    """

    kernel: NDArray[np.float64]
    bias: NDArray[np.float64]

    def logits(self, features: NDArray) -> NDArray[np.float64]:
        """Return (n, classes) for features (n, features)."""
        return np.asarray(features @ self.kernel + self.bias, np.float64)

    def scores(self, features: NDArray) -> NDArray[np.float64]:
        """Return the softmax of the logits, (n, classes)."""
        return np.asarray(softmax(self.logits(features), axis=1))


@dataclass(frozen=True)
class HeadOfFile:
    """The head of one network.

    Args:
        network: a .tflite of any variant, without what lies behind it.
        outputs: its outputs, keys of `freezenet.edge_runtime.card.OUTPUTS`, scores first.
        name: of the file, for sentences.

    Every use raises ModelError where the scores are not the softmax of one dense layer.
    """

    network: bytes
    outputs: Sequence[str]
    name: str

    @cached_property
    def head(self) -> Head:
        """What the layer holds; of integers the numbers that they stand for."""
        layer = self._layers(read_tree(self.network))[0]
        return Head(layer.weights.T, layer.biases)

    @property
    def score_steps(self) -> int | None:
        """How many steps the scores have between 0 and 1; None of scores that are computed in float."""
        tree = read_tree(self.network)
        return _SCORE_STEPS.get(tree.subgraphs[0].tensors[self._softmax(tree).outputs[0]].type)

    def read(self, spec: PreprocessSpec, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what the layer reads, (n, features), of pixels (n, h, w)."""
        return np.stack([found[0].ravel() for found in self._readings(spec, pixels)])

    def replaced(
        self, head: Head, spec: PreprocessSpec, pixels: NDArray[np.uint8], features: NDArray[np.float32]
    ) -> bytes:
        """Return the network with another head, in the types that the file has.

        Integer logits and an integer activation map are given the range of least squared error on these images
        (`freezenet.convert.ptq.ranges`).

        Args:
            head: of as many features and classes.
            spec: of the model.
            pixels: (n, h, w), images to choose ranges on.
            features: (n, features), what `read` returns for them.
        """
        tree = read_tree(self.network)
        dense, *maps = self._layers(tree)
        dense.replace(head.kernel.T, head.bias)
        dense.set_range(_seen(head.logits(features)))
        for layer in maps:
            layer.replace(head.kernel.T, np.zeros(len(head.bias)))
            if layer.has_integers:
                layer.set_range(_seen(self._map_values(head, spec, pixels)))
        empty_unused(tree)
        return write_tree(tree)

    def _map_values(self, head: Head, spec: PreprocessSpec, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        # One image at a time, because the feature maps of all would fill the memory; of each a few numbers are kept.
        return np.concatenate(
            [found[1].reshape(-1, len(head.kernel)) @ head.kernel for found in self._readings(spec, pixels)]
        )

    def _readings(self, spec: PreprocessSpec, pixels: NDArray[np.uint8]) -> Iterator[list[NDArray]]:
        """Yield for each image what the head reads, and the last feature map where there is an activation map."""
        tree = read_tree(self.network)
        tree.subgraphs[0].outputs = [layer.source for layer in self._layers(tree)]
        tree.signatureDefs = None  # It names the outputs that were.
        interpreter = Interpreter(write_tree(tree))
        dtype = interpreter.inputs[0]["dtype"]
        for image in track(pixels, f"Reading features with {self.name}", len(pixels)):
            yield interpreter.invoke(spec.network_input(image, dtype))

    def _layers(self, tree: Any) -> list[Layer]:
        """Return the dense layer of the scores and, where there is one, the convolution of the activation map."""
        wanted = {"FULLY_CONNECTED": self._softmax(tree).inputs[0]}
        if "cam" in self.outputs:
            wanted["CONV_2D"] = tree.subgraphs[0].outputs[list(self.outputs).index("cam")]
        return [self._layer(tree, index, kind) for kind, index in wanted.items()]

    def _layer(self, tree: Any, index: int, kind: str) -> Layer:
        found = Layer.find(tree, index, kind)
        if isinstance(found, str):
            raise self._unfit(found)
        return found

    def _softmax(self, tree: Any) -> Any:
        operator, _ = maker(tree, tree.subgraphs[0].outputs[0])
        if kind_of(tree, operator) != "SOFTMAX":
            raise self._unfit(f"scores of {kind_of(tree, operator) or 'no operator'}")
        return operator

    def _unfit(self, got: str) -> ModelError:
        return ModelError(
            f"A model whose scores are the softmax of one dense layer with a bias is required by --refit-head. Got: {self.name} with "
            f"{got}; localize it without."
        )


def _seen(values: NDArray[np.float64]) -> Observation:
    return Observation(float(values.min()), float(values.max()), values.ravel().astype(np.float32))
