"""A signature is one that other tools accept, and is made only of what it should be made of."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from freezenet.cli import cli
from freezenet.convert.package.signing import PassphraseRequired, sign_folder
from freezenet.edge_runtime.errors import FreezenetError, RefusedError
from freezenet.edge_runtime.integrity.signature import check_signature


def test_the_command_signs_and_says_where(own_models, make_key, command):
    private, public = make_key()
    count = sum(path.is_file() and path.name != ".freezenet" for path in own_models.rglob("*"))
    assert command("sign", own_models, "--key", private) == (0, f"{own_models / 'model.sig'}\t{count} files\n", "")
    assert command("verify", own_models, "--public-key", public)[0] == 0
    assert not list(own_models.glob(".*partial*"))


def test_every_file_is_listed_with_its_hash(own_models, make_key):
    names = sign_folder(own_models, make_key()[0])
    bundle = json.loads((own_models / "model.sig").read_text())
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    listed = {one["name"]: one["digest"] for one in statement["predicate"]["resources"]}
    files = [path for path in own_models.rglob("*") if path.is_file() and path.name not in {".freezenet", "model.sig"}]
    assert listed == {
        path.relative_to(own_models).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }
    assert names == sorted(listed)
    assert str(own_models.parent) not in json.dumps(statement)


def test_openssl_accepts_the_signature(own_models, make_key, tmp_path):
    private, public = make_key()
    sign_folder(own_models, private)
    envelope = json.loads((own_models / "model.sig").read_text())["dsseEnvelope"]
    payload = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"]
    (tmp_path / "signed").write_bytes(f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload)
    (tmp_path / "sig").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    check = ["openssl", "dgst", "-sha256", "-verify", public, "-signature", tmp_path / "sig", tmp_path / "signed"]
    assert subprocess.run(check, check=True, capture_output=True, text=True).stdout == "Verified OK\n"
    (tmp_path / "signed").write_bytes((tmp_path / "signed").read_bytes() + b" ")
    assert subprocess.run(check, check=False, capture_output=True).returncode != 0


@pytest.mark.parametrize("curve", ["prime256v1", "secp384r1", "secp521r1"])
def test_the_reference_implementation_accepts_the_signature(own_models, make_key, curve):
    pytest.importorskip("model_signing")
    private, public = make_key(curve=curve)
    sign_folder(own_models, private)
    check = [Path(sys.executable).with_name("model_signing"), "verify", "key", own_models, "--public_key", public,
             "--signature", own_models / "model.sig"]  # fmt: skip
    done = subprocess.run(check, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Verification succeeded" in done.stdout + done.stderr
    (own_models / "added.txt").touch()
    assert subprocess.run(check, check=False, capture_output=True).returncode != 0


def test_a_signature_is_not_overwritten_unasked(own_models, make_key):
    private, public = make_key()
    sign_folder(own_models, private)
    before = (own_models / "model.sig").read_bytes()
    with pytest.raises(FreezenetError, match=r"without a signature is required.*pass --overwrite"):
        sign_folder(own_models, private)
    assert (own_models / "model.sig").read_bytes() == before
    (own_models / "note.txt").write_text("new")
    assert "note.txt" in sign_folder(own_models, private, overwrite=True)
    check_signature(own_models, public)


def test_a_key_with_a_passphrase(own_models, make_key, tmp_path):
    private, public = make_key()
    locked = tmp_path / "locked.pem"
    subprocess.run(
        ["openssl", "ec", "-in", private, "-aes256", "-passout", "pass:secret", "-out", locked],
        check=True, capture_output=True,
    )  # fmt: skip
    with pytest.raises(PassphraseRequired, match="A passphrase is required"):
        sign_folder(own_models, locked)
    with pytest.raises(FreezenetError, match=r"The passphrase of .* is required\. Got: another one"):
        sign_folder(own_models, locked, "wrong")
    assert not (own_models / "model.sig").exists()
    done = CliRunner().invoke(cli, ["sign", str(own_models), "--key", str(locked)], input="secret\n")
    assert done.exit_code == 0, done.output
    assert "secret" not in done.output
    check_signature(own_models, public)
    # One too many does no harm.
    sign_folder(own_models, private, "secret", overwrite=True)


def test_a_changed_model_is_not_signed(own_models, make_key):
    shutil.copyfile(own_models / "float32.tflite", own_models / "int8.tflite")
    with pytest.raises(RefusedError, match=r"int8\.tflite with another SHA-256"):
        sign_folder(own_models, make_key()[0])
    assert not (own_models / "model.sig").exists()


def test_what_cannot_be_signed_is_one_sentence(own_models, make_key, command, tmp_path):
    private, public = make_key()
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.pem").write_text("no key")
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", tmp_path / "ed.pem"], check=True)
    for folder, key, reason in (
        (own_models / "int8.tflite", private, "a file; name the folder"),
        (tmp_path / "absent", private, "which does not exist"),
        (tmp_path / "empty", private, "without any"),
        (own_models, tmp_path / "absent.pem", "which does not exist"),
        (own_models, tmp_path, "a folder"),
        (own_models, tmp_path / "text.pem", "another kind of file"),
        (own_models, public, "another kind of file"),
        (own_models, tmp_path / "ed.pem", "another kind of file"),
        (own_models, make_key("bitcoin", "secp256k1")[0], "secp256k1"),
        (own_models, shutil.copy(private, own_models / "key.pem"), "outside of the signed folder"),
    ):
        code, out, err = command("sign", folder, "--key", key)
        assert (code, out) == (1, ""), err
        assert err.startswith("Error: ") and err.count("\n") == 1 and reason in err, err
    assert not (own_models / "model.sig").exists()


def test_the_extra_is_named_where_it_is_missing(own_models, make_key, command, monkeypatch):
    private, _ = make_key()
    monkeypatch.setitem(sys.modules, "cryptography", None)
    for name in [one for one in sys.modules if one.startswith("cryptography.")]:
        monkeypatch.setitem(sys.modules, name, None)
    code, _, err = command("sign", own_models, "--key", private)
    assert code == 1 and "pip install 'freezenet[sign]'" in err
