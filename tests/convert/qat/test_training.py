"""Quantization-aware training, from the outside: what is in the model and in the file that is written from it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from freezenet.convert.converter import Converter, to_float32
from freezenet.convert.float.batchnorm import fuse_batchnorm
from freezenet.convert.float.operators import read_operators
from freezenet.convert.options import QatSettings
from freezenet.convert.ptq.calibration import Calibration
from freezenet.convert.ptq.integer import to_integer
from freezenet.convert.ptq.ranges import Ranges
from freezenet.convert.qat import training as module
from freezenet.convert.qat.training import TaughtImages, by_layer, quantized_scores, train_quantized
from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.edge_runtime.interpreter import Interpreter
from freezenet.train.data.images import read_images
from freezenet.train.data.loading import load
from freezenet.train.network.model import build_model
from freezenet.train.recipes.recipe import load_recipe

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = QatSettings(epochs=2, learning_rate=0.1)
SPEC = PreprocessSpec(size=(48, 48))
STEP = 1 / 256


@dataclass
class Prepared:
    """A trained network, ready for quantization-aware training."""

    model: keras.Model
    ranges: Ranges
    training: TaughtImages
    validation: TaughtImages
    trainable: list[str]

    def train(self, settings, work, **changed):
        one = replace(self, **changed)
        return train_quantized(
            one.model, by_layer(one.ranges), one.training, one.validation, one.trainable, settings, SPEC, work
        )


def small_network() -> keras.Model:
    """The parts of a half-frozen MobileNetV2, few of each: the deeper a network, the more a single tie grows on its way."""

    def block(x, name, kind, trained, relu=True, **settings):
        x = kind(**settings, use_bias=False, name=name, trainable=trained)(x)
        x = keras.layers.BatchNormalization(momentum=0.8, name=f"{name}_BN")(x)
        return keras.layers.ReLU(6.0, name=f"{name}_relu")(x) if relu else x

    full, depthwise = keras.layers.Conv2D, keras.layers.DepthwiseConv2D
    image = keras.Input((48, 48, 3))
    x = first = block(image, "Conv1", full, False, filters=8, kernel_size=3, strides=2, padding="same")
    x = block(x, "one_depthwise", depthwise, False, kernel_size=3, padding="same")
    x = block(x, "one_project", full, False, relu=False, filters=8, kernel_size=1)
    x = keras.layers.Add(name="one_add")([first, x])
    x = block(x, "two_expand", full, True, filters=24, kernel_size=1)
    x = keras.layers.ZeroPadding2D(((0, 1), (0, 1)), name="two_pad")(x)
    x = block(x, "two_depthwise", depthwise, True, kernel_size=3, strides=2)
    x = block(x, "two_project", full, True, filters=32, kernel_size=1)
    x = keras.layers.Dropout(0.2, name="dropout")(keras.layers.GlobalAveragePooling2D(name="pool")(x))
    return keras.Model(image, keras.layers.Dense(4, activation="softmax", name="scores")(x), name="small")


@pytest.fixture(scope="module")
def prepared(plain_phantoms) -> Prepared:
    keras.utils.set_random_seed(0)
    dataset = load(plain_phantoms)
    pixels = read_images(dataset, SPEC).pixels
    classes = np.array([dataset.labels.index(sample.label) for sample in dataset.samples])
    order = np.random.default_rng(0).permutation(len(pixels))
    pixels, classes = pixels[order], classes[order]
    model = small_network()
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(SPEC.normalized(pixels[:160]), classes[:160], batch_size=16, epochs=12, verbose=0)
    converter = Converter(model, Calibration(pixels[:40], ()).representative(SPEC))

    def side(rows) -> TaughtImages:
        return TaughtImages(pixels[rows], model.predict(SPEC.normalized(pixels[rows]), verbose=0))

    trainable = [layer.name for layer in model.layers if layer.trainable and layer.weights]
    trainable = [name for name in trainable if not name.startswith(("Conv1", "one")) and not name.endswith("_BN")]
    return Prepared(converter.rounded, converter.ranges, side(slice(160)), side(slice(160, 240)), trainable)


@pytest.fixture(scope="module")
def disturbed(prepared) -> Prepared:
    """The same with noise on the biases that are trained, so that there is something to learn."""
    model = keras.models.clone_model(prepared.model)
    model.set_weights(prepared.model.get_weights())
    rng = np.random.default_rng(1)
    for name in prepared.trainable:
        kernel, bias = model.get_layer(name).get_weights()
        model.get_layer(name).set_weights([kernel, bias + rng.normal(0, 0.3, bias.shape)])
    return replace(prepared, model=model)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("qat")


@pytest.fixture(scope="module")
def trained(disturbed, work):
    """The result of training, compared with which `disturbed.model` is the start."""
    return disturbed.train(SETTINGS, work)


@pytest.fixture(scope="module")
def compressed(disturbed, work):
    return disturbed.train(replace(SETTINGS, sparsity=0.5, clusters=16), work)


def write(model: keras.Model, ranges: Ranges) -> bytes:
    return to_integer(to_float32(model), ranges)


def scores_of(file: bytes, prepared: Prepared) -> np.ndarray:
    interpreter = Interpreter(file)
    images = (SPEC.network_input(image, np.uint8) for image in prepared.validation.pixels)
    return np.concatenate([interpreter.invoke(image)[0] for image in images])


def kernels_of(file: bytes) -> dict[str, np.ndarray]:
    """Return the int8 kernels of a file's convolutions and of its classifier by layer name, read with the schema alone."""
    tree = schema.ModelT.InitFromPackedBuf(file, 0)
    (graph,) = tree.subgraphs
    found = {}
    for operator in graph.operators:
        kernel = graph.tensors[operator.inputs[1]] if len(operator.inputs) == 3 else None
        if kernel is not None and kernel.type == schema.TensorType.INT8:
            values = np.frombuffer(bytes(tree.buffers[kernel.buffer].data), np.int8).reshape(kernel.shape)
            name = graph.tensors[operator.outputs[0]].name.decode()
            found[re.search(r"([^/;]+)_1/BiasAdd", name)[1]] = values
    return found


