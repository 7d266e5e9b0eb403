"""The other backbones to integers, up to a layer in their first blocks: each has its own kind of block. And a hidden layer in the head."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from freezenet.convert.converter import Converter
from freezenet.convert.float.operators import custom_operators, read_operators
from freezenet.convert.float.outputs import with_outputs
from freezenet.convert.models import convert
from freezenet.convert.options import ConvertOptions
from freezenet.convert.ptq.calibration import Calibration
from freezenet.convert.variants import VARIANTS
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.edge_runtime.interpreter import Interpreter
from freezenet.train.data.phantoms import PATTERNS, draw_phantom
from freezenet.train.network.backbones import BACKBONES
from freezenet.train.options import TrainingOptions
from freezenet.train.recipes.recipe import load_recipe
from freezenet.train.run import Run
from freezenet.train.training import train

#: Backbone -> (where its first blocks end, operators of these blocks, mean and std of its recipe).
BLOCKS = {
    "efficientnet-b0": ("block3b_add", {"LOGISTIC", "MUL", "MEAN", "DEPTHWISE_CONV_2D"}, 114, 57.6),
    "mobilenetv3-small": ("expanded_conv_5_add", {"HARD_SWISH", "MUL", "MEAN", "DEPTHWISE_CONV_2D"}, 128, 127.5),
    "resnet50": ("conv2_block2_out", {"MAX_POOL_2D", "ADD", "PAD"}, 115, 1),
    "densenet121": ("pool2_pool", {"CONCATENATION", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D"}, 114, 57.6),
    "inceptionv3": ("mixed0", {"CONCATENATION", "AVERAGE_POOL_2D", "MAX_POOL_2D"}, 128, 127.5),
    "vgg16": ("block2_pool", {"MAX_POOL_2D"}, 115, 1),
}


@pytest.fixture(scope="module")
def pixels():
    rng = np.random.default_rng(0)
    return np.stack([draw_phantom(pattern, 80, rng) for pattern in (*PATTERNS, *PATTERNS, *PATTERNS)])


def started(name: str, images: np.ndarray) -> keras.Model:
    """The first blocks with a classifier, with the statistics of the images and answers that differ."""
    keras.utils.set_random_seed(0)
    backbone = BACKBONES[name].build(images.shape[1], 1.0, None)
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    maps = backbone.get_layer(BLOCKS[name][0]).output
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(maps)
    model = keras.Model(backbone.input, keras.layers.Dense(3, activation="softmax", name="scores")(pooled))
    model(images, training=True)
    features = np.array(keras.Model(model.input, pooled)(images))
    kernel = np.random.default_rng(1).normal(size=(features.shape[1], 3)) / features.std(0).mean() / 8
    model.get_layer("scores").set_weights([kernel.astype(np.float32), -(features.mean(0) @ kernel).astype(np.float32)])
    return model


@pytest.mark.parametrize("name", list(BLOCKS))
def test_a_backbone_in_float_and_in_integers(name, pixels):
    _, operators, mean, std = BLOCKS[name]
    spec = PreprocessSpec(size=(80, 80), mean=mean, std=std)
    images = spec.normalized(pixels)
    model = started(name, images)
    converter = Converter(with_outputs(model), Calibration(pixels, ()).representative(spec))
    wanted = np.array(model(images))
    assert wanted.std(0).min() > 0.05
    found = {}
    for variant, inputs in (("float32", images), ("int8", np.repeat(pixels[..., None], 3, -1))):
        content = converter.to_tflite(VARIANTS[variant])
        assert not custom_operators(content)
        engine = Interpreter(content, 1)
        found[variant] = np.concatenate([engine.invoke(one[None])[0] for one in inputs])
    assert operators <= {operator.kind for operator in read_operators(content)}
    np.testing.assert_allclose(found["float32"], wanted, atol=1e-4)
    # The uint8 input takes pixels as they are: its step and zero point are those of the preprocessing.
    (details,) = engine.inputs
    assert details["quantization"] == pytest.approx((1 / std, mean), rel=0.05)
    # Weights that nothing has trained stand for hardly more than the noise of rounding in their last layers.
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
    train(phantoms, tmp_path / "run", recipe=recipe, options=TrainingOptions("none"))
    run = Run.open(tmp_path / "run")
    result = convert(
        run,
        tmp_path / "models",
        options=ConvertOptions(
            variants=("float32", "int8"), profiles=("edge", "app"), calibration_images=40, acceptance=False
        ),
    )
    assert set(result["variants"]) == {"float32", "int8"}
    test = run.paths("test")
    pixels = np.stack([run.recipe.preprocess.pixels(path) for path, _ in test])
    wanted = np.array(run.model()(run.recipe.preprocess.normalized(pixels)))
    for name, least in (("float32", 0.9999), ("int8", 0.95)):
        classifier = Classifier(tmp_path / "models" / f"{name}.tflite")
        assert classifier.card.content["outputs"] == ["scores", "features"]
        assert np.corrcoef(classifier.scores(pixels).ravel(), wanted.ravel())[0, 1] > least


def test_what_a_variant_cannot_hold_is_said_and_the_others_are_written(phantoms, tmp_path, command):
    """TensorFlow's 16-bit quantizer has no HARD_SWISH, quantization-aware training no Activation."""
    settings = ("backbone=mobilenetv3-small", "image_size=64", "freeze_fraction=1", "epochs=1", "batchnorm=inference")
    train(phantoms, tmp_path / "run", recipe=load_recipe("phantoms", settings), options=TrainingOptions("none"))
    models = tmp_path / "models"
    code, out, err = command(
        "convert", tmp_path / "run", "--out", models, "--variants", "int16x8,int8-qat,float32", "--no-acceptance",
        "--calibration-images", "8",
    )  # fmt: skip
    assert code == 3
    assert out.startswith(str(models / "float32.tflite")) and out.count("\n") == 1
    (line,) = (line for line in err.splitlines() if line.startswith("Error: "))
    assert "HARD_SWISH" in line and "leave out this variant" in line and "leave out the variant int8-qat" in line
    assert not list(models.glob("int*"))
