"""Two phases: in the first the head alone moves, the second goes on from its best, and the cache changes nothing."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from freezenet.train.data.phantoms import draw_phantom
from freezenet.train.data.training_data import TrainingData
from freezenet.train.fitting.phases import fit_phases, head_alone, phases, remove_checkpoints
from freezenet.train.network.model import build_model
from freezenet.train.recipes.recipe import Recipe

LOSS = keras.losses.CategoricalCrossentropy()

LABELS = ("Clear", "Focal")


@pytest.fixture(scope="module")
def data(made_data) -> TrainingData:
    rng = np.random.default_rng(0)
    classes = np.arange(30) % 2
    pixels = np.stack([draw_phantom(LABELS[one], 64, rng) for one in classes])
    splits = np.array(["train"] * 20 + ["validation"] * 10)
    return made_data(pixels, classes, splits, LABELS)


def recipe(**keys) -> Recipe:
    # adam_epsilon: with its own, a gradient that is zero but for rounding would move a weight as far as any other.
    return Recipe(**{"alpha": 0.35, "image_size": 64, "batch_size": 10, "adam_epsilon": 1e-3, "head_epochs": 3, "epochs": 2, "dropout": 0.2,
                     "freeze_fraction": 0.9, "cache": "float32", "head_learning_rate": 0.05, "weight_average": 0.9,
                     "learning_rate": 1e-3, "schedule": "step", "schedule_epochs": 1, **keys})  # fmt: skip


def build(settings: Recipe) -> keras.Model:
    keras.utils.set_random_seed(settings.seed)
    return build_model(settings, LABELS, "none")


def moved(before: keras.Model, after: keras.Model) -> set[str]:
    """Names of the layers whose weights differ."""
    return {
        one.name
        for one, other in zip(before.layers, after.layers, strict=True)
        if any((a != b).any() for a, b in zip(one.get_weights(), other.get_weights(), strict=True))
    }


def test_phases_of_a_recipe():
    settings = recipe()
    head, rest = phases(settings)
    assert (head.name, head.head_only, rest.name, rest.head_only) == ("head", True, "fine-tuning", False)
    assert (head.recipe.learning_rate, head.recipe.epochs, head.recipe.schedule) == (0.05, 3, "constant")
    assert head.recipe.weight_average == 0
    assert rest.recipe == settings
    assert [phase.name for phase in phases(recipe(head_epochs=0))] == ["fine-tuning"]


def test_a_frozen_backbone_gets_its_own_settings_back():
    model = build(recipe(freeze_fraction=0.5))
    before = [layer.trainable for layer in model.layers]
    assert len(set(before)) == 2
    with pytest.raises(KeyboardInterrupt), head_alone(model):
        assert {weight.path.split("/")[0] for weight in model.trainable_weights} == {"scores"}
        raise KeyboardInterrupt
    assert [layer.trainable for layer in model.layers] == before


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """(model, result) trained from the cache and plainly."""
    home = tmp_path_factory.mktemp("phases")
    found = {}
    for cache in ("float32", "none"):
        settings = recipe(cache=cache)
        model = build(settings)
        (home / cache).mkdir()
        found[cache] = (
            model,
            fit_phases(model, data, recipe=settings, loss=LOSS, folder=home / cache, cache=home / "cache"),
        )
    return found


def test_history_tells_the_phases_apart(runs):
    _, fitted = runs["float32"]
    assert [(row["phase"], row["epoch"]) for row in fitted.history] == [
        ("head", 0), ("head", 1), ("head", 2), ("fine-tuning", 3), ("fine-tuning", 4),
    ]  # fmt: skip
    assert [row["learning_rate"] for row in fitted.history] == pytest.approx([0.05] * 3 + [1e-3, 5e-4])
    assert len({tuple(row) for row in fitted.history}) == 1  # one set of columns


def test_the_cache_of_both_phases_changes_nothing(runs):
    (cached, one), (plain, other) = runs["float32"], runs["none"]
    for a, b in zip(one.history, other.history, strict=True):
        assert a.pop("phase") == b.pop("phase")
        assert a == pytest.approx(b, rel=1e-3)
        a["phase"] = b["phase"] = "compared"
    for a, b in zip(cached.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    assert one.features.shape[0] == 30
    assert other.features is None


def test_the_first_phase_moves_the_head_alone_and_leaves_its_best(data, tmp_path, monkeypatch):
    import freezenet.train.fitting.phases as module

    settings = recipe(
        head_epochs=6, head_learning_rate=1.0, dropout=0.0
    )  # so large that the last epoch is not the best
    model, before = build(settings), build(settings)
    real, seen = module.fit, []

    def first_only(model, data, **named):
        if seen:
            raise KeyboardInterrupt
        seen.extend(real(model, data, **named))
        return seen

    monkeypatch.setattr(module, "fit", first_only)
    with pytest.raises(KeyboardInterrupt):
        fit_phases(model, data, recipe=settings, loss=LOSS, folder=tmp_path, cache=tmp_path / "cache")
    assert moved(before, model) == {"scores"}
    assert len(seen) == 6
    rows = data.rows("validation")
    scores = np.asarray(model(settings.preprocess.normalized(data.images.pixels[rows]), training=False))
    loss = -np.log(np.clip(scores[np.arange(len(rows)), data.classes[rows]], 1e-7, 1)).mean()
    assert loss == pytest.approx(min(epoch["val_loss"] for epoch in seen), rel=1e-3)


def test_without_a_first_phase_the_head_moves_with_the_rest(data, tmp_path):
    settings = recipe(head_epochs=0, epochs=1)
    model, before = build(settings), build(settings)
    fitted = fit_phases(model, data, recipe=settings, loss=LOSS, folder=tmp_path, cache=tmp_path / "cache")
    assert moved(before, model) > {"scores"}
    assert [row["phase"] for row in fitted.history] == ["fine-tuning"]
    assert [path.name for path in tmp_path.glob("*.npz")] == ["checkpoint-fine-tuning.npz"]
    remove_checkpoints(tmp_path)
    assert not list(tmp_path.glob("*.npz"))


def test_what_freezes_nothing_trains_without_the_cache(data, tmp_path, capsys):
    settings = recipe(freeze_fraction=0.0)
    fitted = fit_phases(build(settings), data, recipe=settings, loss=LOSS, folder=tmp_path, cache=tmp_path / "cache")
    assert fitted.features is None
    assert [epoch["phase"] for epoch in fitted.history] == ["head"] * 3 + ["fine-tuning"] * 2
    assert "without the cache" in capsys.readouterr().err
