"""Options that several verbs share: the same name, default and help, and what they mean for a classifier or a setting."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from freezenet.cli import VERBS
from freezenet.edge_runtime.options import classifier_options, setting_option
from freezenet.edge_runtime.settings import Settings, setting

ANSWERING = ("predict", "serve", "watch", "dicom-node")


@dataclass(frozen=True)
class Made(Settings):
    wait_seconds: float = setting(2.0, low=0, high=9, help="Between two looks.")
    count: int = setting(3, low=1)
    loss: str = setting("focal", choices=("focal", "attention"), help="Which loss.")


def command(*options):
    def said(**given):
        click.echo(sorted(given.items()))

    for option in options:
        said = option(said)
    return click.command()(said)


def test_a_setting_as_an_option():
    made = command(*(setting_option(Made, name) for name in ("wait_seconds", "count", "loss")))
    run = CliRunner().invoke
    assert run(made, []).output == "[('count', 3), ('loss', 'focal'), ('wait_seconds', 2.0)]\n"
    assert "('wait_seconds', 0.5)" in run(made, ["--wait-seconds", "0.5"]).output
    for wrong in (["--wait-seconds", "9.1"], ["--count", "0"], ["--loss", "focl"], ["--count", "1.5"]):
        assert run(made, wrong).exit_code == 2
    text = " ".join(run(made, ["--help"]).output.split())
    assert "Between two looks. [default: 2.0; 0<=x<=9]" in text and "[focal|attention] Which loss." in text


def test_a_classifier_is_loaded_as_the_options_say(monkeypatch):
    seen = []

    class Loaded:
        def __init__(self, model, threads, *, runtime, trust_tags, accept_changed):
            seen.append((model, threads, runtime, trust_tags, accept_changed))

    monkeypatch.setattr("freezenet.edge_runtime.classifier.Classifier", Loaded)
    monkeypatch.setattr(
        "freezenet.edge_runtime.integrity.shipped.shipped_model",
        lambda model, *, public_key, accept_changed: (model, public_key, accept_changed),
    )

    @click.command()
    @click.argument("model")
    @classifier_options
    def load_it(model, load):
        load(model)

    for given, expected in (
        ([], (("m", None, False), 1, None, True, False)),
        (
            ["--threads", "3", "--ignore-tags", "--runtime", "tflite-runtime"],
            (("m", None, False), 3, "tflite-runtime", False, False),
        ),
        (["--public-key", "k.pub"], (("m", Path("k.pub"), False), 1, None, True, False)),
        (["--accept-changed"], (("m", None, True), 1, None, True, True)),
    ):
        result = CliRunner().invoke(load_it, ["m", *given])
        assert result.exit_code == 0, result.output
        assert seen.pop() == expected
    assert CliRunner().invoke(load_it, ["m", "--runtime", "other"]).exit_code == 2


@pytest.mark.parametrize("name", ["threads", "runtime", "ignore_tags", "as_json"])
def test_the_verbs_that_answer_have_the_same_options(name):
    found = []
    for verb in ANSWERING:
        params = getattr(import_module(VERBS[verb]), verb.replace("-", "_")).params
        (option,) = [one for one in params if one.name == name]
        found.append((option.opts, option.default, option.help))
    assert all(one == found[0] for one in found)
