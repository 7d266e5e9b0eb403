"""From a float `.tflite` model to one of 8-bit integers, with given ranges: ai-edge-quantizer, and raw pixels as input."""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_quantizer import qtyping, quantizer, recipe

from freezenet.convert.float.flatbuffer import add_operator, add_tensor, builtin_code, read_tree, write_tree
from freezenet.convert.ptq.ranges import STEPS, Ranges
from freezenet.edge_runtime.errors import SettingError
from freezenet.train.quiet import quiet

_OPERATION = qtyping.TFLOperationName
_NOT = recipe.AlgorithmName.NO_QUANTIZE


def to_integer(model: bytes, ranges: Ranges, floats: Collection[str] = ()) -> bytes:
    """Return a model with 8-bit weights and activations, uint8 pixels in and float32 out.

    model: a float .tflite with float32 input and outputs. ranges: of the input and of every operator's output, by tensor name.
    floats: names of output tensors whose operators stay in float arithmetic, with the kernels of `model`; DEQUANTIZE
    and QUANTIZE stand around them. A tensor between two operators is a float only where both are.
    Kernels are symmetric with one scale per output channel (largest weight / 127), activations asymmetric with one
    scale per tensor.
    Raises SettingError where a name in `floats` is not that of an operator's output.
    """
    tree = read_tree(model)
    (graph,), (signature,) = tree.subgraphs, tree.signatureDefs
    outputs = [[graph.tensors[index].name.decode() for index in op.outputs] for op in graph.operators]
    unknown = set(floats).difference(*outputs)
    if unknown:
        raise SettingError(
            f"Names of operators' output tensors are required. Got: {', '.join(sorted(unknown))}; take them from "
            "freezenet.convert.float.operators.read_operators."
        )
    kept = [names for names in outputs if not set(floats).isdisjoint(names)]
    image = graph.tensors[graph.inputs[0]]
    pixels = ranges[image.name.decode()]
    if len(kept) == len(outputs):  # the quantizer refuses a model in which nothing is to be done
        return _with_pixel_input(model, pixels)
    with quiet():
        worker = float_ended_quantizer(model)
        for names in kept:
            # The quantizer searches in an operator's output names, joined and ended by semicolons, which names contain too.
            scope = f"^{re.escape(';'.join(names))};?$"
            worker.update_quantization_recipe(scope, _OPERATION.ALL_SUPPORTED, algorithm_key=_NOT)
        # One image tells the quantizer which tensors there are; the figures are then ours.
        key, argument = signature.signatureKey.decode(), signature.inputs[0].name.decode()
        seen = worker.calibrate({key: [{argument: np.zeros(image.shape, np.float32)}]})
        for name, one in seen.items():
            one["min"][...], one["max"][...] = ranges[name]
        result = worker.quantize(seen, enable_progress_report=False).quantized_model
    return _with_pixel_input(bytes(result), pixels)


def float_ended_quantizer(model: bytes) -> quantizer.Quantizer:
    """Return ai-edge-quantizer at work on a float .tflite model: 8-bit weights and activations, float32 in and out."""
    worker = quantizer.Quantizer(model, recipe.static_wi8_ai8())
    for end in (_OPERATION.INPUT, _OPERATION.OUTPUT):
        worker.update_quantization_recipe(".*", end, algorithm_key=_NOT)
    return worker


def _with_pixel_input(model: bytes, pixels: tuple[float, float]) -> bytes:
    """Let the model read uint8 pixels, which stand for the given range (low, high), instead of float32."""
    tree = read_tree(model)
    (graph,) = tree.subgraphs
    index = graph.inputs[0]
    tensor = graph.tensors[index]
    readers = [op for op in graph.operators if index in list(op.inputs)]
    quantizing = [
        op for op in readers if builtin_code(tree.operatorCodes[op.opcodeIndex]) == schema.BuiltinOperator.QUANTIZE
    ]
    scale = (pixels[1] - pixels[0]) / STEPS
    tensor.type = schema.TensorType.UINT8
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [round(-pixels[0] / scale)]
    if quantizing:
        # Exactly the scale of the operator that made int8 of float, so that it only shifts the pixel.
        integer = graph.tensors[quantizing[0].outputs[0]].quantization
        tensor.quantization.scale, tensor.quantization.zeroPoint = integer.scale, [integer.zeroPoint[0] + 128]
    if len(quantizing) < len(readers):
        name = f"{tensor.name.decode()}_float"
        floats = add_tensor(tree, name, tensor, schema.TensorType.FLOAT32)
        for op in readers:
            if op not in quantizing:
                op.inputs = [floats if one == index else one for one in op.inputs]
        add_operator(tree, 0, schema.BuiltinOperator.DEQUANTIZE, index, floats)
    return write_tree(tree)