def assert_the_same_scores(found: np.ndarray, expected: np.ndarray) -> None:
    """Where a sum lies on the border of two integers the order of additions decides, and one step of a logit follows."""
    difference = np.abs(found - expected)
    assert difference.max() <= 4 * STEP and difference.mean() <= STEP / 2
    # Two classes may be a step apart.
    assert np.mean(found.argmax(1) == expected.argmax(1)) >= 0.95


def test_before_the_first_step_the_scores_are_those_of_the_post_training_file(disturbed, trained):
    found = scores_of(write(disturbed.model, disturbed.ranges), disturbed)
    assert_the_same_scores(found, trained.start_scores)


def test_the_file_of_the_new_weights_gives_the_scores_of_the_training(disturbed, trained):
    found = scores_of(write(trained.model, disturbed.ranges), disturbed)
    assert_the_same_scores(found, trained.scores)
    assert np.abs(trained.scores - trained.start_scores).max() > 8 * STEP


def test_frozen_layers_stay_and_trained_ones_move(disturbed, trained, tmp_path):
    trained.model.save(tmp_path / "trained.keras")
    loaded = keras.saving.load_model(tmp_path / "trained.keras", compile=False)
    moved = set()
    for layer in disturbed.model.layers:
        for before, after, again in zip(
            layer.get_weights(),
            trained.model.get_layer(layer.name).get_weights(),
            loaded.get_layer(layer.name).get_weights(),
            strict=True,
        ):
            assert after.tobytes() == again.tobytes()
            if layer.name not in disturbed.trainable and before.tobytes() != after.tobytes():
                moved.add(layer.name)
    frozen = [layer.name for layer in disturbed.model.layers if layer.weights and layer.name not in disturbed.trainable]
    assert frozen == ["Conv1", "one_depthwise", "one_project"] and not moved
    before = kernels_of(write(disturbed.model, disturbed.ranges))
    after = kernels_of(write(loaded, disturbed.ranges))
    assert set(before) == {layer.name for layer in disturbed.model.layers if layer.weights}
    assert all(np.array_equal(before[name], after[name]) for name in frozen)
    changed = [name for name in disturbed.trainable if name in before and not np.array_equal(before[name], after[name])]
    assert changed == disturbed.trainable == ["two_expand", "two_depthwise", "two_project", "scores"]


def test_features_from_memory_and_a_second_run_change_nothing(disturbed, trained, work, monkeypatch):
    """Two runs in processes of their own: one looks up what the frozen half gives, the other computes it in each step."""
    real = module._work

    def without_cache(folder):
        task = json.loads((folder / "task.json").read_text())
        assert task["cache"] is True
        (folder / "task.json").write_text(json.dumps({**task, "cache": False}))
        real(folder)

    monkeypatch.setattr(module, "_work", without_cache)
    again = disturbed.train(SETTINGS, work)
    assert again.history == trained.history
    assert again.scores.tobytes() == trained.scores.tobytes()
    for one, other in zip(again.model.get_weights(), trained.model.get_weights(), strict=True):
        assert one.tobytes() == other.tobytes()


