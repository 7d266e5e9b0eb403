"""Further outputs and profiles, checked against Keras and against what pooling and softmax must give."""

from __future__ import annotations

from collections import Counter

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from freezenet.convert.float.outputs import keep_outputs, outputs_of, show_classifier, with_outputs
from freezenet.edge_runtime.classifier import Classifier

INTEGER = ["dynamic", "int8", "int16x8"]
VARIANTS = ["float32", "float16", *INTEGER]


@pytest.fixture(scope="module")
def pixels(run):
    return np.stack([run.recipe.preprocess.pixels(path) for path, _ in run.paths("test")[:12]])


@pytest.fixture(scope="module")
def answers(models, pixels):
    """variant -> the three outputs of the edge file for all images."""

    def of(name: str) -> list[np.ndarray]:
        classifier = Classifier(models / f"{name}.tflite")
        dtype = classifier.interpreter.inputs[0]["dtype"]
        found = [classifier.interpreter.invoke(classifier.card.preprocess.network_input(one, dtype)) for one in pixels]
        return [np.concatenate(parts) for parts in zip(*found, strict=True)]

    return {name: of(name) for name in VARIANTS}


def tree(content: bytes) -> schema.ModelT:
    return schema.ModelT.InitFromPackedBuf(content, 0)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_map_pools_to_the_scores(run, answers, name):
    scores, cam, _ = answers[name]
    bias = run.model().get_layer("scores").get_weights()[1]
    pooled = tf.nn.softmax(cam.mean((1, 2)) + bias).numpy()
    # 16 and 8 bits round the map; float32 only orders its additions otherwise.
    assert np.abs(pooled - scores).max() < {"float32": 1e-5, "float16": 1e-5}.get(name, 0.15)


def test_features_are_the_mean_of_the_frozen_trunk(run, answers, pixels):
    model = run.model()
    trunk = keras.Model(model.input, model.get_layer("block_3_pad").output)
    expected = trunk.predict(run.recipe.preprocess.normalized(pixels), verbose=0).mean((1, 2))
    np.testing.assert_allclose(answers["float32"][2], expected, atol=1e-4)
    for name in INTEGER:
        assert np.corrcoef(answers[name][2].ravel(), expected.ravel())[0, 1] > 0.99


def test_features_of_an_unfrozen_network_are_those_of_its_last_map():
    image = keras.Input((8, 8, 3))
    maps = keras.layers.Conv2D(5, 3, name="maps")(image)
    scores = keras.layers.Dense(2, "softmax", name="scores")(keras.layers.GlobalMaxPooling2D(name="pool")(maps))
    model = keras.Model(image, scores)
    values = np.random.default_rng(0).random((4, 8, 8, 3), np.float32)
    _, cam, features = with_outputs(model)(values)
    last = keras.Model(image, maps)(values).numpy()
    np.testing.assert_allclose(features, last.mean((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(cam, last @ model.get_layer("scores").get_weights()[0], rtol=1e-5)


@pytest.mark.parametrize("head", ["hidden layer", "BatchNorm"])
def test_a_classifier_behind_other_layers_has_no_map(head):
    image = keras.Input((8, 8, 3))
    maps = keras.layers.Conv2D(5, 3, name="maps", trainable=False)(image)
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(maps)
    between = keras.layers.Dense(4, "relu") if head == "hidden layer" else keras.layers.BatchNormalization()
    scores = keras.layers.Dense(2, "softmax", name="scores")(between(pooled))
    extended = with_outputs(keras.Model(image, scores))
    assert extended.output_names == ["scores", "features"] == list(outputs_of("edge", extended))
    assert outputs_of("app", extended) == ("scores",)
    values = np.random.default_rng(0).random((4, 8, 8, 3), np.float32)
    # Frozen up to the pooling: its output is the features.
    np.testing.assert_allclose(extended(values)[1], keras.Model(image, pooled)(values), rtol=1e-6)


def test_the_map_follows_a_new_classifier(run):
    extended = with_outputs(run.model())
    kernel, bias = extended.get_layer("scores").get_weights()
    extended.get_layer("scores").set_weights([kernel * 2, bias])
    show_classifier(extended)
    np.testing.assert_array_equal(extended.get_layer("cam").get_weights()[0][0, 0], kernel * 2)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_file_for_apps_gives_the_same_scores_bit_for_bit(models, answers, pixels, name):
    app = Classifier(models / f"{name}-app.tflite")
    assert len(app.interpreter.outputs) == 1
    np.testing.assert_array_equal(app.scores(pixels), answers[name][0])


@pytest.mark.parametrize("name", VARIANTS)
def test_outputs_are_named_in_the_signature_and_the_card(models, answers, pixels, name):
    classifier = Classifier(models / f"{name}.tflite")
    assert classifier.card.content["outputs"] == ["scores", "cam", "features"]
    assert Classifier(models / f"{name}-app.tflite").card.content["outputs"] == ["scores"]
    engine = Interpreter(str(models / f"{name}.tflite"))
    runner = engine.get_signature_runner()
    dtype = classifier.interpreter.inputs[0]["dtype"]
    found = runner(image=classifier.card.preprocess.network_input(pixels[0], dtype))
    for one, expected in zip(("scores", "cam", "features"), answers[name], strict=True):
        np.testing.assert_array_equal(found[one][0], expected[0])


@pytest.mark.parametrize("name", VARIANTS)
def test_nothing_that_is_not_needed_is_left(models, name):
    for file in (f"{name}.tflite", f"{name}-app.tflite"):
        model = tree((models / file).read_bytes())
        (graph,) = model.subgraphs
        used = {index for one in graph.operators for index in (*one.inputs, *one.outputs)} - {-1}
        assert used == set(range(len(graph.tensors)))
        read = {index for one in graph.operators for index in one.inputs} | set(graph.outputs)
        assert all(read & set(one.outputs) for one in graph.operators)
        assert {one.opcodeIndex for one in graph.operators} == set(range(len(model.operatorCodes)))
        buffers = {one.buffer for one in (*graph.tensors, *model.metadata)} | {0}
        assert buffers == set(range(len(model.buffers)))


def test_the_file_for_apps_has_no_operator_for_the_map(models):
    edge, app = (tree((models / file).read_bytes()) for file in ("int8.tflite", "int8-app.tflite"))

    def kinds(model):
        codes = [max(one.builtinCode, one.deprecatedBuiltinCode) for one in model.operatorCodes]
        return Counter(codes[one.opcodeIndex] for one in model.subgraphs[0].operators)

    builtin = schema.BuiltinOperator
    # This trunk ends in a padding, which the network itself has inside a convolution.
    assert kinds(edge) - kinds(app) == Counter({
        builtin.CONV_2D: 1, builtin.MEAN: 1, builtin.DEQUANTIZE: 2, builtin.PAD: 1,
    })  # fmt: skip


def test_outputs_can_be_kept_in_another_order(models, answers, pixels, run):
    content = keep_outputs((models / "float32.tflite").read_bytes(), ("features", "scores"))
    engine = Interpreter(model_content=content)
    engine.allocate_tensors()
    engine.set_tensor(engine.get_input_details()[0]["index"], run.recipe.preprocess.normalized(pixels[:1]))
    engine.invoke()
    first, second = (engine.get_tensor(one["index"]) for one in engine.get_output_details())
    np.testing.assert_array_equal(first[0], answers["float32"][2][0])
    np.testing.assert_array_equal(second[0], answers["float32"][0][0])
