"""Standard TFLite metadata, written with the flatbuffers library.

Slot numbers are those of the published `metadata_schema.fbs` (TensorFlow Lite Support, schema version 1.5); the
handful of tables that a classifier needs is written directly, so that no generated schema has to be carried along.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from freezenet.convert.float.flatbuffer import read_tree, write_tree
from freezenet.edge_runtime.card import OUTPUTS, CardContent
from freezenet.edge_runtime.images.preprocess import PreprocessSpec

_METADATA_IDENTIFIER = b"M001"
_METADATA_ENTRY = "TFLITE_METADATA"
LABELS_FILE = "labels.txt"

# Enumerations of metadata_schema.fbs
_IMAGE_PROPERTIES = 2  # union ContentProperties
_FEATURE_PROPERTIES = 1
_NORMALIZATION_OPTIONS = 1  # union ProcessUnitOptions
_RGB = 1  # enum ColorSpaceType
_TENSOR_AXIS_LABELS = 2  # enum AssociatedFileType


@dataclass(frozen=True)
class Description:
    """What the metadata says in words."""

    name: str
    description: str
    version: str
    license: str


def described(model: bytes, text: Description, spec: PreprocessSpec, outputs: Sequence[str] = ("scores",)) -> bytes:
    """Return the model with TFLite metadata inside; the associated files that these name are still to be added.

    outputs: keys of OUTPUTS in file order, one for each of the model.
    """
    tree = read_tree(model)
    for entry in tree.metadata or []:
        if entry.name == _METADATA_ENTRY.encode():  # what described the network before
            tree.buffers[entry.buffer] = schema.BufferT()
    tree.metadata = [entry for entry in tree.metadata or [] if entry.name != _METADATA_ENTRY.encode()]
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(_metadata(text, spec, outputs), np.uint8)
    tree.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name, entry.buffer = _METADATA_ENTRY, len(tree.buffers) - 1
    tree.metadata.append(entry)
    return write_tree(tree)


def described_by(card: CardContent, model: bytes) -> bytes:
    """Return the model with TFLite metadata that say what its card says.

    Args:
        card: With name, variant, notice, labels, preprocess and outputs.
        model: A .tflite; metadata that it has are replaced.
    """
    text = Description(
        name=card["name"],
        description=f"Chest X-ray classifier ({', '.join(card['labels'])}), variant {card['variant']}. {card['notice']}",
        version=hashlib.sha256(model).hexdigest()[:12],
        license="The trained weights are the user's; the training images' licences apply.",
    )
    return described(model, text, PreprocessSpec.from_dict(card["preprocess"]), card["outputs"])


def with_files(model: bytes, files: dict[str, bytes]) -> bytes:
    """Return the model with the associated files (name -> content, `labels.txt` among them) in an archive behind it.

    Equal arguments give equal bytes: the archive's dates are fixed.
    """
    packed = io.BytesIO(model)
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), content)
    return packed.getvalue()


def without_files(model: bytes) -> tuple[bytes, dict[str, bytes]]:
    """Return what `with_files` was given: the model in front of the archive, and what that holds by name, in its order."""
    with zipfile.ZipFile(io.BytesIO(model)) as archive:
        start = min(entry.header_offset for entry in archive.infolist())
        return model[:start], {entry.filename: archive.read(entry) for entry in archive.infolist()}


def _metadata(text: Description, spec: PreprocessSpec, outputs: Sequence[str]) -> bytes:
    builder = flatbuffers.Builder(1024)
    image = _input(builder, spec)
    described = [_output(builder, name) for name in outputs]
    subgraph = _table(builder, 10, {
        2: _vector(builder, [image]),
        3: _vector(builder, described),
    })  # fmt: skip
    model = _table(builder, 8, {
        0: builder.CreateString(text.name),
        1: builder.CreateString(text.description),
        2: builder.CreateString(text.version),
        3: _vector(builder, [subgraph]),
        5: builder.CreateString(text.license),
        7: builder.CreateString("1.0.0"),  # oldest parser that reads these tables
    })  # fmt: skip
    builder.Finish(model, _METADATA_IDENTIFIER)
    return bytes(builder.Output())


def _input(builder: flatbuffers.Builder, spec: PreprocessSpec) -> int:
    normalization = _table(builder, 2, {0: _floats(builder, [spec.mean]), 1: _floats(builder, [spec.std])})
    unit = _union(builder, 2, 0, _NORMALIZATION_OPTIONS, normalization)
    builder.StartObject(2)
    builder.PrependInt8Slot(0, _RGB, 0)
    properties = builder.EndObject()
    content = _union(builder, 3, 0, _IMAGE_PROPERTIES, properties)
    low, high = ((pixel - spec.mean) / spec.std for pixel in (0.0, 255.0))
    stats = _table(builder, 2, {0: _floats(builder, [high]), 1: _floats(builder, [low])})
    return _table(builder, 7, {
        0: builder.CreateString("image"),
        1: builder.CreateString(
            f"Chest X-ray, gray repeated to three channels, resized to {spec.size[0]} x {spec.size[1]} by area averaging."
        ),
        3: content,
        4: _vector(builder, [unit]),
        5: stats,
    })  # fmt: skip


def _output(builder: flatbuffers.Builder, name: str) -> int:
    slots = {
        0: builder.CreateString(name),
        1: builder.CreateString(OUTPUTS[name]),
        3: _union(builder, 3, 0, _FEATURE_PROPERTIES, _table(builder, 0, {})),
    }
    if name == "scores":
        slots[5] = _table(builder, 2, {0: _floats(builder, [1.0]), 1: _floats(builder, [0.0])})
        slots[6] = _vector(builder, [_labels(builder)])
    return _table(builder, 7, slots)


def _labels(builder: flatbuffers.Builder) -> int:
    name = builder.CreateString(LABELS_FILE)
    description = builder.CreateString("Class names in score order")
    builder.StartObject(5)
    builder.PrependUOffsetTRelativeSlot(0, name, 0)
    builder.PrependUOffsetTRelativeSlot(1, description, 0)
    builder.PrependInt8Slot(2, _TENSOR_AXIS_LABELS, 0)
    return builder.EndObject()


def _table(builder: flatbuffers.Builder, slots: int, offsets: dict[int, int]) -> int:
    builder.StartObject(slots)
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    return builder.EndObject()


def _union(builder: flatbuffers.Builder, slots: int, slot: int, kind: int, value: int) -> int:
    """A table whose union field takes two slots: the type, then the value."""
    builder.StartObject(slots)
    builder.PrependUint8Slot(slot, kind, 0)
    builder.PrependUOffsetTRelativeSlot(slot + 1, value, 0)
    return builder.EndObject()


def _vector(builder: flatbuffers.Builder, offsets: list[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def _floats(builder: flatbuffers.Builder, values: list[float]) -> int:
    return builder.CreateNumpyVector(np.array(values, np.float32))