def test_the_best_epoch_is_kept(trained):
    assert trained.best_epoch > 0
    assert [epoch["epoch"] for epoch in trained.history] == [0, 1, 2]
    start, best = trained.history[0], trained.history[trained.best_epoch]
    assert best["validation_loss"] < start["validation_loss"]
    assert best["validation_agreement"] >= start["validation_agreement"]
    assert start["loss"] is None and best["loss"] > 0


def test_a_training_that_only_harms_gives_the_start(prepared, work):
    result = prepared.train(QatSettings(epochs=1, learning_rate=1.0), work)
    assert result.history[1]["validation_loss"] > result.history[0]["validation_loss"]
    assert result.best_epoch == 0 and result.compressed == ()
    assert result.scores.tobytes() == result.start_scores.tobytes()
    before = kernels_of(write(prepared.model, prepared.ranges))
    after = kernels_of(write(result.model, prepared.ranges))
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_the_figures_are_those_of_the_scores(disturbed, trained):
    figures = trained.history[trained.best_epoch]
    agreement = np.mean(trained.scores.argmax(1) == disturbed.validation.teacher_scores.argmax(1))
    assert figures["validation_agreement"] == agreement


def test_pruned_and_clustered_kernels_in_the_file(disturbed, compressed):
    kernels = kernels_of(write(compressed.model, disturbed.ranges))
    assert compressed.compressed == ("two_expand", "two_project")
    for name, kernel in kernels.items():
        if name in compressed.compressed:
            assert 0.5 - 1 / kernel.size <= np.mean(kernel == 0)
            assert len(np.unique(kernel)) <= 16
            assert (np.abs(kernel.astype(int)).max((1, 2, 3)) == 127).all()
        else:
            assert np.mean(kernel == 0) < 0.1


def test_the_file_of_a_compressed_network_gives_its_scores(disturbed, compressed):
    found = scores_of(write(compressed.model, disturbed.ranges), disturbed)
    assert_the_same_scores(found, compressed.scores)
    # Half-way is the earliest that a network counts as pruned.
    assert compressed.best_epoch >= 1


@pytest.fixture(scope="module")
def mobilenet() -> keras.Model:
    """MobileNetV2 of random weights, the first half of its layers frozen."""
    recipe = load_recipe("phantoms", ("freeze_fraction=0.5",))
    return build_model(recipe, ("a", "b", "c"), "none")


def with_further_outputs(model: keras.Model) -> keras.Model:
    """Return a network with a class activation map and the mean of a frozen tensor as outputs too."""
    maps, trunk = model.get_layer("pool").input, model.get_layer("block_7_add").output
    cam = keras.layers.Conv2D(3, 1, use_bias=False, name="cam")(maps)
    mean = keras.layers.GlobalAveragePooling2D(name="features")(trunk)
    return keras.Model(model.input, [model.output, cam, mean], name=model.name)


@pytest.mark.parametrize("outputs", [1, 3])
def test_tensor_names_become_layer_names(mobilenet, outputs):
    """Each operator's range is its number, so that a mix-up shows; all layers that the graph needs have the right one."""
    fused = fuse_batchnorm(mobilenet)
    fused = with_further_outputs(fused) if outputs == 3 else fused
    operators = read_operators(to_float32(fused))
    kinds = [operator.kind for operator in operators]
    assert kinds.count("SOFTMAX") == 1 and kinds.count("MEAN") == (2 if outputs == 3 else 1)
    found = by_layer({operator.name: (-128.0, 127.0 + 255 * number) for number, operator in enumerate(operators)})
    kind_of = {name: kinds[round((high - 127) / 255)] for name, (_, high) in found.items()}
    expected = {"scores": "FULLY_CONNECTED", "pool": "MEAN"}
    for layer in mobilenet.layers:
        if isinstance(layer, keras.layers.ReLU):
            before = layer.name.removesuffix("_relu").removeprefix("expanded_conv_")
            expected[layer.name] = "DEPTHWISE_CONV_2D" if before.endswith("depthwise") else "CONV_2D"
        elif isinstance(layer, keras.layers.Add):
            expected[layer.name] = "ADD"
        elif layer.name.endswith("_project"):
            expected[layer.name] = "CONV_2D"
    assert {name: kind_of.get(name) for name in expected} == expected
    assert [high for name, (_, high) in found.items() if name in expected] == sorted(
        found[name][1] for name in expected
    )


