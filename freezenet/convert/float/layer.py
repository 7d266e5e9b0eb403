"""A dense layer or a 1x1 convolution in the graph of a `.tflite` file, of floats or integers: its numbers, and others in their place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools.flatbuffer_utils import opcode_to_name
from numpy.typing import NDArray

from freezenet.convert.ptq.ranges import STEPS, Observation, least_error

_TYPES: dict[int, np.dtype[Any]] = {
    schema.TensorType.FLOAT32: np.dtype(np.float32),
    schema.TensorType.FLOAT16: np.dtype(np.float16),
    schema.TensorType.INT8: np.dtype(np.int8),
    schema.TensorType.INT32: np.dtype(np.int32),
    schema.TensorType.INT64: np.dtype(np.int64),
}
#: Operators that hand on what they are given, in another form.
_PASSING = ("QUANTIZE", "DEQUANTIZE", "RESHAPE")
#: Between the zero points of the same numbers as uint8 and as int8.
_SHIFT = 128
_LARGEST_INT8, _LARGEST_INT16 = 127, 32767
#: A bias beyond this many of its steps would come near the end of 32 bits.
_LARGEST_BIAS = 2**30


@dataclass(frozen=True)
class Layer:
    """Where a layer lies in a graph.

    Args:
        tree: the model, see `freezenet.convert.float.flatbuffer.read_tree`.
        source: index of the tensor that it reads.
        kernel: the tensor with its weights, (classes, ..., features).
        bias: the tensor with its bias, (classes,).
        results: the tensors from its output on to where its numbers are used, all of which hold the same.
    """

    tree: Any
    source: int
    kernel: Any
    bias: Any
    results: tuple[Any, ...]

    @classmethod
    def find(cls, tree: Any, index: int, kind: str) -> Layer | str:
        """Return the layer that makes the numbers of a tensor, or what is there instead, for the inside of a sentence.

        kind: "FULLY_CONNECTED" or "CONV_2D".
        """
        tensors = tree.subgraphs[0].tensors
        operator, results = maker(tree, index)
        if kind_of(tree, operator) != kind:
            return f"{kind_of(tree, operator) or 'no operator'} in place of {kind}"
        if len(operator.inputs) < 3 or operator.builtinOptions.fusedActivationFunction:
            return f"{kind} without a bias, or with an activation"
        kernel, bias = (_constant(tree, int(one)) for one in operator.inputs[1:3])
        if kernel is None or bias is None or kernel.type not in _TYPES or bias.type not in _TYPES:
            return f"{kind} whose weights are no constants of a known type"
        return cls(tree, int(operator.inputs[0]), kernel, bias, tuple(tensors[one] for one in results))

    @property
    def weights(self) -> NDArray[np.float64]:
        """What the kernel stands for, (classes, features)."""
        return self._values(self.kernel).reshape(self.kernel.shape[0], -1)

    @property
    def biases(self) -> NDArray[np.float64]:
        """What the bias stands for, (classes,)."""
        return self._values(self.bias)

    @property
    def has_integers(self) -> bool:
        """Whether its results are integers, which have a range."""
        return any(one.type != schema.TensorType.FLOAT32 for one in self.results)

    def replace(self, weights: NDArray[np.float64], biases: NDArray[np.float64]) -> None:
        """Put other numbers in their place, in the types that are there.

        8-bit weights are symmetric, with one scale or one for each class as before (largest weight / 127); the scale of an integer bias is that of
        the source times that of the weights, as the kernels of TFLite want it.

        Args:
            weights: (classes, features).
            biases: (classes,).
        """
        shaped = weights.reshape(self.kernel.shape)
        integer_bias = _TYPES[self.bias.type].kind == "i"
        if _TYPES[self.kernel.type].kind == "f":
            self._store(self.kernel, shaped)
            self._store(self.bias, biases)
            return
        source = float(_scales(self.tree.subgraphs[0].tensors[self.source])[0]) if integer_bias else 0.0
        largest = np.abs(weights).max(1)
        if integer_bias:
            largest = np.maximum(largest, np.abs(biases) * _LARGEST_INT8 / (source * _LARGEST_BIAS))
        if len(_scales(self.kernel)) == 1:
            largest = largest.max(keepdims=True)
        scales = (np.where(largest > 0, largest, 1.0) / _LARGEST_INT8).astype(np.float32)
        steps = np.rint(shaped / _along_first(scales.astype(np.float64), shaped.ndim))
        self._store(self.kernel, np.clip(steps, -_LARGEST_INT8, _LARGEST_INT8), scales)
        if integer_bias:
            grid = (source * scales.astype(np.float64)).astype(np.float32)
            self._store(self.bias, np.rint(biases / grid.astype(np.float64)), grid)
        else:
            self._store(self.bias, biases)

    def set_range(self, seen: Observation) -> None:
        """Give integer results the range of least squared error on what was seen, of 16 bits the extremes."""
        low, high = least_error(seen)
        for tensor in self.results:
            if tensor.type == schema.TensorType.FLOAT32:
                continue
            scale = (high - low) / STEPS or 1.0
            zero_point = round(-low / scale) - (_SHIFT if tensor.type == schema.TensorType.INT8 else 0)
            if tensor.type == schema.TensorType.INT16:
                scale, zero_point = max(-seen.low, seen.high) / _LARGEST_INT16 or 1.0, 0
            _set_scales(tensor, np.array([scale], np.float32), zero_point)

    def _values(self, tensor: Any) -> NDArray[np.float64]:
        content = bytes(self.tree.buffers[tensor.buffer].data)
        stored = np.frombuffer(content, _TYPES[tensor.type]).reshape(tensor.shape).astype(np.float64)
        scales = _scales(tensor)
        # Symmetric: the zero points of weights and biases are 0.
        return stored * _along_first(scales, stored.ndim) if len(scales) else stored

    def _store(self, tensor: Any, values: NDArray, scales: NDArray[np.float32] | None = None) -> None:
        # A buffer of its own, because several tensors may share one.
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values, _TYPES[tensor.type]).tobytes(), np.uint8)
        self.tree.buffers.append(buffer)
        tensor.buffer = len(self.tree.buffers) - 1
        if scales is not None:
            _set_scales(tensor, scales)


def maker(tree: Any, index: int) -> tuple[Any, list[int]]:
    """Return the operator that makes the numbers of a tensor, None where none does, and the tensors that hold them, the asked one first."""
    makers = {int(tensor): operator for operator in tree.subgraphs[0].operators for tensor in operator.outputs}
    held = [int(index)]
    while kind_of(tree, makers.get(held[-1])) in _PASSING:
        held.append(int(makers[held[-1]].inputs[0]))
    return makers.get(held[-1]), held


def kind_of(tree: Any, operator: Any) -> str:
    """Return the kind of an operator, such as "SOFTMAX", "" of None."""
    return "" if operator is None else opcode_to_name(tree, operator.opcodeIndex) or "another"


def empty_unused(tree: Any) -> None:
    """Take the content of buffers that no tensor and no metadata refer to any more; the others stay what they are."""
    used = {one.buffer for one in (*tree.subgraphs[0].tensors, *(tree.metadata or []))}
    for number, buffer in enumerate(tree.buffers):
        if number not in used:
            buffer.data = None


def _constant(tree: Any, index: int) -> Any:
    """Return the tensor that holds the numbers of a constant, as float16 behind an operator; None where it is none."""
    if index < 0:
        return None
    tensor = tree.subgraphs[0].tensors[maker(tree, index)[1][-1]]
    data = tree.buffers[tensor.buffer].data
    return None if data is None or not len(data) else tensor


def _scales(tensor: Any) -> NDArray[np.float64]:
    found = None if tensor.quantization is None else tensor.quantization.scale
    return np.asarray([] if found is None else found, np.float64)


def _set_scales(tensor: Any, scales: NDArray[np.float32], zero_point: int = 0) -> None:
    tensor.quantization.scale, tensor.quantization.zeroPoint = scales, np.full(len(scales), zero_point, np.int64)
    # The extremes that a converter may have noted are of other numbers.
    tensor.quantization.min = tensor.quantization.max = None


def _along_first(values: NDArray, dimensions: int) -> NDArray:
    return values.reshape(-1, *[1] * (dimensions - 1))
