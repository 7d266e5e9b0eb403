"""The criterion of a recipe: the loss it names, with weights from the training side alone."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from freezenet.edge_runtime.errors import SettingError
from freezenet.train.data.training_data import TrainingData
from freezenet.train.losses.attention import attention_weights, class_statistics, difficulty_weights
from freezenet.train.losses.criterion import choose_criterion, needs_recall
from freezenet.train.losses.focal import BinaryFocalCrossentropy, FocalCrossentropy
from freezenet.train.losses.weighted import WeightedCrossentropy
from freezenet.train.losses.weights import bwcce, class_balanced
from freezenet.train.recipes.recipe import Recipe

LABELS = ("A", "B", "C")


@pytest.fixture(scope="module")
def data(made_data) -> TrainingData:
    rng = np.random.default_rng(0)
    classes = np.repeat([0, 1, 2], [10, 20, 30])
    pixels = rng.integers(0, 256, (60, 8, 8), np.uint8)
    splits = np.array(["train", "validation"])[(np.arange(60) % 5 == 0).astype(int)]
    return made_data(pixels, classes, splits, LABELS)


@pytest.mark.parametrize(
    ("loss", "kind"),
    [
        ("attention", WeightedCrossentropy),
        ("cross-entropy", keras.losses.CategoricalCrossentropy),
        ("inverse-frequency", WeightedCrossentropy),
        ("bwcce", WeightedCrossentropy),
        ("class-balanced", WeightedCrossentropy),
        ("focal", FocalCrossentropy),
        ("binary-cross-entropy", keras.losses.BinaryCrossentropy),
        ("binary-focal", BinaryFocalCrossentropy),
    ],
)
def test_each_name_is_its_loss(data, loss, kind):
    task = "multi-label" if loss.startswith("binary") else "multi-class"
    assert type(choose_criterion(Recipe(loss=loss, task=task, label_smoothing=0.1), data).loss) is kind


def test_weights_come_from_the_training_side(data):
    counts = np.array([8, 16, 24])  # four of five of 10, 20, 30
    found = choose_criterion(Recipe(loss="inverse-frequency"), data)
    np.testing.assert_allclose(found.weights, 48 / (3 * counts))
    assert found.loss.weights == pytest.approx(found.weights.tolist())
    np.testing.assert_allclose(choose_criterion(Recipe(loss="bwcce"), data).weights, bwcce(counts))
    found = choose_criterion(Recipe(loss="class-balanced", class_balanced_beta=0.9), data)
    np.testing.assert_allclose(found.weights, class_balanced(counts, 0.9))
    rows = data.rows("train")
    statistics = class_statistics(data.images.pixels[rows], data.classes[rows], 50, 3)
    found = choose_criterion(Recipe(attention_pairs=50, seed=3), data)
    np.testing.assert_allclose(found.weights, attention_weights(statistics, 1, 1, 10))
    assert found.statistics["share"] == pytest.approx([1 / 6, 1 / 3, 1 / 2], abs=1e-6)


def test_settings_reach_the_loss(data):
    assert choose_criterion(Recipe(loss="focal", focal_gamma=1.5), data).loss.gamma == 1.5
    assert choose_criterion(Recipe(loss="focal", focal_alpha=(0.25,)), data).loss.weights == [0.25] * 3
    by_name = Recipe(loss="focal", focal_alpha={"C": 3.0, "A": 1.0, "B": 2.0})
    assert choose_criterion(by_name, data).loss.weights == [1, 2, 3]
    loss = choose_criterion(
        Recipe(loss="binary-focal", task="multi-label", focal_alpha=(0.3,), focal_gamma=1.5), data
    ).loss
    assert (loss.alpha, loss.gamma) == (0.3, 1.5)


def test_difficulty():
    # 1 - recall = (.1, .4, .1): mean .2, sd .141421, z = (-.707107, 1.414214, -.707107); exp(z / 10) / mean
    weights = difficulty_weights(np.array([0.9, 0.6, 0.9]), 10)
    raised = np.exp(np.array([-0.0707107, 0.1414214, -0.0707107]))
    np.testing.assert_allclose(weights, raised / raised.mean(), rtol=1e-6)
    np.testing.assert_allclose(difficulty_weights(np.array([0.8, 0.8]), 10), [1, 1])


def test_difficulty_needs_a_first_run(data):
    recipe = Recipe(attention_source="difficulty")
    assert needs_recall(recipe)
    assert not needs_recall(Recipe(attention_source="difficulty", attention_weights=(1.0, 1.0, 1.0)))
    assert not needs_recall(Recipe(attention_source="difficulty", loss="focal"))
    recall = np.array([0.9, 0.6, 0.9])
    found = choose_criterion(recipe, data, recall)
    np.testing.assert_allclose(found.weights, difficulty_weights(recall, 10))
    assert found.statistics == {"recall": [0.9, 0.6, 0.9]}


def test_names_that_do_not_fit_the_classes(data, capsys):
    found = choose_criterion(Recipe(attention_weights={"COVID": 1.0}, attention_pairs=10), data)
    assert len(found.weights) == 3
    assert "weights are for COVID; those of A, B, C come from the data" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "got"),
    [({"A": 1.0, "B": 2.0, "c": 1.0}, "none for C, but one for c;"), ({"A": 1.0, "B": 2.0}, "none for C;")],
)
def test_weights_for_some_of_the_classes_are_refused(given, got, data):
    with pytest.raises(SettingError, match=f"Got: {got} pass --set attention_weights={{}} to do without"):
        choose_criterion(Recipe(attention_weights=given), data)
    with pytest.raises(SettingError, match=r"attention_weights.*A, B, C.*Got: 2 numbers"):
        choose_criterion(Recipe(attention_weights=(1.0, 2.0)), data)
    with pytest.raises(SettingError, match=r"focal_alpha.*Got: none for B, C"):
        choose_criterion(Recipe(loss="focal", focal_alpha={"A": 1.0}), data)
    with pytest.raises(SettingError, match="One number for focal_alpha"):
        choose_criterion(Recipe(loss="binary-focal", task="multi-label", focal_alpha=(1.0, 2.0)), data)