def test_softmax_and_nameless_tensors_have_no_layer():
    ranges = {
        "net_1/net_1/scores_1/MatMul;net_1/net_1/scores_1/BiasAdd": (-1, 2),
        "net_1/net_1/scores_1/Softmax": (0, 1),
        "StatefulPartitionedCall_1:0": (0, 1),
        "net_1/net_1/conv2d_3_1/convolution;": (0, 3),
    }
    assert by_layer(ranges) == {"scores": (-1, 2), "conv2d_3": (0, 3)}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"epochs": 0}, r"epochs must be a whole number from 1 to 1000. Got: 0"),
        ({"epochs": 1.5}, r"epochs must be a whole number"),
        ({"epochs": True}, r"epochs must be a whole number .* Got: True"),
        ({"learning_rate": 0}, r"learning_rate must be a number from 1e-09 to 1. Got: 0"),
        ({"learning_rate": float("nan")}, r"learning_rate must be a number .* Got: nan"),
        ({"learning_rate": "fast"}, r"Got: 'fast'"),
        ({"temperature": 0}, r"temperature"),
        ({"batch_size": 0}, r"batch_size"),
        ({"seed": -1}, r"seed"),
        ({"sparsity": 0.96}, r"sparsity must be a number from 0 to 0.95"),
        ({"clusters": 3}, r"clusters must be 0 or at least 4. Got: 3"),
        ({"sparsity": 0.5, "epochs": 1}, r"epochs must be at least 2 with a sparsity.* Got: 1"),
    ],
)
def test_settings_that_cannot_be(changed, message):
    with pytest.raises(FreezenetError, match=message):
        QatSettings(**changed)


def test_sides_and_layers_that_do_not_fit(prepared, tmp_path):
    side = prepared.validation
    with pytest.raises(FreezenetError, match=r"As many images as teacher scores.* Got: 1 and 80"):
        replace(side, pixels=side.pixels[:1])
    cases = [
        ({"trainable": []}, r"A layer to train that leads to scores is required. Got: none"),
        ({"trainable": ["Conv1_relu"]}, r"Got: Conv1_relu"),
        ({"training": replace(side, pixels=side.pixels[:, :40])}, r"Pixels \(n, 48, 48\) uint8 are required"),
        ({"training": replace(side, pixels=side.pixels.astype(np.float32))}, r"Got: .* float32"),
        ({"training": replace(side, teacher_scores=side.teacher_scores[:, :2])}, r"teacher scores of 4 classes"),
        ({"validation": replace(side, teacher_scores=side.teacher_scores * np.nan)}, r"NaN or infinity"),
        ({"ranges": {}}, r"A range for the output of .* is required"),
    ]
    for changed, message in cases:
        with pytest.raises(FreezenetError, match=message):
            prepared.train(SETTINGS, tmp_path, **changed)
    assert not list(tmp_path.iterdir())


def test_a_worker_that_fails_gives_one_sentence(tmp_path):
    (tmp_path / "task.json").write_text("{}")
    with pytest.raises(
        FreezenetError, match=r"^Quantization-aware training that runs to its end is required. Got: KeyError"
    ):
        module._work(tmp_path)


def test_a_worker_that_is_killed_gives_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(FreezenetError, match=r"Got: its process ended with exit code 1; free memory"):
        module._work(tmp_path)


def test_the_worker_ends_when_its_parent_does(tmp_path):
    os.mkfifo(tmp_path / "task.json")  # nobody writes into it: the worker waits for ever
    process = subprocess.Popen(
        [sys.executable, "-m", "freezenet.convert.qat.worker", tmp_path],
        stdin=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ},
    )
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2)
        process.stdin.close()
        assert process.wait(30) == 1
    finally:
        process.kill()
    assert [path.name for path in tmp_path.iterdir()] == ["task.json"]


def test_scores_in_steps_of_the_8_bit_softmax():
    found = quantized_scores(np.array([[0.0, 0.0], [100.0, 0.0], [np.log(3), 0.0]], np.float32), "softmax")
    assert found.tolist() == [[0.5, 0.5], [255 / 256, 0.0], [0.75, 0.25]]
    assert found.dtype == np.float32


def test_scores_in_steps_of_the_8_bit_sigmoid():
    found = quantized_scores(np.array([[0.0, 100.0, -100.0, np.log(3)]], np.float32), "sigmoid")
    assert found.tolist() == [[0.5, 255 / 256, 0.0, 0.75]]
