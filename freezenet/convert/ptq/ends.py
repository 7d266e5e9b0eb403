"""The two ends of an integer file: what goes in and what comes out, for clients that cannot choose.

    pixels    raw uint8 pixels in, float32 out: no client has to round
    uint8     uint8 in and out, for accelerators that take nothing else
    int8      int8 in and out: microcontrollers (TensorFlow Lite Micro) and NPUs; a raw pixel less 128 goes in
    float32   normalized float32 in, float32 out: clients made for float files

What lies between the ends is the same, so an integer that comes out stands for the float32 that would have, to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from freezenet.convert.float.flatbuffer import add_operator, add_tensor, builtin_code, read_tree, write_tree
from freezenet.convert.variants import UnsupportedError

_KINDS = {
    "uint8": schema.TensorType.UINT8,
    "int8": schema.TensorType.INT8,
    "float32": schema.TensorType.FLOAT32,
}
#: Between the zero points of the same numbers as uint8 and as int8.
_SHIFT = 128


def with_ends(model: bytes, ends: str) -> bytes:
    """Return an integer model with other ends, one of `freezenet.convert.variants.ENDS`.

    Args:
        model: as `freezenet.convert.ptq.integer.to_integer` makes it: uint8 pixels in, float32 out.
        ends: see the module.

    Raises:
        UnsupportedError: it takes no pixels, or an output is computed in float, so that no integer stands for it.
    """
    if ends == "pixels":
        return model
    tree = read_tree(model)
    graph = tree.subgraphs[0]
    image = graph.tensors[graph.inputs[0]]
    if image.type != schema.TensorType.UINT8:
        raise UnsupportedError(
            f"A file that takes uint8 pixels is required by --io {ends}. Got: one that takes another type."
        )
    image.type = _KINDS[ends]
    if ends == "float32":
        image.quantization = None
    elif ends == "int8":
        image.quantization.zeroPoint = [image.quantization.zeroPoint[0] - _SHIFT]
    _drop_idle(tree, graph)
    if ends != "float32":
        for place, index in enumerate(list(graph.outputs)):
            _replace_output(tree, graph, place, _integer_output(tree, graph, index, ends))
    return write_tree(tree)


def _drop_idle(tree: Any, graph: Any) -> None:
    """Leave out the operators behind the input that would only hand on what they are given."""
    source = graph.inputs[0]
    for operator in list(graph.operators):
        if list(operator.inputs) != [source] or not _converts(tree, operator):
            continue
        target = operator.outputs[0]
        if _meaning(graph.tensors[source]) == _meaning(graph.tensors[target]):
            graph.operators.remove(operator)
            for reader in graph.operators:
                reader.inputs = [source if one == target else one for one in reader.inputs]


def _integer_output(tree: Any, graph: Any, index: int, ends: str) -> int:
    """Return the tensor that holds an output's integers, made where it is not there."""
    maker = next((one for one in graph.operators if index in list(one.outputs)), None)
    name = graph.tensors[index].name.decode()
    if maker is None or _code(tree, maker) != schema.BuiltinOperator.DEQUANTIZE:
        raise UnsupportedError(
            f"Outputs that are computed in integers are required by --io {ends}. Got: {name:.60} in float; leave out this variant."
        )
    integers = maker.inputs[0]
    if not any(index in list(one.inputs) for one in graph.operators):
        graph.operators.remove(maker)
    if ends == "int8":
        return int(integers)
    tensor = graph.tensors[integers]
    (scale,), (zero_point,) = tensor.quantization.scale, tensor.quantization.zeroPoint
    shifted = add_tensor(tree, f"{name}_uint8", tensor, schema.TensorType.UINT8, scale, zero_point + _SHIFT)
    add_operator(tree, len(graph.operators), schema.BuiltinOperator.QUANTIZE, integers, shifted)
    return shifted


def _replace_output(tree: Any, graph: Any, place: int, index: int) -> None:
    before = graph.outputs[place]
    graph.outputs = [index if number == place else one for number, one in enumerate(graph.outputs)]
    for signature in tree.signatureDefs or []:
        for one in signature.outputs:
            if one.tensorIndex == before:
                one.tensorIndex = index


def _meaning(tensor: Any) -> tuple[int, Sequence[float], Sequence[int]]:
    quantization = tensor.quantization
    if tensor.type == schema.TensorType.FLOAT32 or quantization is None:
        return tensor.type, [], []
    return tensor.type, list(quantization.scale), list(quantization.zeroPoint)


def _converts(tree: Any, operator: Any) -> bool:
    return _code(tree, operator) in (schema.BuiltinOperator.QUANTIZE, schema.BuiltinOperator.DEQUANTIZE)


def _code(tree: Any, operator: Any) -> int:
    return builtin_code(tree.operatorCodes[operator.opcodeIndex])
