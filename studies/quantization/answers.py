"""What a `.tflite` file answers to images, with its logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from freezenet.convert.float.flatbuffer import read_tree, write_tree
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.edge_runtime.interpreter import Interpreter


@dataclass(frozen=True)
class Answers:
    """What a file gives for n images: scores (n, classes), and the logits before its softmax, centred in each image."""

    scores: NDArray[np.float32]
    logits: NDArray[np.float32]


def answers(model: bytes, pixels: NDArray[np.uint8], spec: PreprocessSpec) -> Answers:
    """Run a `.tflite` model on pixels (n, h, w) through the edge runtime, with its logits as a second output."""
    tree = read_tree(model)
    (graph,), softmax = tree.subgraphs, _softmax(tree)
    graph.outputs = [*graph.outputs, softmax.inputs[0]]
    interpreter = Interpreter(write_tree(tree))
    dtype = interpreter.inputs[0]["dtype"]
    found = [interpreter.invoke(spec.network_input(image, dtype)) for image in pixels]
    scores, logits = (np.concatenate(parts) for parts in zip(*found, strict=True))
    logits = softmax.builtinOptions.beta * logits
    return Answers(scores, logits - logits.mean(1, keepdims=True))


def with_beta(model: bytes, beta: float) -> bytes:
    """Return a `.tflite` model whose softmax multiplies its logits by `beta`."""
    tree = read_tree(model)
    _softmax(tree).builtinOptions.beta = beta
    return write_tree(tree)


def _softmax(tree: Any) -> Any:
    """Return the operator that gives the scores."""
    (found,) = (
        operator
        for operator in tree.subgraphs[0].operators
        if isinstance(operator.builtinOptions, schema.SoftmaxOptionsT)
    )
    return found
