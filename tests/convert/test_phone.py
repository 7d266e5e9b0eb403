from __future__ import annotations

import pytest

from freezenet.convert.folder import ModelsFolder
from freezenet.convert.package.card import NO_OOD_GATE, card_with_outputs
from freezenet.convert.phone import for_phone
from freezenet.edge_runtime.card import ModelCard
from freezenet.edge_runtime.classifier import Classifier

FILES = {"edge": {"file": "int8.tflite"}, "app": {"file": "int8-app.tflite"}}


def conversion(**variants):
    """conversion.json of these variants with their profiles."""
    return {
        "variants": {
            name: {"file": FILES[profiles[0]]["file"], "profiles": {one: FILES[one] for one in profiles}}
            for name, profiles in variants.items()
        }
    }


@pytest.fixture
def gated(own_models, monkeypatch):
    """A folder whose edge file has the OOD gate."""
    real = ModelCard.read

    def read(path):
        card = real(path)
        if "-app" not in path.name:
            card.content["gate"] = {}
        return card

    monkeypatch.setattr("freezenet.convert.phone.ModelCard.read", read)
    return ModelsFolder(own_models)


def test_the_file_with_the_gate_is_the_one_for_a_phone(gated):
    sentence = for_phone(gated, conversion(float32=("edge", "app"), int8=("app", "edge")))
    assert (
        sentence
        == f"for a phone: {gated.path / 'int8.tflite'} (with the OOD gate, which refuses what is no chest X-ray)"
    )


def test_without_the_gate_it_says_so(gated, monkeypatch):
    sentence = for_phone(gated, conversion(int8=("app",)))
    assert sentence is not None and "int8-app.tflite (no OOD gate in this file; --profile edge writes one" in sentence
    monkeypatch.undo()
    sentence = for_phone(gated, conversion(int8=("edge",)))
    assert sentence is not None and "int8.tflite (no OOD gate in this file: the run has none)" in sentence


def test_no_variant_for_a_phone(gated):
    assert for_phone(gated, conversion(dynamic=("edge",))) is None


def test_convert_ends_with_the_file_for_a_phone(deciding_run, command, tmp_path):
    out = tmp_path / "models"
    options = ("--variants", "float32", "--profile", "edge,app", "--no-acceptance")
    code, _, err = command("convert", deciding_run.folder, "--out", out, *options)
    assert code == 0
    assert f"for a phone: {out / 'float32.tflite'} (with the OOD gate" in err

    edge, app = (command("inspect", out / name)[1] for name in ("float32.tflite", "float32-app.tflite"))
    assert "no OOD gate in this file" not in edge
    assert "OOD gate    no OOD gate in this file" in app
    assert Classifier(out / "float32-app.tflite").card.content["notice"].endswith(NO_OOD_GATE)
    assert NO_OOD_GATE not in Classifier(out / "float32.tflite").card.content["notice"]
    # The metadata, which other clients show, says it too.
    assert NO_OOD_GATE.encode() in (out / "float32-app.tflite").read_bytes().split(b"card.json")[0]


def test_the_notice_follows_the_outputs(models):
    card = {**ModelCard.read(models / "int8.tflite").content, "notice": "Research.", "gate": {}}
    assert card_with_outputs(card, ("scores", "cam", "features"))["notice"] == "Research."
    assert card_with_outputs(card, ("scores",))["notice"] == f"Research. {NO_OOD_GATE}"
    assert card["notice"] == "Research."
