"""The card inside a model file against what a ZIP reader finds there."""

from __future__ import annotations

import json
import zipfile

import pytest

from freezenet.edge_runtime.card import CARD_FILE, CARD_VERSION, ModelCard
from freezenet.edge_runtime.decision import DecisionRule
from freezenet.edge_runtime.errors import FreezenetError, ModelError
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.edge_runtime.integrity.model_file import ModelFile

VALID = {
    "card_version": CARD_VERSION,
    "variant": "int8",
    "labels": ["Clear", "Focal"],
    "preprocess": PreprocessSpec(size=(96, 64)).to_dict(),
}


def test_card_is_what_any_zip_reader_finds(models, run):
    for model in sorted(models.glob("*.tflite")):
        card = ModelCard.read(model)
        with zipfile.ZipFile(model) as archive:
            assert card.content == json.loads(archive.read("card.json"))
            assert archive.read("labels.txt").decode().split("\n") == list(card.labels)
            assert {one["image"] for one in card.golden} <= set(archive.namelist())
        assert card.variant == model.stem.removesuffix("-app")
        assert card.path == model
        assert card.labels == tuple(run.labels)
        assert card.preprocess == run.recipe.preprocess
        assert card.golden


def test_card_of_a_dictionary():
    card = ModelCard.from_dict(VALID)
    assert (card.variant, card.labels, card.path) == ("int8", ("Clear", "Focal"), None)
    assert card.preprocess == PreprocessSpec(size=(96, 64))
    assert card.golden == []


@pytest.mark.parametrize("version", [CARD_VERSION + 1, None, str(CARD_VERSION)])
def test_another_card_version_is_refused(version):
    with pytest.raises(FreezenetError, match=r"version 1 is required\. Got: .*update"):
        ModelCard.from_dict({**VALID, "card_version": version})


@pytest.mark.parametrize("key", ["variant", "labels", "preprocess"])
def test_a_missing_key_is_named(key):
    with pytest.raises(FreezenetError, match=key):
        ModelCard.from_dict({name: value for name, value in VALID.items() if name != key})


def test_preprocessing_that_this_version_does_not_know_is_refused():
    with pytest.raises(FreezenetError, match="color"):
        ModelCard.from_dict({**VALID, "preprocess": {**VALID["preprocess"], "color": "rgb"}})


@pytest.mark.parametrize(
    "change",
    [
        {"labels": "Clear"},
        {"labels": []},
        {"labels": ["Clear", "Clear"]},
        {"labels": ["Clear", "a\nb"]},
        {"labels": ["Clear", 3]},
        {"variant": None},
        {"outputs": []},
        {"outputs": ["cam", "scores"]},
        {"outputs": ["scores", "unknown"]},
        {"golden": []},
        {"golden": {"runtime": "r", "vectors": [{"image": "i", "pixels_sha256": "0"}]}},
        {"golden": {"runtime": "r", "vectors": [{"image": "i", "pixels_sha256": "0", "scores": {"Clear": True}}]}},
        {"network": {"bytes": "9", "sha256": ""}},
        {"preprocess": {"size": [float("inf"), 64]}},
        {"preprocess": {"size": [1e9]}},
        {"preprocess": {"std": float("nan")}},
        {"preprocess": {"mean": float("inf")}},
        {"preprocess": []},
        {"confidence": 3},
    ],
)
def test_a_card_of_wrong_types_is_one_sentence(change):
    with pytest.raises(ModelError, match=r" is required\. Got: "):
        DecisionRule.from_card(ModelCard.from_dict({**VALID, **change}))


def zip_file(path, content: bytes):
    path.write_bytes(b"\x20\0\0\0TFL3" + bytes(24))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(CARD_FILE, content)
    return path


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[]", b"null", b'"card"', b"[" * 100_000, b'{"a":' * 100_000]
)
def test_a_damaged_card_is_one_sentence(tmp_path, content):
    with pytest.raises(FreezenetError, match=r"is required\. Got: "):
        ModelCard.read(zip_file(tmp_path / "model.tflite", content))


def test_a_model_without_a_card_says_how_to_get_one(bare):
    with pytest.raises(FreezenetError, match=r"bare\.tflite without one; write it with `freezenet convert`"):
        ModelCard.read(bare)


def test_missing_folder_and_foreign_files_are_told_apart(tmp_path):
    (tmp_path / "image.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "empty.tflite").write_bytes(b"")
    for name, said in (
        ("none.tflite", "does not exist"),
        ("", "a folder; name a file in it"),
        ("image.png", "a file of another format"),
        ("empty.tflite", "a file of another format"),
    ):
        with pytest.raises(FreezenetError, match=said):
            ModelCard.read(tmp_path / name)


def test_an_associated_file_that_is_not_there_is_a_key_error(models):
    with pytest.raises(KeyError):
        ModelFile.read(models / "int8.tflite").associated("none.png")
