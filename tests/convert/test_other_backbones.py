"""EfficientNet-B0 to integers: sigmoids times feature maps, squeezed branches, no ReLU to fuse. And a head with a hidden layer."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from convert.calibration import Calibration
from convert.models import convert
from convert.operators import custom_operators, read_operators
from convert.outputs import with_outputs
from convert.tflite import Converter
from convert.variants import VARIANTS
from edge_runtime.classifier import Classifier
from edge_runtime.interpreter import Interpreter
from train.model import build_model
from train.phantoms import PATTERNS, draw_phantom
from train.recipe import load_recipe
from train.run import Run, train


@pytest.fixture(scope="module")
def recipe():
    return load_recipe("efficientnet-b0", ("image_size=64", "batchnorm=train", "batchnorm_momentum=0"))


@pytest.fixture(scope="module")
def pixels():
    rng = np.random.default_rng(0)
    return np.stack([draw_phantom(pattern, 64, rng) for pattern in (*PATTERNS, *PATTERNS, *PATTERNS)])


@pytest.fixture(scope="module")
def network(recipe, pixels) -> keras.Model:
    """With the statistics of the images and answers that differ, as training would leave it."""
    keras.utils.set_random_seed(0)
    model = build_model(recipe, tuple("abc"), "none")
    images = recipe.preprocess.normalized(pixels)
    for layer in model.layers:
        layer.trainable = True
    model(images, training=True)
    pooled = np.array(keras.Model(model.input, model.get_layer("pool").output)(images))
    kernel = np.random.default_rng(1).normal(size=(pooled.shape[1], 3)) / pooled.std(0).mean() / 10
    model.get_layer("scores").set_weights([kernel.astype(np.float32), -(pooled.mean(0) @ kernel).astype(np.float32)])
    return model


def test_efficientnet_in_float_and_in_integers(recipe, pixels, network):
    converter = Converter(with_outputs(network), Calibration(pixels, ()).representative(recipe.preprocess))
    images = recipe.preprocess.normalized(pixels)
    wanted = np.array(network(images))
    assert wanted.std(0).min() > 0.05
    found = {}
    for name, inputs in (("float32", images), ("int8", np.repeat(pixels[..., None], 3, -1))):
        content = converter.to_tflite(VARIANTS[name])
        assert not custom_operators(content)
        engine = Interpreter(content, 1)
        found[name] = np.concatenate([engine.invoke(one[None])[0] for one in inputs])
        kinds = {operator.kind for operator in read_operators(content)}
        assert {"CONV_2D", "DEPTHWISE_CONV_2D", "LOGISTIC", "MUL", "MEAN"} <= kinds
    np.testing.assert_allclose(found["float32"], wanted, atol=1e-4)
    assert np.corrcoef(found["int8"].ravel(), wanted.ravel())[0, 1] > 0.9


def test_a_hidden_layer_reaches_the_device(phantoms, tmp_path):
    settings = (
        "image_size=64",
        "freeze_fraction=.9",
        "epochs=3",
        "head_units=[16]",
        "head_batchnorm=true",
        "dropout=.1",
    )
    recipe = load_recipe("phantoms", (*settings, "batch_size=16", "pooling=max"))
    train(phantoms, tmp_path / "run", recipe, "none")
    run = Run.open(tmp_path / "run")
    result = convert(run, tmp_path / "models", ("float32", "int8"), ("edge", "app"), 40, gate=False)
    assert set(result["variants"]) == {"float32", "int8"}
    test = run.paths("test")
    pixels = np.stack([run.recipe.preprocess.pixels(path) for path, _ in test])
    wanted = np.array(run.model()(run.recipe.preprocess.normalized(pixels)))
    for name, least in (("float32", 0.9999), ("int8", 0.95)):
        classifier = Classifier(tmp_path / "models" / f"{name}.tflite")
        assert classifier.card.content["outputs"] == ["scores", "features"]
        assert np.corrcoef(classifier.scores(pixels).ravel(), wanted.ravel())[0, 1] > least
