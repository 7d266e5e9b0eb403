"""The verb `recipes`: a table for people, JSON for programs, and a file to begin with."""

from __future__ import annotations

import json
from dataclasses import asdict

from freezenet.train.recipes.recipe import load_recipe, recipe_names


def test_the_table(command):
    code, out, err = command("recipes")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert [line.split()[0] for line in lines] == recipe_names()
    for line in lines:
        recipe = load_recipe(line.split()[0])
        assert line.endswith(recipe.source)
        assert line.index(recipe.summary) == lines[0].index(load_recipe(recipe_names()[0]).summary)


def test_the_table_as_json(command):
    code, out, err = command("recipes", "--json")
    assert (code, err) == (0, "")
    rows = json.loads(out)
    assert [row["name"] for row in rows] == recipe_names()
    assert all(set(row) == {"name", "summary", "source"} and all(row.values()) for row in rows)


def test_one_recipe_is_a_file_to_begin_with(command, tmp_path):
    code, out, err = command("recipes", "vgg16", "--set", "epochs=3", "--set", "attention_weights=[1, 2]")
    assert (code, err) == (0, "")
    (tmp_path / "mine.toml").write_text(out, encoding="utf-8")
    wanted = load_recipe("vgg16", ("epochs=3", "attention_weights=[1, 2]"))
    assert load_recipe(str(tmp_path / "mine.toml")) == wanted
    assert command("recipes", tmp_path / "mine.toml") == (0, out, "")
    code, out, _ = command("recipes", "vgg16", "--json", "--set", "epochs=3", "--set", "attention_weights=[1, 2]")
    assert code == 0
    assert json.loads(out) == json.loads(json.dumps(asdict(wanted)))


def test_what_is_no_recipe(command):
    code, out, err = command("recipes", "resnet50-ce")
    assert (code, out) == (1, "")
    assert "name or TOML file is required. Got: resnet50-ce. Did you mean bolhassani-resnet50-ce? The names are " in err
    code, out, err = command("recipes", "mine.toml")
    assert (code, out, err) == (1, "", "Error: A recipe's TOML file is required. Got: mine.toml, which is no file.\n")
    code, out, err = command("recipes", "vgg16", "--set", "alpha=.5")
    assert (code, out) == (1, "") and "alpha = 1 is required for vgg16" in err
    code, out, err = command("recipes", "--set", "alpha=.5")
    assert (code, out) == (2, "") and "--set changes one recipe" in err
