"""A model file is compared with its hash in conversion.json."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from freezenet.edge_runtime.errors import FreezenetError, RefusedError
from freezenet.edge_runtime.integrity.hashes import check_listed, sha256_file


@pytest.fixture
def model(tmp_path) -> Path:
    (tmp_path / "int8.tflite").write_bytes(b"weights" * 300_000)
    return tmp_path / "int8.tflite"


def list_as(model: Path, variants: object) -> None:
    (model.parent / "conversion.json").write_text(json.dumps({"variants": variants}))


def test_the_hash_is_that_of_sha256sum(model):
    expected = subprocess.run(["sha256sum", model], capture_output=True, text=True, check=True).stdout.split()[0]
    assert sha256_file(model) == expected == hashlib.sha256(model.read_bytes()).hexdigest()


def test_a_file_without_conversion_or_entry_is_not_listed(model):
    assert check_listed(model) is False
    list_as(model, {"float32": {"file": "float32.tflite", "sha256": "0" * 64}})
    assert check_listed(model) is False


@pytest.mark.parametrize("nested", [False, True])
def test_a_listed_file_must_have_its_hash(model, nested):
    record = {"file": "int8.tflite", "sha256": sha256_file(model)}
    other = {"file": "float32.tflite", "sha256": "0" * 64}
    list_as(model, {"int8": {**other, "profiles": [{"app": record}]} if nested else record})
    assert check_listed(model) is True
    content = bytearray(model.read_bytes())
    content[1000] ^= 1
    model.write_bytes(content)
    with pytest.raises(RefusedError, match=r"Got: int8\.tflite with another SHA-256") as caught:
        check_listed(model)
    assert caught.value.exit_code == 3


def test_a_listed_file_that_is_gone_is_one_sentence(model):
    list_as(model, {"int8": {"file": "int8.tflite", "sha256": "0" * 64}})
    model.unlink()
    with pytest.raises(FreezenetError, match="which does not exist"):
        check_listed(model)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "\xff"])
def test_a_damaged_conversion_is_one_sentence(model, content):
    (model.parent / "conversion.json").write_text(content, encoding="latin-1")
    with pytest.raises(FreezenetError, match=r"conversion\.json with variants is required.*damaged"):
        check_listed(model)


def test_what_was_not_compared_is_said(own_models, command):
    own = own_models / "mine.tflite"
    (own_models / "int8.tflite").rename(own)
    # A new name is no change.
    assert command("verify", own)[1].endswith("; SHA-256 as in conversion.json\n")
    list_as(own, {"int8": {"file": "int8.tflite", "sha256": "0" * 64}})
    assert command("verify", own)[1].endswith("; SHA-256 not compared: conversion.json does not list it\n")
    (own_models / "conversion.json").unlink()
    assert command("verify", own)[1].endswith("; SHA-256 not compared: conversion.json does not lie beside it\n")


def test_a_model_of_another_conversion_is_refused(model, command):
    list_as(model, {"int8": {"file": "int8.tflite", "sha256": "0" * 64}})
    code, out, err = command("verify", model)
    assert (code, out) == (3, "")
    assert err.startswith("Error: The file that conversion.json lists is required.") and err.count("\n") == 1
