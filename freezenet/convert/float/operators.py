"""The operators of a `.tflite` model, read from the file."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ai_edge_litert.tools.flatbuffer_utils import opcode_to_name

from freezenet.convert.float.flatbuffer import read_tree


@dataclass(frozen=True)
class Operator:
    """One operator. kind: e.g. "CONV_2D". tensor: index of its output. name: of that tensor."""

    kind: str
    tensor: int
    name: str


def read_operators(model: bytes) -> list[Operator]:
    """Return the operators of a model's only subgraph, in the order of execution."""
    tree = read_tree(model)
    (graph,) = tree.subgraphs
    found = []
    for operator in graph.operators:
        kind = opcode_to_name(tree, operator.opcodeIndex)
        found += [Operator(kind, index, graph.tensors[index].name.decode()) for index in operator.outputs]
    return found


def custom_operators(model: bytes) -> list[str]:
    """Return the names of operators that are not builtin (Flex and custom ones).

    Read from the file, because a runtime without them does not load it.
    """
    codes = read_tree(model).operatorCodes or []
    return sorted({code.customCode.decode() for code in codes if code.customCode})


def fused_layers(tensor: str) -> list[tuple[str, str]]:
    """Return the Keras layer and the operation of each operation that was fused into a tensor, the last one first.

    tensor: its name in a file of the TensorFlow converter, which holds the names of all of them, as
    "net_1/net_1/relu_1/Relu6;net_1/net_1/conv_1/BiasAdd": Keras adds "_<number>" to each layer's. Empty for another name.
    """
    parts = [part.split("/") for part in tensor.split(";") if "/" in part]
    return [(re.sub(r"_\d+$", "", part[-2]), part[-1]) for part in parts]
