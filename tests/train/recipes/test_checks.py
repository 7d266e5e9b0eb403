"""Keys that contradict each other are refused with the key to change; all that do not are possible."""

from __future__ import annotations

import pytest

from freezenet.edge_runtime.errors import SettingError
from freezenet.train.network.backbones import BACKBONES
from freezenet.train.recipes.checks import without_effect
from freezenet.train.recipes.recipe import Recipe, load_arms


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (
            {"backbone": "inceptionv3", "image_size": 74},
            "image_size of at least 75 is required for inceptionv3. Got: 74",
        ),
        (
            {"backbone": "vgg16", "alpha": 0.5},
            "alpha = 1 is required for vgg16.*Got: 0.5; .* mobilenetv2 and mobilenetv3",
        ),
        ({"task": "multi-label"}, "binary-cross-entropy or binary-focal .*Got: task multi-label with loss attention"),
        ({"task": "multi-label", "loss": "focal"}, "Got: task multi-label with loss focal"),
        ({"loss": "binary-focal"}, "Got: task multi-class with loss binary-focal"),
        ({"classes": ("A",)}, "Two or more different classes.*Got: A"),
        ({"classes": ("A", "B", "A")}, "Two or more different classes.*Got: A, B, A"),
        (
            {"head_units": (16, 0)},
            r"head_units must be a list of whole numbers from 1 to 65536 such as .*Got: \(16, 0\)",
        ),
        ({"schedule": "plateau", "patience": 10}, r"schedule_epochs below patience \(10\).*Got: 10"),
    ],
)
def test_impossible_together(keys, sentence):
    with pytest.raises(SettingError, match=sentence) as caught:
        Recipe(**keys)
    assert "\n" not in str(caught.value)


def test_possible_together():
    for name, backbone in BACKBONES.items():
        Recipe(backbone=name, image_size=backbone.smallest)
    Recipe(backbone="mobilenetv3-small", alpha=0.35)
    for loss in ("binary-cross-entropy", "binary-focal"):
        Recipe(task="multi-label", loss=loss, classes=("A", "B"), head_units=(16, 8), head_batchnorm=True)
    Recipe(schedule="plateau", schedule_epochs=3, patience=4)
    Recipe(schedule="step", schedule_epochs=10, epochs=1)


@pytest.mark.parametrize(
    ("keys", "key", "value", "giving"),
    [
        ({"loss": "focal"}, "attention_source", "difficulty", {"loss": "attention"}),
        ({"loss": "attention"}, "difficulty_epochs", 5, {"attention_source": "difficulty"}),
        ({"loss": "focal"}, "class_balanced_beta", 0.9, {"loss": "class-balanced"}),
        ({"loss": "bwcce"}, "focal_gamma", 1.0, {"task": "multi-label", "loss": "binary-focal"}),
        ({}, "threshold_metric", "matthews", {"task": "multi-label", "loss": "binary-focal"}),
        ({"batchnorm": "inference"}, "batchnorm_momentum", 0.5, {"batchnorm": "train"}),
        ({}, "head_batchnorm", True, {"head_units": (8,)}),
        ({}, "head_learning_rate", 0.1, {"head_epochs": 1}),
        ({"schedule": "cosine"}, "schedule_factor", 0.1, {"schedule": "step"}),
        ({}, "augment_rotation_probability", 0.5, {"augment_rotation": 5.0}),
        ({}, "augment_copies", 2, {"augment_zoom": 0.1}),
    ],
)
def test_a_key_without_effect_is_named(keys, key, value, giving):
    idle = Recipe(name="mine", **keys, **{key: value})
    (sentence,) = without_effect(idle, ["epochs", key])
    assert sentence.startswith(f"Recipe mine: {key} has no effect without ")
    assert without_effect(idle.with_settings(giving), ["epochs", key]) == []
    assert without_effect(idle, ["epochs"]) == []


def test_a_key_at_its_default_is_no_setting():
    assert without_effect(Recipe(name="mine", augment_rotation=10.0), ["augment_copies"]) == []


def test_settings_without_effect_are_said_and_keys_of_the_recipe_are_not(capsys):
    load_arms("mobile-freezenet,mobile-freezenet+loss=focal", ("attention_pairs=100",))
    said = capsys.readouterr().err.splitlines()
    assert said == ["Recipe mobile-freezenet: attention_pairs has no effect without loss=attention."]
