"""A `.tflite` model as a tree of objects, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert.tools import flatbuffer_utils


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
