"""Recipes: the shipped ones load, and what cannot be is refused with the key in the sentence."""

from __future__ import annotations

from dataclasses import fields

import pytest

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.train.recipes.files import DEFAULT_RECIPE
from freezenet.train.recipes.recipe import Recipe, kept_recipe, load_recipe, recipe_names


def written(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes_load_and_return_from_toml(name, tmp_path):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.summary
    assert recipe.source
    assert recipe.preprocess.size == (recipe.image_size, recipe.image_size)
    assert load_recipe(written(tmp_path, recipe.to_toml())) == recipe


def test_a_folder_of_an_older_version_has_the_defaults_of_younger_keys():
    recipe = load_recipe(DEFAULT_RECIPE, {"abstain_sureness": 0.8, "epochs": 3})
    older = "".join(line for line in recipe.to_toml().splitlines(True) if not line.startswith("abstain_sureness"))
    assert kept_recipe(recipe.to_toml()) == recipe
    assert (kept_recipe(older).epochs, kept_recipe(older).abstain_sureness) == (3, Recipe().abstain_sureness)
    with pytest.raises(FreezenetError, match="A recipe in TOML is required"):
        kept_recipe("epochs: 3")


def test_names():
    assert DEFAULT_RECIPE in recipe_names()
    assert {"mobile-freezenet-2023", "phantoms"} <= set(recipe_names())


def test_published_recipe_is_the_published_one():
    recipe = load_recipe("mobile-freezenet-2023")
    assert (recipe.learning_rate, recipe.batch_size, recipe.patience, recipe.pooling) == (1e-4, 8, 5, "max")
    assert (recipe.mean, recipe.std, recipe.freeze_fraction, recipe.alpha) == (0, 255, 0.5, 1)
    assert isinstance(recipe.attention_weights, dict)
    assert [recipe.attention_weights[c] for c in ("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")] == [
        0.00525, 0.00579, 0.00566, 0.00513,
    ]  # fmt: skip


def test_settings_change_only_their_keys():
    settings = ("alpha=.35", "epochs=3", "augment_horizontal_flip=true", "loss=cross-entropy", "dropout=0",
                "learning_rate=1e-3", "attention_weights=[1, 2.5]", "summary = spaces are kept")  # fmt: skip
    recipe, before = load_recipe(DEFAULT_RECIPE, settings), load_recipe(DEFAULT_RECIPE)
    changed = {field.name: getattr(recipe, field.name) for field in fields(Recipe)
               if getattr(recipe, field.name) != getattr(before, field.name)}  # fmt: skip
    changed.pop("summary")
    expected = {"alpha": 0.35, "epochs": 3, "augment_horizontal_flip": True, "loss": "cross-entropy",
                "learning_rate": 1e-3, "attention_weights": (1.0, 2.5)}  # fmt: skip
    assert {key: changed[key] for key in expected} == expected
    assert set(changed) <= set(expected) | {"dropout"}
    assert type(recipe.dropout) is float
    assert recipe.summary.strip() == "spaces are kept"


def test_a_table_of_weights_by_name(tmp_path):
    path = written(tmp_path, "[attention_weights]\nCOVID = 1\n'Viral Pneumonia' = .5e0\n".replace(".5e0", "0.5"))
    assert load_recipe(path).attention_weights == {"COVID": 1, "Viral Pneumonia": 0.5}
    again = load_recipe(written(tmp_path, load_recipe(path).to_toml()))
    assert again == load_recipe(path, ("name=mine",))


@pytest.mark.parametrize(
    ("key", "named"),
    [("epoch", ["Did you mean epochs?"]), ("qqq", [field.name for field in fields(Recipe)])],
)
def test_unknown_key_is_refused_with_the_key_that_was_meant_or_all_of_them(tmp_path, key, named):
    for load in (
        lambda: load_recipe(DEFAULT_RECIPE, (f"{key}=3",)),
        lambda: load_recipe(written(tmp_path, f"{key} = 3")),
    ):
        with pytest.raises(FreezenetError) as caught:
            load()
        assert f"'{key}'" in str(caught.value)
        assert all(name in str(caught.value) for name in named)


@pytest.mark.parametrize(
    "setting",
    ["epochs=3.5", "epochs=three", "epochs=true", "alpha=wide", "alpha=[1]", "augment_horizontal_flip=1",
     "augment_horizontal_flip=yes", "loss=3", "attention_weights=3", "attention_weights=[1, -1]",
     "attention_weights=[1, 0]", "attention_weights=['a']"],
)  # fmt: skip
def test_wrong_types_are_refused(setting):
    key = setting.partition("=")[0]
    with pytest.raises(FreezenetError, match=f"Recipe key {key} must be"):
        load_recipe(DEFAULT_RECIPE, (setting,))


@pytest.mark.parametrize(
    "setting",
    ["epochs=0", "batch_size=0", "alpha=0", "alpha=nan", "freeze_fraction=1.1", "freeze_fraction=-.1", "dropout=1",
     "std=0", "learning_rate=0", "learning_rate=-1", "learning_rate=inf", "image_size=16", "label_smoothing=1",
     "validation_share=0", "test_share=.6", "seed=-1", "attention_temperature=0", "pooling=median", "precision=float8",
     "cache=int8", "devices=tpu", "schedule=steps", "batchnorm=off", "augment_rotation=200"],
)  # fmt: skip
def test_impossible_values_are_refused(setting):
    key, _, value = setting.partition("=")
    with pytest.raises(FreezenetError, match=f"Recipe key {key} must be.*Got: ") as caught:
        load_recipe(DEFAULT_RECIPE, (setting,))
    assert value.lstrip("-.") in str(caught.value)


def test_what_is_no_recipe(tmp_path):
    with pytest.raises(FreezenetError, match=r"Got: nowhere\. The names are .*, mobile-freezenet, "):
        load_recipe("nowhere")
    with pytest.raises(FreezenetError, match="TOML"):
        load_recipe(written(tmp_path, "alpha: 1"))
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FreezenetError, match="TOML"):
        load_recipe(str(tmp_path / "binary.toml"))
    with pytest.raises(FreezenetError, match=r"key=value.*Got: alpha"):
        load_recipe(DEFAULT_RECIPE, ("alpha",))


def test_caching_is_bypassed_by_any_augmentation():
    assert Recipe().caches
    assert not load_recipe(DEFAULT_RECIPE, ("cache=none",)).caches
    how_often = {"augment_copies", "augment_rotation_probability"}
    for field in fields(Recipe):
        if field.name.startswith("augment_") and field.name not in how_often:
            value = "true" if field.name.endswith("flip") else "0.1"
            recipe = load_recipe(DEFAULT_RECIPE, (f"{field.name}={value}",))
            assert recipe.augments
            assert not recipe.caches


def test_a_misspelt_name_is_suggested():
    for setting, meant in (
        ("lerning_rate=1", "learning_rate"),
        ("backbone=resnet-50", "resnet50"),
        ("loss=focl", "focal"),
    ):
        with pytest.raises(FreezenetError, match=rf"Got: .*\. Did you mean {meant}\?( The keys are .*)?$"):
            load_recipe(DEFAULT_RECIPE, (setting,))
    with pytest.raises(FreezenetError, match=r"Did you mean mobile-freezenet\? The names are "):
        load_recipe("mobile-freezenett")
