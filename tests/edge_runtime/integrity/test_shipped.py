"""Every verb asks whether the model is the one that was shipped, of the bytes that it loads."""

from __future__ import annotations

import json

import pytest

from freezenet.convert.package.signing import sign_folder
from freezenet.edge_runtime.errors import ModelError, RefusedError
from freezenet.edge_runtime.integrity.model_file import ModelFile
from freezenet.edge_runtime.integrity.shipped import shipped_model


def swap(folder) -> None:
    """Put another sound model in the place of the int8 file."""
    (folder / "int8.tflite").write_bytes((folder / "float32.tflite").read_bytes())


def test_the_file_that_conversion_json_lists_is_proven(own_models):
    file = shipped_model(own_models / "int8.tflite")
    assert file.proven
    assert file.content == (own_models / "int8.tflite").read_bytes()
    (own_models / "conversion.json").unlink()
    assert not shipped_model(own_models / "int8.tflite").proven


def test_another_file_under_its_name_is_refused_unless_it_is_insisted_on(own_models):
    swap(own_models)
    with pytest.raises(RefusedError, match=r"int8\.tflite with another SHA-256"):
        shipped_model(own_models / "int8.tflite")
    assert not shipped_model(own_models / "int8.tflite", accept_changed=True).proven


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[1]",
        b'{"variants": ' + b"[" * 100_000,
        b'{"variants": {"int8": {"file": ["int8.tflite"], "sha256": {}}}, "variants": 3',
        b" " * (17 << 20),
        b"\xff\xfe",
    ],
)
def test_a_damaged_conversion_json_is_one_sentence(own_models, content):
    (own_models / "conversion.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"conversion\.json with variants is required"):
        shipped_model(own_models / "int8.tflite")


@pytest.mark.parametrize("record", [{"file": [], "sha256": 3}, {"file": "int8.tflite", "sha256": None}, 7, []])
def test_odd_records_prove_nothing(own_models, record):
    (own_models / "conversion.json").write_text(json.dumps({"variants": {"int8": record}}))
    try:
        assert not shipped_model(own_models / "int8.tflite").proven
    except RefusedError:
        assert record["file"] == "int8.tflite"


def test_a_signature_is_checked_with_the_bytes_that_are_loaded(own_models, make_key, monkeypatch):
    private, public = make_key()
    sign_folder(own_models, private)
    assert shipped_model(own_models / "int8.tflite", public_key=public).proven
    other = ModelFile(own_models / "int8.tflite", (own_models / "float32.tflite").read_bytes())
    with monkeypatch.context() as changed:
        # Exchanged for as long as it was read, and put back before the folder was looked at.
        changed.setattr(ModelFile, "read", lambda path: other)
        with pytest.raises(RefusedError, match="changed while it was read"):
            shipped_model(own_models / "int8.tflite", public_key=public)
    swap(own_models)
    with pytest.raises(RefusedError, match=r"int8\.tflite changed since"):
        shipped_model(own_models / "int8.tflite", public_key=public, accept_changed=True)


def test_a_signature_that_nobody_asked_about_is_said(own_models, make_key, caplog):
    private, _ = make_key()
    sign_folder(own_models, private)
    shipped_model(own_models / "int8.tflite")
    assert "was not checked; pass --public-key KEY.pub" in caplog.text


@pytest.mark.parametrize(
    "verb",
    [
        ["predict", "MODEL", "none.png"],
        ["serve", "MODEL", "--port", "0"],
        ["watch", "MODEL", "INBOX", "--out", "OUTBOX", "--once"],
        ["dicom-node", "MODEL", "--aet", "NODE", "--port", "11999", "--out", "OUTBOX"],
        ["verify", "MODEL"],
    ],
    ids=lambda verb: verb[0],
)
def test_every_verb_refuses_a_model_that_is_not_the_one_listed(own_models, tmp_path, command, verb):
    (tmp_path / "in").mkdir()
    swap(own_models)
    places = {"MODEL": own_models / "int8.tflite", "INBOX": tmp_path / "in", "OUTBOX": tmp_path / "out"}
    code, out, err = command(*(places.get(one, one) for one in verb))
    assert (code, out) == (3, "")
    assert err.startswith("Error: The file that conversion.json lists is required.") and err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_predict_can_be_told_to_take_it(own_models, phantoms, command):
    swap(own_models)
    image = next(phantoms.parent.rglob("*.png"))
    code, out, err = command("predict", own_models / "int8.tflite", image, "--accept-changed", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["model_sha256"] == ModelFile.read(own_models / "float32.tflite").sha256
    code, _, err = command("predict", own_models / "int8.tflite", image, "--public-key", "none.pub")
    assert (code, err.count("\n")) == (1, 1)
