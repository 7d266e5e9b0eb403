"""Every recipe that comes with the project trains for one epoch, on a network and images as small as they can be."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from freezenet.train.data.phantoms import PATTERNS, draw_phantom
from freezenet.train.network.backbones import BACKBONES
from freezenet.train.options import TrainingOptions
from freezenet.train.recipes.recipe import Recipe, load_recipe, recipe_names
from freezenet.train.run import Run
from freezenet.train.training import train

#: Sides of the images of one class.
SIDES = ("train", "train", "validation", "test")
#: The first recipe of each backbone trains that network, the others MobileNetV2.
FIRST = {load_recipe(name).backbone: name for name in reversed(recipe_names())}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    """A folder with four images of each pattern: one batch to train, four to validate, four to test."""
    folder, rng = tmp_path_factory.mktemp("drawn"), np.random.default_rng(0)
    for pattern in PATTERNS:
        for number in range(len(SIDES)):
            cv2.imwrite(str(folder / f"{pattern}-{number}.png"), draw_phantom(pattern, 64, rng))
    return folder


@pytest.fixture(autouse=True)
def eager():
    """Tracing hundreds of layers takes far longer than running them on a few images."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
    keras.config.set_dtype_policy("float32")


def smallest(name: str) -> Recipe:
    recipe = load_recipe(name)
    backbone = recipe.backbone if FIRST[recipe.backbone] == name else "mobilenetv2"
    settings = {
        "backbone": backbone,
        "image_size": max(64, BACKBONES[backbone].smallest),
        "alpha": 0.35 if BACKBONES[backbone].widths else 1.0,
        "batch_size": 8,
        "epochs": 1,
        "head_epochs": min(recipe.head_epochs, 1),
        "attention_pairs": 50,
        "attention_weights": [],
    }
    return recipe.with_settings(settings)


def data_for(recipe: Recipe, drawn: Path) -> tuple[Path, list[str]]:
    """Return a data set with the recipe's classes and others, or with labels, and the names that the scores should have."""
    classes = [*recipe.classes, *PATTERNS][: len(PATTERNS)]
    labels = sorted(recipe.classes or classes)
    if recipe.task == "multi-label":
        classes = ["covid;pneumonia", "normal", "pneumonia", "covid;pneumonia"]
        labels = ["covid", "normal", "pneumonia"]
    path = drawn / f"{recipe.name}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "class", "split"])
        for pattern, label in zip(PATTERNS, classes, strict=True):
            writer.writerows([f"{pattern}-{number}.png", label, side] for number, side in enumerate(SIDES))
    return path, labels


@pytest.mark.parametrize("name", recipe_names())
def test_one_epoch(name, drawn, tmp_path):
    recipe = smallest(name)
    data, labels = data_for(recipe, drawn)
    metrics = train(data, tmp_path / "run", recipe=recipe, options=TrainingOptions("none"))
    run = Run.open(tmp_path / "run")
    assert run.recipe == recipe
    assert list(run.labels) == labels
    assert metrics["epochs"] == recipe.head_epochs + recipe.epochs
    with (run.folder / "history.csv").open(newline="", encoding="utf-8") as file:
        history = list(csv.DictReader(file))
    assert all(math.isfinite(float(epoch[key])) for epoch in history for key in ("loss", "val_loss"))
    model = run.model()
    scores = np.array(model(np.zeros((1, *model.input_shape[1:]), np.float32)))
    assert scores.shape == (1, len(labels))
    if recipe.task == "multi-class":
        assert scores.sum() == pytest.approx(1, abs=1e-5)
    else:
        assert model.get_layer("scores").activation is keras.activations.sigmoid
    assert [layer.name for layer in model.layers if layer.name.startswith(("hidden", "dropout", "head"))] == [
        *(f"hidden_{number}" for number, _ in enumerate(recipe.head_units, 1)),
        *(["dropout"] if recipe.dropout else []),
        *(["head_batchnorm"] if recipe.head_batchnorm else []),
    ]
    for file in run.folder.glob("*.keras"):  # hundreds of megabytes of some backbones
        file.unlink()
