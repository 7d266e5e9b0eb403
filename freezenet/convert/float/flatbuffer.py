"""A `.tflite` model as a tree of objects, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

#: Version of an operator code that reads and writes signed 8-bit integers; older ones know uint8 only.
_INT8_VERSION = 2


def read_tree(model: bytes) -> Any:
    """Return the model's tables as mutable objects (`ModelT` of the published schema)."""
    tree = flatbuffer_utils.read_model_from_bytearray(model)
    for buffer in tree.buffers:
        if isinstance(buffer.data, bytes):  # the packer writes an array at once, but bytes one by one
            buffer.data = np.frombuffer(buffer.data, np.uint8)
    return tree


def write_tree(tree: Any) -> bytes:
    """Return the bytes of a model; all its data lie inside the flatbuffer."""
    return bytes(flatbuffer_utils.convert_object_to_bytearray(tree))


def builtin_code(entry: Any) -> int:
    """Return the `schema.BuiltinOperator` of an operator code; the older field holds what fits into 7 bits."""
    return max(entry.builtinCode, entry.deprecatedBuiltinCode)


def add_tensor(tree: Any, name: str, like: Any, kind: int, scale: float | None = None, zero_point: int = 0) -> int:
    """Add a tensor without content to the model's only subgraph and return its index.

    like: a tensor of the same shape. kind: of `schema.TensorType`. scale, zero_point: of an integer tensor.
    """
    (graph,) = tree.subgraphs
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.hasRank = name.encode(), like.shape, kind, True
    if scale is not None:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [zero_point]
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def add_operator(tree: Any, position: int, code: int, source: int, target: int) -> None:
    """Insert an operator of one input and one output at a position in the order of execution.

    code: `schema.BuiltinOperator.QUANTIZE` or `DEQUANTIZE`. source, target: indices of tensors.
    """
    known = [builtin_code(one) for one in tree.operatorCodes]
    if code not in known:
        entry = schema.OperatorCodeT()
        entry.builtinCode = entry.deprecatedBuiltinCode = code
        entry.version = _INT8_VERSION
        tree.operatorCodes.append(entry)
        known.append(code)
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = known.index(code), [source], [target]
    tree.subgraphs[0].operators.insert(position, operator)
