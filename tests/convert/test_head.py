"""The last layer of files of every variant, against Keras and against a dense layer that NumPy computes on the same features."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from scipy.special import softmax

from freezenet.convert.converter import Converter, to_float32
from freezenet.convert.float.batchnorm import fuse_batchnorm
from freezenet.convert.float.operators import read_operators
from freezenet.convert.float.outputs import keep_outputs, with_outputs
from freezenet.convert.head import Head, HeadOfFile
from freezenet.convert.package.metadata import without_files
from freezenet.convert.ptq.calibration import Calibration
from freezenet.convert.ptq.ends import with_ends
from freezenet.convert.ptq.integer import to_integer
from freezenet.convert.ptq.mixed import around
from freezenet.convert.ptq.ranges import least_error_ranges
from freezenet.convert.variants import VARIANTS as ALL
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import ModelError
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.edge_runtime.interpreter import Interpreter

#: Of `mixed` the files whose last layer is of floats, what it reads, too, or only what the map reads.
FLOATS = {"mixed-scores": ("FULLY_CONNECTED",), "mixed-pool": ("MEAN",), "mixed-map": ("CONV_2D",)}
#: Of these the numbers are those of Keras: int8-qat trained on, and the mixed ones here are rounded without the care that a conversion takes.
OF_KERAS = ("float32", "float16", "dynamic", "int8", "int16x8")
VARIANTS = (*OF_KERAS, "int8-qat", *FLOATS)
#: Largest difference of a score to the dense layer in double precision: of 8 bits the steps of weights, logits and scores.
CLOSE = {
    "float32": 1e-5, "float16": 2e-3, "dynamic": 0.03, "int8": 0.05, "int16x8": 0.02, "int8-qat": 0.05,
    "mixed-scores": 1e-5, "mixed-pool": 0.05, "mixed-map": 0.05,
}  # fmt: skip
OUTPUTS = ("scores", "cam", "features")


@pytest.fixture(scope="module")
def pixels(run):
    return np.stack([run.recipe.preprocess.pixels(path) for path, _ in run.paths("test")[:20]])


@pytest.fixture(scope="module")
def pooled(run, pixels):
    """What Keras pools of each image."""
    model = run.model()
    pool = keras.Model(model.input, model.get_layer("pool").output)
    return pool.predict(run.recipe.preprocess.normalized(pixels), verbose=0)


@pytest.fixture(scope="module")
def mixed(run, pixels):
    """A function: name of FLOATS -> the integer network with these last operators in float, as `mixed_precision` writes it."""
    model = with_outputs(run.model())
    content = to_float32(fuse_batchnorm(model))
    ranges = least_error_ranges(content, [run.recipe.preprocess.network_input(one, np.float32) for one in pixels])
    last = {one.kind: one.name for one in read_operators(content)}

    def found(name: str) -> bytes:
        floats = around(content, [last[kind] for kind in FLOATS[name]])
        return keep_outputs(to_integer(content, ranges, floats), model.output_names)

    return cache(found)


@pytest.fixture(scope="module")
def of(models, quantized, mixed):
    """A function: variant -> its head."""

    def found(name: str) -> HeadOfFile:
        if name in FLOATS:
            return HeadOfFile(mixed(name), OUTPUTS, name)
        folder = quantized if name == "int8-qat" else models
        return HeadOfFile(without_files((folder / f"{name}.tflite").read_bytes())[0], OUTPUTS, name)

    return found


def another(old: Head) -> Head:
    """A head of the same size that gives quite other scores."""
    rng = np.random.default_rng(4)
    return Head(old.kernel[:, ::-1] + rng.normal(0, 0.02, old.kernel.shape), old.bias + np.array([0.5, -1.0, 0.0, 2.0]))


def outputs(network: bytes, spec: PreprocessSpec, pixels: np.ndarray) -> list[np.ndarray]:
    interpreter = Interpreter(network)
    dtype = interpreter.inputs[0]["dtype"]
    found = [interpreter.invoke(spec.network_input(one, dtype)) for one in pixels]
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]


@pytest.mark.parametrize("name", OF_KERAS)
def test_it_is_that_of_keras(run, of, pixels, pooled, name):
    model, spec = run.model(), run.recipe.preprocess
    kernel, bias = model.get_layer("scores").get_weights()
    head = of(name).head
    assert head.kernel.shape == kernel.shape
    step = 1e-6 if name == "float32" else 1e-3 if name == "float16" else np.abs(kernel).max() / 127
    # Weights of 8 bits are rounded for each other, so that single ones are more than a step away.
    assert np.abs(head.kernel - kernel).max() <= 3 * step
    if name in ("float32", "float16", "dynamic", "int16x8"):
        np.testing.assert_allclose(head.bias, bias, atol=1e-3)
    features = of(name).read(spec, pixels)
    if name == "float32":
        np.testing.assert_allclose(features, pooled, atol=1e-4)
    assert np.corrcoef(features.ravel(), pooled.ravel())[0, 1] > 0.95
    assert np.abs(head.scores(features) - outputs(of(name).network, spec, pixels)[0]).max() < CLOSE[name]


@pytest.mark.parametrize("name", VARIANTS)
def test_another_one_gives_its_scores_and_its_map(run, of, pixels, name):
    spec, old = run.recipe.preprocess, of(name)
    features, head = old.read(spec, pixels), another(old.head)
    new = old.replaced(head, spec, pixels, features)
    scores, cam, _ = outputs(new, spec, pixels)
    wanted = softmax(features.astype(np.float64) @ head.kernel + head.bias, axis=1)
    assert np.abs(wanted - old.head.scores(features)).max() > 0.2
    assert np.abs(scores - wanted).max() < CLOSE[name]
    pooled = softmax(cam.mean((1, 2)) + head.bias, axis=1)
    assert np.abs(pooled - scores).max() < (1e-4 if name == "float32" else 1e-2 if name == "float16" else 0.15)


@pytest.mark.parametrize("name", VARIANTS)
def test_all_else_is_the_same_to_the_bit(run, of, pixels, name):
    spec, old = run.recipe.preprocess, of(name)
    new = old.replaced(another(old.head), spec, pixels, old.read(spec, pixels))
    trees = [schema.ModelT.InitFromPackedBuf(one, 0) for one in (old.network, new)]
    before, after = (tree.subgraphs[0].tensors for tree in trees)
    changed = []
    for number, (one, other) in enumerate(zip(before, after, strict=True)):
        contents = [tree.buffers[t.buffer].data for tree, t in zip(trees, (one, other), strict=True)]
        same = all(np.array_equal(*map(np.atleast_1d, pair)) for pair in (contents, [one.shape, other.shape]))
        same = same and one.type == other.type and scales(one) == scales(other)
        changed += [] if same else [number]
    # Kernel, bias and result of the layer and of the map, and the map as it leaves the file.
    assert 2 <= len(changed) <= 7
    size = of(name).head.kernel.size
    heavy = [
        np.prod(before[number].shape) for number in changed if trees[0].buffers[before[number].buffer].data is not None
    ]
    assert max(heavy) == size
    gate = [outputs(network, spec, pixels)[2] for network in (old.network, new)]
    np.testing.assert_array_equal(*gate)
    # The two kernels may have shared their bytes.
    assert abs(len(new) - len(old.network)) < 4096 + 4 * size


def scales(tensor) -> list:
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None:
        return []
    return [*quantization.scale, *quantization.zeroPoint]


def test_steps_of_the_scores(of):
    assert {name: of(name).score_steps for name in VARIANTS} == {
        "float32": None, "float16": None, "dynamic": None, "int8": 256, "int16x8": 32768, "int8-qat": 256,
        "mixed-scores": None, "mixed-pool": 256, "mixed-map": 256,
    }  # fmt: skip


@pytest.mark.parametrize("ends", ["uint8", "int8", "float32"])
def test_integer_ends(run, of, models, pixels, ends):
    spec, whole = run.recipe.preprocess, of("int8")
    old = replace(whole, network=with_ends(whole.network, ends))
    features, head = old.read(spec, pixels), another(old.head)
    np.testing.assert_array_equal(features, whole.read(spec, pixels))
    wanted = outputs(whole.replaced(head, spec, pixels, features), spec, pixels)
    for one, other in zip(outputs(old.replaced(head, spec, pixels, features), spec, pixels), wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_without_a_map(run, models, pixels):
    spec = run.recipe.preprocess
    network, files = without_files((models / "int8-app.tflite").read_bytes())
    assert json.loads(files["card.json"])["outputs"] == ["scores"]
    old = HeadOfFile(network, ("scores",), "int8-app")
    features, head = old.read(spec, pixels), another(old.head)
    (scores,) = outputs(old.replaced(head, spec, pixels, features), spec, pixels)
    assert np.abs(scores - head.scores(features)).max() < CLOSE["int8"]


def test_a_class_without_weights_and_a_bias(run, of, pixels):
    """Its scale would be so small that the 32-bit bias overflows."""
    spec, old = run.recipe.preprocess, of("int8")
    features, head = old.read(spec, pixels), another(old.head)
    head.kernel[:, 2], head.bias[2] = 0, 3.0
    scores = outputs(old.replaced(head, spec, pixels, features), spec, pixels)[0]
    assert np.abs(scores - head.scores(features)).max() < CLOSE["int8"]


def test_other_networks_give_a_sentence(small_pixels):
    spec = PreprocessSpec(size=(32, 32))
    image = keras.Input((32, 32, 3))
    x = keras.layers.GlobalAveragePooling2D(name="pool")(keras.layers.Conv2D(4, 3)(image))
    model = keras.Model(image, keras.layers.Dense(3, activation="sigmoid", name="scores")(x))
    content = Converter(model, Calibration(small_pixels, ()).representative(spec)).to_tflite(ALL["float32"])
    with pytest.raises(ModelError, match=r"softmax of one dense layer.*Got: net\.tflite with scores of LOGISTIC"):
        _ = HeadOfFile(content, ("scores",), "net.tflite").head


def test_the_file_itself_is_read(models):
    classifier = Classifier(models / "int8.tflite")
    network, files = without_files(classifier.file.content)
    assert len(network) == classifier.card.content["network"]["bytes"]
    assert {"labels.txt", "card.json"} <= files.keys()
