"""The converted bytes as TensorFlow's own interpreter sees them."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from freezenet.convert.variants import VARIANTS

POST_TRAINING = ["float32", "float16", "dynamic", "int8", "int16x8"]


@pytest.fixture(scope="module")
def contents(models):
    return {name: (models / f"{name}.tflite").read_bytes() for name in POST_TRAINING}


@pytest.fixture(scope="module")
def interpreters(contents):
    found = {}
    for name, content in contents.items():
        found[name] = tf.lite.Interpreter(model_content=content)
        found[name].allocate_tensors()
    return found


@pytest.fixture(scope="module")
def images(run):
    """Gray images of the test side (n, 96, 96, 3) as raw pixels, read with TensorFlow."""
    return np.stack([
        np.repeat(tf.io.decode_png(path.read_bytes(), channels=1).numpy(), 3, -1)
        for path, _ in run.paths("test")
    ])  # fmt: skip


def answer(interpreter, pixels):
    one, out = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scores = []
    for image in pixels:
        tensor = image if one["dtype"] == np.uint8 else ((image.astype(np.float64) - 128) / 127.5).astype(np.float32)
        interpreter.set_tensor(one["index"], tensor[None])
        interpreter.invoke()
        scores.append(interpreter.get_tensor(out["index"])[0])
    return np.array(scores)


@pytest.fixture(scope="module")
def keras_scores(run, images):
    return run.model().predict(((images.astype(np.float64) - 128) / 127.5).astype(np.float32), verbose=0)


def test_variants_are_those_of_the_design():
    assert list(VARIANTS) == ["float32", "float16", "dynamic", "int8", "int8-qat", "mixed", "int16x8"]


def test_float32_equals_keras(interpreters, images, keras_scores):
    assert np.abs(answer(interpreters["float32"], images) - keras_scores).max() < 1e-4


def test_float16_is_close_to_keras(interpreters, images, keras_scores):
    # A weight keeps 11 bits; real networks were seen to move a score by a few hundredths.
    assert np.abs(answer(interpreters["float16"], images) - keras_scores).max() < 0.1


@pytest.mark.parametrize("name", ["dynamic", "int8", "int16x8"])
def test_quantized_variants_mostly_agree_with_keras(interpreters, images, keras_scores, name):
    found = answer(interpreters[name], images)
    assert np.mean(found.argmax(1) == keras_scores.argmax(1)) >= 0.8
    np.testing.assert_allclose(found.sum(1), 1, atol=0.02)


@pytest.mark.parametrize("name", POST_TRAINING)
def test_inputs_and_outputs(interpreters, name):
    (one,), (out, cam, features) = interpreters[name].get_input_details(), interpreters[name].get_output_details()
    assert one["shape"].tolist() == one["shape_signature"].tolist() == [1, 96, 96, 3]
    assert out["shape"].tolist() == out["shape_signature"].tolist() == [1, 4]
    assert one["dtype"] == (np.uint8 if name == "int8" else np.float32)
    assert cam["shape"].tolist() == [1, 3, 3, 4]
    assert features["shape"].tolist() == [1, 48]
    assert {one["dtype"] for one in (out, cam, features)} == {np.float32}


def test_a_uint8_input_is_exactly_the_raw_pixel(interpreters):
    scale, zero = interpreters["int8"].get_input_details()[0]["quantization"]
    assert scale == np.float32(1 / 127.5)
    assert zero == 128


@pytest.mark.parametrize("name", POST_TRAINING)
def test_only_builtin_operators(contents, name):
    from ai_edge_litert import schema_py_generated as schema

    tree = schema.ModelT.InitFromPackedBuf(contents[name], 0)
    assert tree.operatorCodes
    for code in tree.operatorCodes:
        assert not code.customCode
        assert max(code.builtinCode, code.deprecatedBuiltinCode) != schema.BuiltinOperator.CUSTOM


def convolutions(content):
    """(activation type, filter type) of each convolution, from the flatbuffer."""
    from ai_edge_litert import schema_py_generated as schema

    tree = schema.ModelT.InitFromPackedBuf(content, 0)
    (graph,) = tree.subgraphs
    wanted = {schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.DEPTHWISE_CONV_2D}
    names = {value: name for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
    return [
        tuple(names[graph.tensors[number].type] for number in op.inputs[:2])
        for op in graph.operators
        if max(
            tree.operatorCodes[op.opcodeIndex].builtinCode,
            tree.operatorCodes[op.opcodeIndex].deprecatedBuiltinCode,
        )
        in wanted
    ]


@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("float32", {("FLOAT32", "FLOAT32")}),
        ("float16", {("FLOAT32", "FLOAT32")}),
        ("int8", {("INT8", "INT8")}),
        ("int16x8", {("INT16", "INT8")}),
    ],
)
def test_arithmetic_inside(contents, name, types):
    found = convolutions(contents[name])
    assert len(found) == 53  # 35 convolutions and 17 depthwise ones of MobileNetV2, and the class activation map
    assert set(found) == types


def test_dynamic_has_float_activations_and_int8_filters(contents):
    found = convolutions(contents["dynamic"])
    assert {first for first, _ in found} == {"FLOAT32"}
    assert "INT8" in {second for _, second in found}


def test_sizes_decode_the_names(contents):
    from freezenet.convert.package.golden_pictures import golden_images
    from freezenet.edge_runtime.images.preprocess import PreprocessSpec

    carried = sum(map(len, golden_images(PreprocessSpec(size=(96, 96))).values()))
    size = {name: len(content) - carried for name, content in contents.items()}
    assert size["float16"] < 0.65 * size["float32"]
    assert size["int8"] < 0.55 * size["float32"]
