"""What stands in an integer file, read with the schema and not with the writer."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from freezenet.convert.converter import Converter
from freezenet.convert.float.operators import read_operators
from freezenet.convert.ptq.calibration import Calibration
from freezenet.convert.ptq.integer import to_integer
from freezenet.convert.variants import VARIANTS
from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.edge_runtime.interpreter import Interpreter

SPEC = PreprocessSpec(size=(32, 32))
INT8 = VARIANTS["int8"]


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (20, 32, 32), dtype=np.uint8)


@pytest.fixture(scope="module")
def converter(pixels):
    keras.utils.set_random_seed(3)
    image = keras.Input((32, 32, 3))
    x = keras.layers.ReLU(6.0)(keras.layers.Conv2D(6, 3, strides=2, padding="same", name="first")(image))
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(3, activation="softmax", name="scores")(x))
    return Converter(model, Calibration(pixels, ()).representative(SPEC))


@pytest.fixture(scope="module")
def graph(converter):
    tree = schema.ModelT.InitFromPackedBuf(converter.to_tflite(INT8), 0)
    return tree.subgraphs[0]


def test_every_tensor_between_the_two_ends_is_an_integer(graph):
    ends = {*graph.inputs, *graph.outputs}
    types = {number: tensor.type for number, tensor in enumerate(graph.tensors) if number not in ends}
    float32 = [number for number, kind in types.items() if kind == schema.TensorType.FLOAT32]
    assert float32 == []
    assert graph.tensors[graph.inputs[0]].type == schema.TensorType.UINT8
    assert graph.tensors[graph.outputs[0]].type == schema.TensorType.FLOAT32


def test_the_first_operator_only_shifts_the_pixel(converter, graph):
    """uint8 and int8 have one step and zeros 128 apart: the pixel's integer is kept, nothing is rounded."""
    (after,) = (graph.tensors[op.outputs[0]] for op in graph.operators if op.inputs[0] == graph.inputs[0])
    before = graph.tensors[graph.inputs[0]]
    assert before.quantization.scale[0] == after.quantization.scale[0] == np.float32(1 / 127.5)
    assert (before.quantization.zeroPoint[0], after.quantization.zeroPoint[0]) == (128, 0)


def test_kernels_are_symmetric_with_one_step_per_channel(converter, graph):
    kernel = np.asarray(converter.rounded.get_layer("first").get_weights()[0])
    (op,) = (op for op in graph.operators if len(op.inputs) == 3 and len(graph.tensors[op.inputs[1]].shape) == 4)
    quantization = graph.tensors[op.inputs[1]].quantization
    np.testing.assert_allclose(quantization.scale, np.abs(kernel).max((0, 1, 2)) / 127, rtol=1e-5)
    assert not np.any(quantization.zeroPoint)


def test_scores_are_close_to_the_float_network(converter, pixels):
    interpreter = Interpreter(converter.to_tflite(INT8))
    found = np.concatenate([interpreter.invoke(SPEC.network_input(image, np.uint8))[0] for image in pixels])
    wanted = converter.model.predict(SPEC.normalized(pixels), verbose=0)
    np.testing.assert_allclose(found, wanted, atol=3 / 256)


def test_a_dead_channel_with_a_bias_stays_what_it_is(converter, pixels):
    """Its kernel step would be so small that the 32-bit bias overflows."""
    model = keras.models.clone_model(converter.model)
    model.set_weights(converter.model.get_weights())
    kernel, bias = model.get_layer("first").get_weights()
    kernel[..., 2], bias[2] = 0, 3.0
    model.get_layer("first").set_weights([kernel, bias])
    interpreter = Interpreter(Converter(model, Calibration(pixels, ()).representative(SPEC)).to_tflite(INT8))
    found = np.concatenate([interpreter.invoke(SPEC.network_input(image, np.uint8))[0] for image in pixels])
    np.testing.assert_allclose(found, model.predict(SPEC.normalized(pixels), verbose=0), atol=3 / 256)


@pytest.fixture(scope="module")
def names(converter):
    return [operator.name for operator in read_operators(converter._corrected_float32)]


def answers(content, pixels):
    interpreter = Interpreter(content)
    dtype = interpreter.inputs[0]["dtype"]
    return np.concatenate([interpreter.invoke(SPEC.network_input(image, dtype))[0] for image in pixels])


def float_operators(content) -> list[int]:
    """Return the numbers of the operators that compute in float, read from the flatbuffer; those between types not counted."""
    tree = schema.ModelT.InitFromPackedBuf(content, 0)
    (graph,) = tree.subgraphs
    codes = [max(one.builtinCode, one.deprecatedBuiltinCode) for one in tree.operatorCodes]
    between = {schema.BuiltinOperator.QUANTIZE, schema.BuiltinOperator.DEQUANTIZE}
    inside = [op for op in graph.operators if codes[op.opcodeIndex] not in between]
    found = []
    for number, op in enumerate(inside):
        # Not the indices of MEAN's axes and the like, nor the 32-bit bias.
        types = {graph.tensors[one].type for one in (op.inputs[0], *op.outputs)}
        assert len(types) == 1
        if types == {schema.TensorType.FLOAT32}:
            found.append(number)
            assert all(graph.tensors[one].type != schema.TensorType.INT8 for one in op.inputs)
    return found


@pytest.mark.parametrize("kept", [[], [0], [1], [0, 1], [1, 2], [3], [0, 3], [0, 1, 2]])
def test_exactly_the_named_operators_are_float(converter, names, pixels, kept):
    content = to_integer(converter._corrected_float32, converter.ranges, [names[number] for number in kept])
    assert float_operators(content) == kept
    interpreter = Interpreter(content)
    assert interpreter.inputs[0]["dtype"] == np.uint8
    scale, zero = interpreter.inputs[0]["quantization"]
    assert (scale, zero) == (np.float32(1 / 127.5), 128)
    np.testing.assert_allclose(answers(content, pixels), answers(converter._corrected_float32, pixels), atol=3 / 256)


def test_a_name_is_not_taken_for_a_pattern_or_a_part(converter, names):
    """Names hold semicolons, and one may begin as another does."""
    for number, name in enumerate(names):
        content = to_integer(converter._corrected_float32, converter.ranges, {name})
        assert float_operators(content) == [number]


def test_all_operators_float_equal_the_float_model(converter, names, pixels):
    content = to_integer(converter._corrected_float32, converter.ranges, names)
    assert float_operators(content) == list(range(len(names)))
    wanted = answers(converter._corrected_float32, pixels)
    np.testing.assert_allclose(answers(content, pixels), wanted, atol=1e-5)


def test_an_unknown_operator_is_refused(converter):
    with pytest.raises(FreezenetError, match=r"^Names of .* are required\. Got: nothing_of_this; take .*\.$"):
        to_integer(converter._corrected_float32, converter.ranges, ["nothing_of_this"])
