"""What was signed is verified; what was changed, added, removed or signed by another is refused in one sentence."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from freezenet.convert.package.signing import sign_folder
from freezenet.edge_runtime.errors import FreezenetError, RefusedError
from freezenet.edge_runtime.integrity.signature import check_signature, signed_folder


@pytest.fixture
def signed(own_models, make_key) -> tuple[Path, Path]:
    """A signed MODELS folder and the public key."""
    private, public = make_key()
    sign_folder(own_models, private)
    return own_models, public


@pytest.fixture
def said(command):
    """Run `verify`, which must end with one sentence and no data; return (exit code, sentence)."""

    def run(*arguments):
        code, out, err = command("verify", *arguments)
        assert out == ""
        assert err.startswith("Error: ") and err.count("\n") == 1 and err.endswith(".\n"), err
        return code, err

    return run


def test_a_signed_folder_and_a_model_of_it_verify(signed, command):
    folder, public = signed
    code, out, err = command("verify", folder, "--public-key", public, "--json")
    assert (code, err) == (0, "")
    answers = [json.loads(line) for line in out.splitlines()]
    assert [one["model"] for one in answers] == sorted(path.name for path in folder.glob("*.tflite"))
    assert all(one["passed"] and one["sha256_listed"] and one["signature"] == "valid" for one in answers)

    code, out, err = command("verify", folder / "int8.tflite", "--public-key", public)
    assert (code, err) == (0, "")
    assert out.endswith("; SHA-256 as in conversion.json; signature valid\n")


def test_without_a_key_the_signature_is_said_to_be_unchecked(signed, command):
    folder, _ = signed
    code, out, err = command("verify", folder / "int8.tflite", "--json")
    assert code == 0
    assert json.loads(out)["signature"] == "not checked"
    assert err == f"The signature of {folder} was not checked; pass --public-key KEY.pub.\n"


def test_without_a_signature_nothing_is_said(own_models, command):
    code, out, err = command("verify", own_models / "int8.tflite", "--json")
    assert (code, err, json.loads(out)["signature"]) == (0, "", None)


def test_a_flipped_bit_is_refused(signed, said):
    folder, public = signed
    model = folder / "int8.tflite"
    content = bytearray(model.read_bytes())
    content[len(content) // 3] ^= 1
    model.write_bytes(content)
    for asked in (folder, model, folder / "float32.tflite"):
        code, line = said(asked, "--public-key", public)
        assert code == 3 and "int8.tflite changed since" in line
    # Without the key, the hash in conversion.json shows it.
    code, line = said(shutil.copytree(folder, folder.parent / "unsigned", ignore=lambda *_: ["model.sig"]) / model.name)
    assert code == 3 and "int8.tflite with another SHA-256" in line


def test_a_model_changed_together_with_its_listed_hash_is_refused(signed, said):
    from freezenet.edge_runtime.integrity.hashes import sha256_file

    folder, public = signed
    shutil.copyfile(folder / "float32.tflite", folder / "int8.tflite")
    conversion = json.loads((folder / "conversion.json").read_text())
    conversion["variants"]["int8"]["profiles"]["edge"]["sha256"] = sha256_file(folder / "int8.tflite")
    (folder / "conversion.json").write_text(json.dumps(conversion))
    code, line = said(folder, "--public-key", public)
    assert code == 3 and "conversion.json, int8.tflite changed since" in line


@pytest.mark.parametrize("name", ["extra.txt", "sub/evil.tflite", ".hidden"])
def test_an_added_file_is_refused(signed, said, name):
    folder, public = signed
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("new")
    code, line = said(folder / "int8.tflite", "--public-key", public)
    assert code == 3 and f"{name} added since" in line


def test_a_removed_and_a_renamed_file_are_refused(signed, said):
    folder, public = signed
    (folder / "conversion.json").unlink()
    (folder / "float16.tflite").rename(folder / "other.tflite")
    code, line = said(folder / "int8.tflite", "--public-key", public)
    assert code == 3 and "other.tflite added; conversion.json, float16.tflite removed since" in line


def test_what_git_and_the_hub_leave_beside_the_files_does_not_matter_but_is_no_signed_model(signed, said):
    folder, public = signed
    (folder / ".freezenet").unlink(missing_ok=True)
    (folder / ".gitattributes").write_text("*.tflite filter=lfs")
    (folder / ".cache" / "huggingface").mkdir(parents=True)
    (folder / ".cache" / "huggingface" / "int8.lock").touch()
    check_signature(folder, public)
    (folder / ".git").mkdir()
    shutil.copyfile(folder / "int8.tflite", folder / ".git" / "int8.tflite")
    code, line = said(folder / ".git" / "int8.tflite", "--public-key", public)
    assert code == 3 and "part of what was signed is required" in line


def test_a_link_is_refused(signed, said):
    folder, public = signed
    (folder / "int8.tflite").rename(folder.parent / "elsewhere.tflite")
    (folder / "int8.tflite").symlink_to(folder.parent / "elsewhere.tflite")
    code, line = said(folder / "int8.tflite", "--public-key", public)
    assert code == 3 and "without symbolic links is required" in line


def test_another_key_is_refused(signed, said, make_key):
    folder, _ = signed
    _, other = make_key("other")
    code, line = said(folder, "--public-key", other)
    assert code == 3 and "one of another key" in line

    # Nor does it help to write the other key's hint into the file.
    from freezenet.edge_runtime.integrity.signature import key_hint, read_public_key

    bundle = json.loads((folder / "model.sig").read_text())
    bundle["verificationMaterial"]["publicKey"]["hint"] = key_hint(read_public_key(other))
    (folder / "model.sig").write_text(json.dumps(bundle))
    code, line = said(folder, "--public-key", other)
    assert code == 3 and "changed or is of another key" in line


def test_a_changed_statement_is_refused(signed, said):
    folder, public = signed
    bundle = json.loads((folder / "model.sig").read_text())
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    del statement["predicate"]["resources"][0]
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    (folder / "model.sig").write_text(json.dumps(bundle))
    code, line = said(folder, "--public-key", public)
    assert code == 3 and "changed or is of another key" in line


@pytest.mark.parametrize(
    "spoil",
    [
        lambda whole: b"",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: bytes(range(256)),
        lambda whole: b"[" * 100_000,
        lambda whole: b"[]",
        lambda whole: b"{}",
        lambda whole: whole.replace(b'"sig": "', b'"sig": "***'),
        lambda whole: whole.replace(b"vnd.dev.sigstore", b"vnd.dev.other"),
        lambda whole: whole.replace(b'"signatures": [', b'"signatures": [], "was": ['),
        lambda whole: whole.replace(b'"publicKey"', b'"certificate"'),
    ],
)  # fmt: skip
def test_a_damaged_signature_is_refused(signed, said, spoil):
    folder, public = signed
    path = folder / "model.sig"
    path.write_bytes(spoil(path.read_bytes()))
    code, line = said(folder, "--public-key", public)
    assert code == 3 and "A whole signature by key" in line


def test_a_missing_signature_is_refused(signed, said):
    folder, public = signed
    (folder / "model.sig").unlink()
    for asked in (folder, folder / "int8.tflite"):
        code, line = said(asked, "--public-key", public)
        assert code == 3 and f"Got: {folder} without model.sig" in line


def test_a_wrong_public_key_file_is_a_failure_and_not_a_refusal(signed, said, make_key, tmp_path):
    folder, public = signed
    (tmp_path / "text.pub").write_text("no key")
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", tmp_path / "ed.pem"], check=True)
    subprocess.run(["openssl", "pkey", "-in", tmp_path / "ed.pem", "-pubout", "-out", tmp_path / "ed.pub"], check=True)
    _, bitcoin = make_key("bitcoin", "secp256k1")
    for key, reason in (
        (tmp_path / "absent.pub", "which does not exist"),
        (tmp_path, "a folder"),
        (tmp_path / "text.pub", "another kind of file"),
        (public.with_suffix(".pem"), "another kind of file"),
        (tmp_path / "ed.pub", "another kind of file"),
        (bitcoin, "secp256k1"),
    ):
        code, line = said(folder, "--public-key", key)
        assert code == 1 and reason in line


def test_models_that_are_not_there(signed, said, tmp_path):
    folder, public = signed
    (tmp_path / "empty").mkdir()
    for asked, reason in ((folder / "none.tflite", "which does not exist"), (tmp_path / "empty", "without .tflite")):
        code, line = said(asked, "--public-key", public)
        assert code == 1 and reason in line


def test_the_signature_is_found_beside_and_above(signed):
    folder, _ = signed
    (folder / "int8").mkdir()
    assert signed_folder(folder) == signed_folder(folder / "int8.tflite") == folder
    assert signed_folder(folder / "int8" / "model.tflite") == signed_folder(folder / "int8") == folder
    assert signed_folder(folder.parent) is None


def test_only_a_check_needs_the_extra(signed, command, monkeypatch):
    folder, public = signed
    for name in [one for one in sys.modules if one.partition(".")[0] == "cryptography"]:
        monkeypatch.setitem(sys.modules, name, None)
    assert command("verify", folder / "int8.tflite")[0] == 0
    code, _, err = command("verify", folder / "int8.tflite", "--public-key", public)
    assert code == 1 and "pip install 'freezenet[sign]'" in err


def test_a_signature_of_another_statement_is_refused(own_models, make_key, monkeypatch):
    """A sound signature over something else must not pass, nor end in a traceback."""
    import freezenet.convert.package.signing as signing

    private, public = make_key()
    right = signing._statement
    for change in (
        lambda one: one.update(predicateType="https://model_signing/Digests/v0.1"),
        lambda one: one["predicate"]["serialization"].update(method="shards"),
        lambda one: one["predicate"]["resources"][0].update(algorithm="blake2b"),
        lambda one: one["subject"][0]["digest"].update(sha256="0" * 64),
        lambda one: one["predicate"]["resources"].append(one["predicate"]["resources"][0]),
        lambda one: one.pop("predicate"),
    ):

        def changed(folder, files, change=change):
            statement = right(folder, files)
            change(statement)
            return statement

        monkeypatch.setattr(signing, "_statement", changed)
        sign_folder(own_models, private, overwrite=True)
        with pytest.raises(RefusedError, match="with another statement"):
            check_signature(own_models, public)


def test_what_model_signing_signed_is_verified_here(own_models, make_key):
    """The independent implementation signs; its signature leaves out git's files and itself."""
    signing = pytest.importorskip("model_signing.signing")
    for curve in ("prime256v1", "secp384r1", "secp521r1"):
        private, public = make_key(curve, curve)
        (own_models / "model.sig").unlink(missing_ok=True)
        signing.Config().use_elliptic_key_signer(private_key=private).sign(own_models, own_models / "model.sig")
        assert "int8.tflite" in check_signature(own_models, public)
    (own_models / "conversion.json").write_text("changed")
    with pytest.raises(FreezenetError, match=r"conversion\.json changed since"):
        check_signature(own_models, public)
