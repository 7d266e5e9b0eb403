"""Fitting from the cache is fitting the half-frozen network, and a resumed fit is an unbroken one."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.train.data.phantoms import draw_phantom
from freezenet.train.data.training_data import TrainingData
from freezenet.train.fitting import fit as module
from freezenet.train.fitting.checkpoint import Checkpoint
from freezenet.train.fitting.fit import compile_model, fit
from freezenet.train.frozen.cache import cached_features
from freezenet.train.frozen.cut import required_cut, split_model
from freezenet.train.losses.weighted import WeightedCrossentropy
from freezenet.train.network.model import build_model
from freezenet.train.recipes.recipe import Recipe

LABELS = ("Clear", "Focal")


@pytest.fixture(scope="module")
def data(made_data) -> TrainingData:
    rng = np.random.default_rng(0)
    classes = np.arange(36) % 2
    pixels = np.stack([draw_phantom(LABELS[one], 64, rng) for one in classes])
    splits = np.array(["train"] * 24 + ["validation"] * 12)
    return made_data(pixels, classes, splits, LABELS)


def recipe(**keys) -> Recipe:
    # Adam divides by the size of a gradient: with its own epsilon, one that is zero but for rounding would move a weight as
    # far as any other, and the direction would hang on the processor.
    return Recipe(**{"alpha": 0.35, "image_size": 64, "batch_size": 8, "epochs": 3, "cache": "float32",
                     "learning_rate": 1e-4, "adam_epsilon": 1e-3, **keys})  # fmt: skip


PLAIN = keras.losses.CategoricalCrossentropy()


def fitted(data, recipe, folder, loss=PLAIN) -> tuple[keras.Model, list[dict[str, float]]]:
    keras.utils.set_random_seed(recipe.seed)
    model = build_model(recipe, data.labels, "none")
    features = None
    if recipe.caches:
        features = cached_features(
            split_model(model, required_cut(model))[0], data.images, recipe=recipe, folder=folder / "cache"
        ).values
    folder.mkdir(exist_ok=True)
    return model, fit(model, data, recipe=recipe, loss=loss, folder=folder, features=features)


def apart(one: keras.Model, other: keras.Model) -> float:
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return max(float(np.abs(a - b).max()) for a, b in pairs)


@pytest.mark.parametrize("batchnorm", ["train", "inference"])
def test_cached_and_plain_give_the_same_weights(data, tmp_path, batchnorm, record_property):
    plain, plain_history = fitted(data, recipe(batchnorm=batchnorm, cache="none"), tmp_path / "plain")
    cached, cached_history = fitted(data, recipe(batchnorm=batchnorm), tmp_path / "cached")
    start = build(recipe(batchnorm=batchnorm), data)
    difference, moved = apart(plain, cached), apart(plain, start)
    record_property("largest difference of a weight", difference)
    print(f"batchnorm={batchnorm}: largest difference {difference:.2e}; moved {moved:.2e}")
    assert moved > 1e-4
    assert difference < 1e-4
    far = np.concatenate(
        [np.abs(a - b).ravel() for a, b in zip(plain.get_weights(), cached.get_weights(), strict=True)]
    )
    assert np.mean(far > 1e-5) < 0.01
    for one, other in zip(plain_history, cached_history, strict=True):
        assert other == pytest.approx(one, rel=1e-3)


def build(recipe: Recipe, data: TrainingData) -> keras.Model:
    keras.utils.set_random_seed(recipe.seed)
    return build_model(recipe, data.labels, "none")


TOP = {"freeze_fraction": 0.9, "dropout": 0.2}


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_killed_fit_goes_on(data, tmp_path, monkeypatch, average):
    settings = recipe(epochs=5, learning_rate=3e-3, schedule="cosine", weight_average=average, **TOP)
    whole, history = fitted(data, settings, tmp_path / "whole", WeightedCrossentropy([0.8, 1.2]))
    written = Checkpoint.on_epoch_end

    def killed(self, epoch, logs=None):
        written(self, epoch, logs)
        if epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "on_epoch_end", killed)
        with pytest.raises(KeyboardInterrupt):
            fitted(data, settings, tmp_path / "broken", WeightedCrossentropy([0.8, 1.2]))
    resumed, again = fitted(data, settings, tmp_path / "broken", WeightedCrossentropy([0.8, 1.2]))
    assert [epoch["epoch"] for epoch in again] == list(range(5))
    for one, other in zip(history, again, strict=True):
        assert other == pytest.approx(one, rel=1e-4)
    assert apart(whole, resumed) < 1e-5
    assert apart(whole, build(settings, data)) > 1e-3


def test_early_stopping_restores_the_best_weights(made_data, data, tmp_path):
    """The validation images are training images under the other class: what is learned of the ones is wrong of the others."""
    rows = np.concatenate([data.rows("train"), data.rows("train")[:12]])
    classes = np.concatenate([data.classes[rows[:24]], 1 - data.classes[rows[24:]]])
    data = made_data(data.images.pixels[rows], classes, np.array(["train"] * 24 + ["validation"] * 12), LABELS)
    settings = recipe(epochs=30, patience=2, learning_rate=0.01, batchnorm="inference", **TOP)
    model, history = fitted(data, settings, tmp_path / "run")
    losses = [epoch["val_loss"] for epoch in history]
    best = int(np.argmin(losses))
    assert len(history) == min(30, best + 3)
    assert best < len(history) - 1  # so there was something to restore
    rows = data.rows("validation")
    scores = np.asarray(model(settings.preprocess.normalized(data.images.pixels[rows]), training=False))
    found = -np.log(np.clip(scores[np.arange(len(rows)), data.classes[rows]], 1e-7, 1)).mean()
    assert found == pytest.approx(losses[best], rel=1e-3)


def test_a_loss_that_is_no_number_is_one_sentence(data, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "augmenter", None)
    settings = recipe(epochs=2, **TOP)
    model = build(settings, data)
    shape = split_model(model, required_cut(model))[0].output_shape[1:]
    monkeypatch.setattr(module, "augmenter", lambda _: None)
    with pytest.raises(FreezenetError, match=r"finite loss.*epoch 1; lower learning_rate \(0\.0001\)") as caught:
        fit(
            model,
            data,
            recipe=settings,
            loss=PLAIN,
            folder=tmp_path,
            features=np.full((36, *shape), np.nan, np.float32),
        )
    assert "\n" not in str(caught.value)


def test_nothing_frozen_cannot_be_cached(data):
    with pytest.raises(FreezenetError, match="cache=none"):
        required_cut(build(recipe(freeze_fraction=0.0), data))


def test_schedules():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, activation="softmax")])
    compile_model(model, recipe(schedule="constant"), PLAIN, steps=10, jit=False)
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-4)
    compile_model(model, recipe(schedule="cosine", epochs=5), WeightedCrossentropy([1, 2]), steps=10, jit=False)
    rate = model.optimizer._learning_rate
    assert [float(rate(step)) for step in (0, 5, 10)] == pytest.approx([0, 5e-5, 1e-4], rel=1e-5)
    steps = np.linspace(10, 60, 7)[1:-1]  # after the warm-up, half a cosine over the 50 batches
    expected = 1e-4 * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * (steps - 10) / 50)))
    assert [float(rate(step)) for step in steps] == pytest.approx(expected.tolist(), rel=1e-4)
    assert float(rate(1000)) == pytest.approx(2e-6, rel=1e-4)
    assert model.loss.weights == [1.0, 2.0]


def test_rows(data):
    assert data.rows("train").tolist() == list(range(24))
    assert data.rows("test").tolist() == []
