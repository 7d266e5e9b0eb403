"""Prediction in batches, from pixels or cached features; float32 whatever precision a run is trained in."""

from __future__ import annotations

import csv
import json

import keras
import numpy as np
import pytest

import freezenet.train.frozen.cache as cache
from freezenet.edge_runtime.errors import SettingError
from freezenet.train.data.phantoms import write_phantoms
from freezenet.train.frozen.backbone import backbone_features
from freezenet.train.frozen.cut import required_cut, split_model
from freezenet.train.network.model import build_model
from freezenet.train.network.predict import BATCH, in_batches, predict
from freezenet.train.options import TrainingOptions
from freezenet.train.recipes.recipe import Recipe, load_recipe
from freezenet.train.run import Run
from freezenet.train.training import train

MIXED = ("mixed_float16", "mixed_bfloat16")
RECIPE = Recipe(alpha=0.35, image_size=32, freeze_fraction=0.5)
PIXELS = np.random.default_rng(0).integers(0, 256, (BATCH + 5, 32, 32), np.uint8)


@pytest.fixture(autouse=True)
def float32_policy():
    yield
    keras.config.set_dtype_policy("float32")


def network(precision: str = "float32", recipe: Recipe = RECIPE) -> keras.Model:
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(precision)
    return build_model(recipe, ("A", "B"), "none")


def test_scores_are_the_models_own_for_any_number_of_images():
    model = network()
    expected = np.asarray(model(RECIPE.preprocess.normalized(PIXELS), training=False))
    found = predict(model, PIXELS, RECIPE.preprocess)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(predict(model, PIXELS[:3], RECIPE.preprocess), expected[:3], atol=1e-6)


def test_features_give_the_scores_of_their_images():
    model = network()
    frozen, _ = split_model(model, required_cut(model))
    features = predict(frozen, PIXELS, RECIPE.preprocess)
    found = predict(model, PIXELS, RECIPE.preprocess, features=features)
    np.testing.assert_allclose(found, predict(model, PIXELS, RECIPE.preprocess), atol=1e-6)


def test_features_of_a_network_without_a_frozen_part_are_refused():
    model = network(recipe=Recipe(alpha=0.35, image_size=32, freeze_fraction=0.0, cache="none"))
    with pytest.raises(SettingError, match="cache=none"):
        predict(model, PIXELS, RECIPE.preprocess, features=np.zeros((3, 2, 2, 8), np.float32))


def test_an_incomplete_batch_is_filled_up_where_that_is_asked():
    shapes = []

    def twice(inputs):
        shapes.append(inputs.shape)
        return 2 * inputs.astype(np.float16)

    rows = np.arange(7, dtype=np.uint8)[:, None]
    for padded, expected in ((False, [(4, 1), (3, 1)]), (True, [(4, 1), (4, 1)])):
        found = in_batches(twice, rows, lambda some: some.astype(np.float32), batch=4, padded=padded)
        np.testing.assert_array_equal(found, 2 * rows)
        assert found.dtype == np.float32
        assert shapes == expected
        shapes.clear()


@pytest.mark.parametrize("precision", MIXED, indirect=True)
def test_mixed_precision_ends_in_float32(precision):
    model = network(precision)
    assert model.get_layer("Conv1").compute_dtype == precision.removeprefix("mixed_")
    exact = network()
    exact.set_weights(model.get_weights())
    for run in (predict, backbone_features):
        found, expected = run(model, PIXELS, RECIPE.preprocess), run(exact, PIXELS, RECIPE.preprocess)
        assert found.dtype == np.float32
        np.testing.assert_allclose(
            found, expected, atol=0.05
        )  # eight bits through half a network of activations up to 6


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_phantoms(tmp_path_factory.mktemp("data"), scale=0.12, size=64)


@pytest.mark.parametrize(
    ("precision", "way"), [*((one, "none") for one in MIXED), ("mixed_float16", "xnnpack")], indirect=["precision"]
)
def test_a_run_in_mixed_precision_ends_in_figures(precision, way, data, tmp_path, monkeypatch):
    """Without a cache the OOD gate needs 32 bits, with one the converter does."""
    monkeypatch.setattr(cache, "choose_engine", lambda images, has_gpu: way)
    keys = ("image_size=32", "freeze_fraction=.5", "epochs=1", "batch_size=16", "attention_pairs=50",
            f"precision={precision}", f"cache={'none' if way == 'none' else 'float16'}")  # fmt: skip
    options = TrainingOptions(weights="none", cache=tmp_path / "cache")
    train(data, tmp_path / "run", recipe=load_recipe("phantoms", keys), options=options)
    run = Run.open(tmp_path / "run")
    scores = [[float(row[label]) for label in run.labels] for row in _rows(tmp_path / "run" / "predictions.csv")]
    np.testing.assert_allclose(np.sum(scores, 1), 1, atol=1e-4)
    gate = json.loads((tmp_path / "run" / "decision.json").read_text())["gate"]
    assert gate["kind"] == "one-class"
    assert np.isfinite(gate["threshold"])
    assert run.model().get_layer("Conv1").compute_dtype == precision.removeprefix("mixed_")


def _rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
