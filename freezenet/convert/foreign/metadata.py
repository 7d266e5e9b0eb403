"""What standard TFLite metadata in a file says: normalization, colours, and the files with the names of the scores.

Slot numbers are those of the published `metadata_schema.fbs` (TensorFlow Lite Support, schema version 1.5), as in
`freezenet.convert.package.metadata`, which writes them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import flatbuffers
from flatbuffers import number_types as kinds
from flatbuffers.table import Table

from freezenet.edge_runtime.errors import ModelError

ENTRY = b"TFLITE_METADATA"

# Enumerations of metadata_schema.fbs
_IMAGE_PROPERTIES, _NORMALIZATION, _AXIS_LABELS = 2, 1, 2
_COLORS = {1: "rgb", 2: "gray"}
#: What reading a damaged buffer raises.
_DAMAGED = (struct.error, IndexError, ValueError, TypeError, OverflowError, MemoryError, RecursionError)


@dataclass(frozen=True)
class TensorFacts:
    """What the metadata say of one tensor.

    Args:
        name: Of the tensor, for people.
        mean: Of its normalization; None where there is none.
        std: See `mean`.
        color: "rgb" or "gray"; None where it is no image or that is not said.
        label_files: Names of the associated files with the names of what it holds, those without a language first.
    """

    name: str = ""
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    color: str | None = None
    label_files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Metadata:
    """What the metadata say of the first subgraph, the model's own.

    Args:
        inputs: Of each input, in the model's order.
        outputs: Of each output.
        subgraphs: How many are described.
    """

    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    subgraphs: int


def read_metadata(buffer: bytes) -> Metadata:
    """Read the buffer that the model's entry ENTRY names; ModelError where it is damaged."""
    try:
        start = flatbuffers.encode.Get(flatbuffers.packer.uoffset, buffer, 0)
        subgraphs = _tables(Table(buffer, start), 3)
        own = subgraphs[0] if subgraphs else None
        inputs, outputs = ([], []) if own is None else (_tables(own, 2), _tables(own, 3))
        return Metadata(tuple(map(_facts, inputs)), tuple(map(_facts, outputs)), len(subgraphs))
    except _DAMAGED:
        raise ModelError(
            "Metadata that can be read are required. Got: damaged ones; say it with --preprocess and --labels."
        ) from None


def _facts(tensor: Table) -> TensorFacts:
    normalization = None
    for unit in _tables(tensor, 4):
        if _number(unit, 0, kinds.Uint8Flags) == _NORMALIZATION:
            normalization = _table(unit, 1)
    color, content = None, _table(tensor, 3)
    if content is not None and _number(content, 0, kinds.Uint8Flags) == _IMAGE_PROPERTIES:
        image = _table(content, 1)
        color = _COLORS.get(_number(image, 0, kinds.Int8Flags)) if image is not None else None
    files = [one for one in _tables(tensor, 6) if _number(one, 2, kinds.Int8Flags) == _AXIS_LABELS]
    return TensorFacts(
        name=_text(tensor, 0),
        mean=_floats(normalization, 0) if normalization is not None else None,
        std=_floats(normalization, 1) if normalization is not None else None,
        color=color,
        label_files=tuple(_text(one, 0) for one in sorted(files, key=lambda one: bool(_text(one, 3)))),
    )


def _slot(table: Table, slot: int) -> int:
    """Return where a field lies, 0 where it is not there."""
    at: int = table.Offset(4 + 2 * slot)
    return at


def _number(table: Table, slot: int, kind: Any) -> int:
    at = _slot(table, slot)
    return int(table.Get(kind, table.Pos + at)) if at else 0


def _table(table: Table, slot: int) -> Table | None:
    at = _slot(table, slot)
    return Table(table.Bytes, table.Indirect(table.Pos + at)) if at else None


def _text(table: Table, slot: int) -> str:
    at = _slot(table, slot)
    return bytes(table.String(table.Pos + at)).decode("utf-8", "replace") if at else ""


def _tables(table: Table, slot: int) -> list[Table]:
    return _vector(table, slot, lambda at: Table(table.Bytes, table.Indirect(at)))


def _floats(table: Table, slot: int) -> tuple[float, ...]:
    return tuple(_vector(table, slot, lambda at: float(table.Get(kinds.Float32Flags, at))))


def _vector(table: Table, slot: int, item: Callable[[int], Any]) -> list[Any]:
    """Return the items, of four bytes each, of a vector."""
    at = _slot(table, slot)
    if not at:
        return []
    start, count = table.Vector(at), table.VectorLen(at)
    if not 0 <= count <= len(table.Bytes) // 4:
        raise ValueError(count)
    return [item(start + 4 * number) for number in range(count)]
