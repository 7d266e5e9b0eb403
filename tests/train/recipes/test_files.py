"""Recipes that extend another: by name or file, over several files, and never themselves."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.train.recipes.files import RECIPES, changed_keys, read_recipe, tomllib
from freezenet.train.recipes.recipe import load_recipe, recipe_names


def write(folder, name, text):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def test_a_name_is_extended(tmp_path):
    recipe = load_recipe(write(tmp_path, "mine.toml", 'extends = "mobile-freezenet-2023"\nepochs = 3\n'))
    base = load_recipe("mobile-freezenet-2023")
    assert (recipe.epochs, recipe.std, recipe.attention_weights) == (3, 255, base.attention_weights)
    assert (recipe.name, recipe.summary, recipe.source) == ("mine", "", "")
    assert "extends" not in recipe.to_toml()


def test_files_are_relative_to_the_one_that_extends_them(tmp_path, monkeypatch):
    write(
        tmp_path / "a", "base.toml", 'extends = "vgg16"\nepochs = 1\npatience = 1\n[attention_weights]\nA = 1\nB = 2\n'
    )
    write(tmp_path / "a" / "b", "middle.toml", 'extends = "../base.toml"\nepochs = 2\nsource = "us"\nname = "else"\n')
    last = write(tmp_path / "c", "last.toml", 'extends = "../a/b/middle.toml"\n[attention_weights]\nC = 3\n')
    monkeypatch.chdir(tmp_path)
    found = load_recipe("c/last.toml", ("patience=7",))
    assert (found.backbone, found.epochs, found.patience, found.learning_rate) == ("vgg16", 2, 7, 5e-5)
    assert found.attention_weights == {"C": 3}  # a table counts as a whole
    assert (found.name, found.source) == ("last", "")
    assert read_recipe(last)["name"] == "last"


def test_a_file_of_ones_own_says_what_differs_from_the_default(tmp_path, monkeypatch):
    write(tmp_path, "mine.toml", 'loss = "focal"\n')
    default = load_recipe("mobile-freezenet")
    monkeypatch.chdir(tmp_path)
    mine = load_recipe("mine")  # the file's name without its suffix will do
    changed = {key for key, value in asdict(mine).items() if value != asdict(default)[key]}
    assert changed == {"name", "summary", "source", "loss"}
    # By its path a shipped recipe is what it is by its name.
    monkeypatch.chdir(RECIPES)
    assert load_recipe("phantoms.toml") == load_recipe("phantoms")


def test_keys_that_changed_are_named():
    one, other = load_recipe("mobile-freezenet"), load_recipe("mobile-freezenet", ("epochs=3", "alpha=.5"))
    assert changed_keys(one.to_toml(), one.to_toml()) == []
    assert set(changed_keys(one.to_toml(), other.to_toml())) == {"epochs", "alpha"}


def test_a_damaged_recipe_has_no_keys_to_compare():
    with pytest.raises(FreezenetError, match=r"TOML is required, .*Got: the recipe that the folder keeps: "):
        changed_keys("epochs: 3", load_recipe("mobile-freezenet").to_toml())


def test_cycles_are_refused(tmp_path):
    own = write(tmp_path, "own.toml", 'extends = "own.toml"')
    with pytest.raises(FreezenetError, match=r"does not extend itself is required\. Got: own extends own\.$"):
        load_recipe(own)
    for name, base in (("a", "b"), ("b", "c"), ("c", "a")):
        write(tmp_path, f"{name}.toml", f'extends = "{base}.toml"')
    with pytest.raises(FreezenetError, match=r"Got: b extends c extends a extends b\.$"):
        load_recipe(str(tmp_path / "b.toml"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [('extends = "vgg17"', r"Got: vgg17\. Did you mean vgg16\?"), ("extends = 3", r"extends must be.*Got: 3 in .*x\.toml"),
     ('extends = "bad.toml"', r"TOML is required, .*Got: .*bad\.toml"), ('extends = "vgg16"\nepoch = 1', "'epoch'")],
)  # fmt: skip
def test_what_cannot_be_extended(text, sentence, tmp_path):
    write(tmp_path, "bad.toml", "alpha: 1")
    with pytest.raises(FreezenetError, match=sentence):
        load_recipe(write(tmp_path, "x.toml", text))


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes_say_themselves_what_they_are(name):
    """One line each, for the table; what is inherited would speak of another recipe."""
    content = tomllib.loads((RECIPES / f"{name}.toml").read_text(encoding="utf-8"))
    for key, most in (("summary", 110), ("source", 100)):
        assert 0 < len(content[key]) <= most
        assert "\n" not in content[key]


def test_what_recipes_of_one_system_differ_in():
    """The arms that a publication compares differ in nothing but what it says."""

    def changed(name, base):
        one, other = load_recipe(name), load_recipe(base)
        own = ("name", "summary", "source", "cache")
        return {key: value for key, value in vars(one).items() if value != getattr(other, key) and key not in own}

    assert changed("mobile-freezenet-2023-cce", "mobile-freezenet-2023") == {
        "loss": "cross-entropy", "attention_weights": (),
    }  # fmt: skip
    assert changed("full-finetune-2023", "mobile-freezenet-2023") == {"freeze_fraction": 0.0, "learning_rate": 1e-5}
    assert changed("stochastic-freeze-2023", "mobile-freezenet-2023") == {"freeze": "random"}
    resnet = "bolhassani-resnet50-ce"
    assert changed("bolhassani-resnet50-focal", resnet) == {"loss": "focal"}
    assert changed("bolhassani-resnet50-weighted", resnet) == {"sampling": "inverse-frequency"}
    assert changed("bolhassani-binary", resnet) == {"classes": ("Bacteria", "Virus")}
    assert changed("bolhassani-resnet50-scratch", resnet) == {"mean": 128.0, "std": 127.5}
    assert changed("bolhassani-densenet121-ce", resnet) == {"backbone": "densenet121", "mean": 114.0, "std": 57.6}
    assert changed("bolhassani-densenet121-focal", "bolhassani-densenet121-ce") == {"loss": "focal"}
    assert changed("itu-multilabel-bce", "itu-multilabel-focal") == {"loss": "binary-cross-entropy", "focal_alpha": ()}
    for name in ("inceptionv3", "mobilenetv3-small"):
        assert changed(name, "mobile-freezenet") == {"backbone": name}


def test_published_numbers():
    resnet, itu, alveoli = (
        load_recipe(name) for name in ("bolhassani-resnet50-ce", "itu-multilabel-focal", "alveoli-two-phase")
    )
    assert (resnet.learning_rate, resnet.schedule, resnet.schedule_factor, resnet.schedule_epochs, resnet.epochs) == (
        1e-3, "step", 0.5, 10, 20,
    )  # fmt: skip
    assert resnet.augment_horizontal_flip and resnet.augment_vertical_flip
    assert resnet.augment_rotation_probability == 0.3
    assert (itu.task, itu.focal_alpha, itu.focal_gamma, itu.batch_size) == ("multi-label", (0.3,), 1.5, 60)
    assert (itu.head_units, itu.dropout, itu.head_batchnorm, itu.learning_rate) == ((256,), 0.3, True, 1e-3)
    assert (alveoli.batch_size, alveoli.head_epochs + alveoli.epochs, alveoli.learning_rate) == (64, 20, 1e-3)
    assert (alveoli.augment_shear, alveoli.augment_zoom, alveoli.augment_shift, alveoli.augment_rotation) == (
        0.2, 0.2, 0.2, 10,
    )  # fmt: skip
