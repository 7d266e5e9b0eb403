"""The facts of a `.tflite` network of another maker: its tensors, what makes its scores, and whether it can be run here.

They are read from the flatbuffer, without an interpreter, so that what this project cannot answer is said before anything runs.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools.flatbuffer_utils import opcode_to_name

from freezenet.convert.float.flatbuffer import read_tree
from freezenet.convert.foreign.metadata import ENTRY, Metadata, read_metadata
from freezenet.edge_runtime.errors import ModelError
from freezenet.edge_runtime.integrity.model_file import ModelFile

_TYPES = {value: name.lower() for name, value in vars(schema.TensorType).items() if not name.startswith("_")}
#: Operators that hand on what they are given, in another form.
_PASSING = {"QUANTIZE", "DEQUANTIZE", "RESHAPE", "SQUEEZE", "CAST", "EXPAND_DIMS"}
_DAMAGED = (struct.error, IndexError, ValueError, TypeError, AttributeError, OverflowError, MemoryError, RecursionError)
#: First bytes of other files that people call models -> what they are.
_OTHERS = {
    b"PK\3\4": "a ZIP file, such as a .keras or a PyTorch model",
    b"\x89HDF": "an HDF5 file, such as a .h5 model of Keras",
    b"\x08": "a protocol buffer, such as an ONNX model",
}
#: What to do with those.
_REMEDY = (
    "freezenet convert MODEL.keras --data DATA takes a Keras classifier, others are to be written as .tflite first"
)


@dataclass(frozen=True)
class Tensor:
    """One input or output.

    Args:
        name: In the file.
        shape: -1 where a side is open.
        dtype: For example "float32".
        scales: Of its quantization; empty where it has none, several where each channel has its own.
        zero_points: See `scales`.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()

    def __str__(self) -> str:
        """Return name, shape and type for a sentence; an open side is a question mark."""
        return (
            f"{self.name:.60} ({' x '.join('?' if one < 0 else str(one) for one in self.shape) or 'one'} {self.dtype})"
        )


@dataclass(frozen=True)
class Network:
    """What stands in the file.

    Args:
        inputs: Of the main subgraph.
        outputs: Of the main subgraph.
        ends: For each output the kind of the operator that makes its numbers, e.g. "SOFTMAX"; "" where it is none.
        metadata: Standard TFLite metadata, None where there are none.
        notes: A sentence about each thing that is there and is not used.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    ends: tuple[str, ...]
    metadata: Metadata | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, file: ModelFile) -> Network:
        """Read a file; ModelError where it is no `.tflite` file, is damaged, or needs operators that no interpreter here has."""
        kind = next((kind for head, kind in _OTHERS.items() if file.content.startswith(head)), None)
        if kind is not None and file.content[4:8] != b"TFL3":
            raise ModelError(
                f"A TensorFlow Lite model (.tflite) is required. Got: {file.path.name}, {kind}; {_REMEDY}."
            )
        file.check_format()
        notes: list[str] = []
        try:
            tree = read_tree(file.content)
            graph = tree.subgraphs[0]
            inputs, outputs = (_tensors(graph, side) for side in (graph.inputs, graph.outputs))
            ends = tuple(_end(tree, graph, index) for index in graph.outputs)
            strangers = sorted({_text(code.customCode) for code in tree.operatorCodes or [] if code.customCode})
            entry = next((one for one in tree.metadata or [] if one.name == ENTRY), None)
            # A copy, because reading follows offsets in bytes.
            buffer = b"" if entry is None else bytes(tree.buffers[entry.buffer].data)
        except _DAMAGED:
            raise ModelError(
                f"A whole TensorFlow Lite model is required. Got: {file.path.name}, which is damaged; fetch it again."
            ) from None
        if strangers:
            flex = [one for one in strangers if one.startswith("Flex")]
            kind = "TensorFlow operators (Select TF ops)" if flex else "custom operators"
            raise ModelError(
                f"A model of builtin operators is required, because the interpreters of devices have no others. Got: {file.path.name} "
                f"with {kind}: {', '.join(flex or strangers):.200}; convert it again with TFLITE_BUILTINS alone."
            )
        metadata = None
        if buffer:
            try:
                metadata = read_metadata(buffer)
            except ModelError as error:
                notes.append(str(error))
        if metadata is not None and metadata.subgraphs > 1:
            notes.append(f"its metadata describe {metadata.subgraphs} subgraphs; the first, the model's own, is read")
        return cls(inputs, outputs, ends, metadata, tuple(notes))


def _tensors(graph: Any, indices: Any) -> tuple[Tensor, ...]:
    found = []
    for index in indices:
        tensor = graph.tensors[index]
        shape = [] if tensor.shape is None else tensor.shape
        # An open side stands in the signature alone.
        signature = shape if tensor.shapeSignature is None or not len(tensor.shapeSignature) else tensor.shapeSignature
        scales: tuple[float, ...] = ()
        zero_points: tuple[int, ...] = ()
        if tensor.quantization is not None and tensor.quantization.scale is not None:
            scales = tuple(map(float, tensor.quantization.scale))
            points = tensor.quantization.zeroPoint
            zero_points = tuple(map(int, points)) if points is not None else (0,) * len(scales)
        kind = _TYPES.get(tensor.type, f"type {tensor.type}")
        found.append(Tensor(_text(tensor.name), tuple(map(int, signature)), kind, scales, zero_points))
    return tuple(found)


def _end(tree: Any, graph: Any, index: int) -> str:
    """Return the kind of the operator that makes the numbers of a tensor; what only brings them into another form is passed over."""
    makers = {tensor: operator for operator in graph.operators for tensor in operator.outputs}
    for _ in range(len(graph.operators)):
        operator = makers.get(index)
        if operator is None:
            return ""
        kind = opcode_to_name(tree, operator.opcodeIndex) or ""
        if kind not in _PASSING:
            return kind
        index = operator.inputs[0]
    return ""


def _text(name: Any) -> str:
    return "" if name is None else bytes(name).decode("utf-8", "replace")
