"""The files of every fold on every image: pooled figures counted by hand, nothing converted twice, the card of a final model."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.metrics import accuracy_score

from freezenet.benchmarks import fold_variants as module
from freezenet.cli import cli
from freezenet.convert.scores import StoredScores
from freezenet.convert.variants import VARIANTS
from freezenet.edge_runtime.decision import DecisionRule
from freezenet.train.final.training import train_final
from freezenet.train.options import TrainingOptions
from freezenet.train.run import Run


@pytest.fixture(scope="module")
def done(phantoms, tmp_path_factory):
    home = tmp_path_factory.mktemp("variants")
    arguments = ["crossval", str(phantoms), "--out", str(home / "out"), "--folds", "2", "--variants", "float32,int8", "--weights",
                 "none", "--cache", str(home / "cache")]  # fmt: skip
    for setting in ("image_size=64", "alpha=.35", "epochs=2", "batch_size=32", "learning_rate=2e-3"):
        arguments += ["--set", setting]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    return home, arguments, result.stdout


def test_every_image_is_answered_by_each_file(done):
    home, _, stdout = done
    summary = json.loads((home / "out" / "crossval.json").read_text())["variants"]["mobile-freezenet"]
    assert list(summary) == ["float32", "int8"]
    truth, answers = [], {"float32": [], "int8": []}
    for number in (1, 2):
        folder = home / "out" / "mobile-freezenet" / "seed-0" / f"fold-{number}"
        assert not (folder / "model.keras").exists()
        assert not list((folder / "models").glob("*.tflite"))
        run = Run.open(folder)
        truth += [row["class"] for row in run.splits if row["split"] == "test"]
        for name, found in answers.items():
            rule = DecisionRule.from_dict({**run.decision, "arithmetic": VARIANTS[name].arithmetic}, run.labels)
            scores = StoredScores.read(folder / "models" / "scores" / f"{name}.npz").scores
            found += [run.labels[row.argmax()] for row in rule.answers(scores)]
    assert len(truth) == len(run.splits)
    for name, found in answers.items():
        assert summary[name]["accuracy"]["value"] == pytest.approx(accuracy_score(truth, found), abs=1e-6)
        assert summary[name]["images"] == len(truth)
    against = summary["int8"]["against_float32"]
    assert against["flipped"] == np.sum(np.array(answers["float32"]) != answers["int8"])
    assert f"{against['flipped']} of {len(truth)} answers changed" in stdout
    verdict = summary["int8"]["verdict"]
    assert verdict["endpoints"][0]["difference"] == against["macro_f1"]
    assert (verdict["images"], verdict["verdict"] in ("not worse", "worse", "cannot tell")) == (len(truth), True)
    assert f"mobile-freezenet: {verdict['sentence']}" in stdout


def test_what_is_converted_is_not_converted_again(done, monkeypatch):
    home, arguments, _ = done
    monkeypatch.setattr(module, "convert", lambda *_, **__: pytest.fail("converted again"))
    before = json.loads((home / "out" / "crossval.json").read_text())
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    assert json.loads((home / "out" / "crossval.json").read_text())["variants"] == before["variants"]


def test_what_cannot_be_compared_is_one_sentence(done):
    _, arguments, _ = done
    result = CliRunner().invoke(cli, [one.replace("float32,int8", "int8") for one in arguments])
    assert "The variant float32 is required by --variants" in str(result.exception)
    result = CliRunner().invoke(cli, [one.replace("float32,int8", "float32,int8,dynamic") for one in arguments])
    assert "Folds with their networks are required by --variants" in str(result.exception)


def test_a_final_model_takes_over_what_its_files_lose(done, phantoms):
    home, _, _ = done
    options = TrainingOptions("none", home / "cache")
    summary = json.loads((home / "out" / "crossval.json").read_text())
    metrics = train_final(phantoms, home / "run", crossval=home / "out", options=options)
    assert metrics["variants"] == summary["variants"]["mobile-freezenet"]
