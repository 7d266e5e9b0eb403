"""What a training is asked for: the same for Python and the command line."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from freezenet.train.options import (
    TrainingOptions,
    out_option,
    recipe_options,
    training_options,
    training_options_with_negatives,
)


def test_texts_become_paths(tmp_path):
    options = TrainingOptions(cache=str(tmp_path), not_cxr=str(tmp_path))
    assert (options.cache, options.not_cxr) == (tmp_path, tmp_path)


def test_where_weights_come_from(tmp_path, monkeypatch):
    (tmp_path / "weights.h5").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    assert TrainingOptions().weights_origin == "imagenet"
    assert TrainingOptions("none").weights_origin == "none"
    assert TrainingOptions(Path("weights.h5")).weights_origin == str(tmp_path / "weights.h5")


@pytest.mark.parametrize("adds", [training_options, training_options_with_negatives])
def test_the_command_line_makes_the_same_object(adds):
    given = {}

    @click.command()
    @out_option("DIR", default="here")
    @recipe_options
    @adds
    def command(**values):
        given.update(values)

    done = CliRunner().invoke(command, [])
    assert done.exit_code == 0, done.output
    assert given["options"] == TrainingOptions()
    assert (given["recipe"].name, given["out"]) == ("mobile-freezenet", Path("here"))
    words = ["--weights", "none", "--cache", "c", "--overwrite", "--skip-unreadable", "--set", "epochs=3"]
    more = ["--not-cxr", "n"] if adds is training_options_with_negatives else []
    done = CliRunner().invoke(command, [*words, *more])
    assert done.exit_code == 0, done.output
    assert given["options"] == TrainingOptions("none", Path("c"), True, True, Path("n") if more else None)
    assert given["recipe"].epochs == 3
    assert given.keys() == {"out", "recipe", "options"}


def test_out_is_required_without_a_default():
    @click.command()
    @out_option("DIR")
    def command(out):
        raise AssertionError(out)

    done = CliRunner().invoke(command, [])
    assert done.exit_code == 2 and "--out" in done.output
