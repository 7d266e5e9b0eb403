from __future__ import annotations

import csv
import json

import pytest
from click.testing import CliRunner

from studies import crossval_speed as module


@pytest.fixture(scope="module")
def result(few_phantoms):
    arguments = ["--recipe", "phantoms", "--weights", "none", "--folds", "2", "--epochs", "1"]
    arguments += ["--set", "batch_size=32", "--set", "image_size=64"]
    done = CliRunner().invoke(module.main, [str(few_phantoms), *arguments, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout.splitlines()[-1])


def test_both_ways_train_every_fold(result):
    assert (result["folds"], result["epochs"], result["batch_size"]) == (2, 1, 32)
    for way in ("cached", "plain"):
        assert len(result["fold_seconds"][way]) == 2
        assert all(0 <= one <= 1 for one in result["accuracy"][way])


def test_the_ratio_counts_the_reading_of_the_images(result):
    seconds = result["fold_seconds"]
    cached = result["reading_seconds"] + sum(seconds["cached"])
    assert result["seconds"]["cached"] == pytest.approx(cached, abs=0.2)
    assert result["ratio"] == pytest.approx(sum(seconds["plain"]) / cached, rel=0.05)


def test_the_plain_way_sees_the_same_splits(few_phantoms, tmp_path):
    """Its folders hold each image once, in the split that the fold's own RUN folder says."""
    from freezenet.train.crossval.plan import CrossValidation, Fold
    from freezenet.train.crossval.validation import in_this_process, read_data_by_arm
    from freezenet.train.options import TrainingOptions
    from freezenet.train.recipes.recipe import load_recipe

    settings = ("epochs=1", "batch_size=64", "image_size=64")
    options = TrainingOptions("none", tmp_path / "cache")
    asked = CrossValidation(few_phantoms, {"a": load_recipe("phantoms", settings)}, 2, (0,), options)
    by_arm, fold = read_data_by_arm(few_phantoms, asked.recipes), Fold("a", 0, 2)
    list(in_this_process(asked, by_arm, [fold], tmp_path / "out"))
    module._train_plainly(asked, by_arm["a"], fold, tmp_path / "plain")
    with (fold.run(tmp_path / "out").splits_file).open(newline="", encoding="utf-8") as file:
        expected = {
            (row["split"], row["class"], str((few_phantoms.parent / row["file"]).resolve()))
            for row in csv.DictReader(file)
        }
    found = [
        (link.parts[-3], link.parts[-2], str(link.resolve()))
        for link in (tmp_path / "plain").rglob("*")
        if link.is_file()
    ]
    assert len(found) == len(set(found))
    assert set(found) == expected
