"""From a float `.tflite` model to one of 8-bit integers, with given ranges: ai-edge-quantizer, and raw pixels as input."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_quantizer import qtyping, quantizer, recipe

from convert.flatbuffer import read_tree, write_tree
from convert.ranges import Ranges
from train.quiet import quiet

_OPERATION = qtyping.TFLOperationName
_NOT = recipe.AlgorithmName.NO_QUANTIZE


def to_integer(model: bytes, ranges: Ranges) -> bytes:
    """Return a model with 8-bit weights and activations, uint8 pixels in and float32 out.

    model: a float .tflite with float32 input and outputs. ranges: of the input and of every operator's output, by tensor name.
    Kernels are symmetric with one step per output channel (largest weight / 127), activations asymmetric with one
    step per tensor.
    """
    with quiet():
        worker = quantizer.Quantizer(model, recipe.static_wi8_ai8())
        worker.update_quantization_recipe(".*", _OPERATION.INPUT, algorithm_key=_NOT)
        worker.update_quantization_recipe(".*", _OPERATION.OUTPUT, algorithm_key=_NOT)
        tree = read_tree(model)
        (graph,), (signature,) = tree.subgraphs, tree.signatureDefs
        image = graph.tensors[graph.inputs[0]]
        # One image tells the quantizer which tensors there are; the figures are then ours.
        key, argument = signature.signatureKey.decode(), signature.inputs[0].name.decode()
        seen = worker.calibrate({key: [{argument: np.zeros(image.shape, np.float32)}]})
        for name, one in seen.items():
            one["min"][...], one["max"][...] = ranges[name]
        result = worker.quantize(seen, enable_progress_report=False).quantized_model
    return _with_pixel_input(bytes(result))


def _with_pixel_input(model: bytes) -> bytes:
    """Let the model's first operator, which turns float into int8, read uint8 pixels of the same range instead."""
    tree = read_tree(model)
    (graph,) = tree.subgraphs
    tensor = graph.tensors[graph.inputs[0]]
    (integer,) = (graph.tensors[op.outputs[0]] for op in graph.operators if op.inputs[0] == graph.inputs[0])
    tensor.type = schema.TensorType.UINT8
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale = integer.quantization.scale
    tensor.quantization.zeroPoint = [integer.quantization.zeroPoint[0] + 128]
    return write_tree(tree)
