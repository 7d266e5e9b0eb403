"""The signature of a MODELS folder: checked here, made by `freezenet.convert.package.signing`.

`model.sig` follows the OpenSSF Model Signing format 1.0 (https://github.com/ossf/model-signing-spec): a Sigstore bundle in
JSON, in it a DSSE envelope (https://github.com/secure-systems-lab/dsse), in it an in-toto statement with the SHA-256 of
every file of the folder, signed by an elliptic-curve key (NIST P-256, P-384 or P-521; the format has no Ed25519). So other
tools check what freezenet signs, and freezenet what they sign:

    model_signing verify key MODELS --public_key KEY.pub --signature MODELS/model.sig

The library is `cryptography`, because this module runs on a Raspberry Pi. Measured on x86-64 with Python 3.11 as the growth
of a fresh virtual environment (`pip install PACKAGE`, `du -sm`), and the time of the import:

    cryptography 50.0.2     3 packages, 17 MB, 0.07 s
    model-signing 1.1.1    35 packages, 68 MB, 0.7 s; it does not start as installed (it imports pyOpenSSL, which it does
                           not require)

Not part of what is signed are the files in IGNORED, and no other file may be in the folder.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from freezenet.edge_runtime.errors import MissingExtraError, ModelError, RefusedError, SettingError, install_hint
from freezenet.edge_runtime.integrity.hashes import sha256_file

SIGNATURE_FILE = "model.sig"
MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"
#: The signature itself, our own mark, and what git and the hub's client leave beside the files.
IGNORED = (SIGNATURE_FILE, ".cache/huggingface", ".freezenet", ".git", ".gitattributes", ".github", ".gitignore")
#: Supported curves and the hash that goes with each.
CURVES = {"secp256r1": "SHA256", "secp384r1": "SHA384", "secp521r1": "SHA512"}


@dataclass(frozen=True)
class _Bundle:
    """What stands in a signature file, not yet checked."""

    payload: bytes
    signature: bytes
    hint: str | None


def signed_folder(path: Path) -> Path | None:
    """Return the folder with a signature that a model file or folder belongs to, or None.

    A model lies in the signed folder (MODELS) or in a folder of it (`freezenet export-hub`).
    """
    # Not resolve(): a link's target lies elsewhere.
    start = Path(os.path.abspath(path if path.is_dir() else path.parent))
    return next((folder for folder in (start, start.parent) if (folder / SIGNATURE_FILE).is_file()), None)


def check_signature(folder: Path, public_key: Path) -> dict[str, str]:
    """Check a folder against its signature; return name -> SHA-256 of the signed files, names relative, with slashes.

    Raises RefusedError with one sentence where the signature is missing, damaged or of another key, and where a
    file was changed, added or removed; SettingError where the key cannot be used.
    """
    key = read_public_key(public_key)
    bundle = _read_bundle(folder / SIGNATURE_FILE)
    if bundle.hint not in (None, key_hint(key)):
        raise RefusedError(f"A signature made with the key of {public_key} is required. Got: one of another key.")
    try:
        key.verify(bundle.signature, pae(bundle.payload), ecdsa(key))
    except library("exceptions").InvalidSignature:
        raise RefusedError(
            f"A signature made with the key of {public_key} is required. Got: {folder / SIGNATURE_FILE}, which was "
            "changed or is of another key; fetch the folder again."
        ) from None
    listed, ignored = _read_statement(bundle.payload)
    # Another signer may have signed what we leave out.
    left_out = [one for one in IGNORED if not any(_below(name, one) for name in listed)]
    _compare(folder, listed, files_to_sign(folder, (*left_out, *ignored)))
    return listed


def check_models(models: list[Path], folder: Path | None, public_key: Path) -> dict[str, str]:
    """Check the folder that the models lie in, and that they are among its signed files; see `check_signature`."""
    missing = [path for path in models if not path.is_file()]
    if missing:
        raise ModelError(f"A model file is required. Got: {missing[0]}, which does not exist.")
    folder = folder or models[0].parent
    signed = check_signature(folder, public_key)
    for model in models:
        if Path(os.path.abspath(model)).relative_to(folder).as_posix() not in signed:
            raise RefusedError(f"A model that is part of what was signed is required. Got: {model}, which is not.")
    return signed


def files_to_sign(folder: Path, ignored: tuple[str, ...] = IGNORED) -> dict[str, Path]:
    """Return name -> path of all files of a folder in the order of their names, without the ignored."""
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if any(_below(name, one) for one in ignored):
            continue
        if path.is_symlink():
            raise RefusedError(
                f"A folder without symbolic links is required. Got: {path}; copy the file itself (from the hub: "
                "download with --local-dir)."
            )
        if path.is_file():
            found[name] = path
    return dict(sorted(found.items()))


def read_public_key(path: Path) -> Any:
    """Return the elliptic-curve public key in a PEM file."""
    return elliptic(lambda: library("hazmat.primitives.serialization").load_pem_public_key(path.read_bytes()), path)


def elliptic(load: Callable[[], Any], path: Path) -> Any:
    """Return the key that `load` reads; SettingError where it is none of an elliptic curve that is supported."""
    try:
        key = load()
    except FileNotFoundError:
        raise SettingError(f"A key file is required. Got: {path}, which does not exist.") from None
    except IsADirectoryError:
        raise SettingError(f"A key file is required. Got: {path}, a folder.") from None
    except SettingError:  # a ValueError too, but it says what is wrong: a passphrase
        raise
    # What cryptography raises for a key of a kind that it does not know.
    except (ValueError, library("exceptions").UnsupportedAlgorithm):
        key = None
    name = getattr(getattr(key, "curve", None), "name", None)
    if name not in CURVES:
        raise SettingError(
            f"A key of an elliptic curve ({', '.join(CURVES)}) in PEM is required. Got: {path}, "
            f"{name or 'another kind of file'}; make one with `openssl ecparam -name prime256v1 -genkey -noout`."
        )
    return key


def pae(payload: bytes) -> bytes:
    """Return the bytes that are signed: the pre-authentication encoding of DSSE 1.0."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def ecdsa(key: Any) -> Any:
    """Return the signature algorithm for a public or private key."""
    digest = getattr(library("hazmat.primitives.hashes"), CURVES[key.curve.name])
    return library("hazmat.primitives.asymmetric.ec").ECDSA(digest())


def key_hint(key: Any) -> str:
    """Return the SHA-256 of a public key's PEM text, by which a signature names its key."""
    serialization = library("hazmat.primitives.serialization")
    text = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(text).hexdigest()


def library(module: str) -> Any:
    """Import a module of the package cryptography, which the base install does without."""
    try:
        return import_module(f"cryptography.{module}")
    except ModuleNotFoundError:
        raise MissingExtraError(
            f"The package cryptography is required for signatures. Got: it is not installed; {install_hint('sign')}."
        ) from None


def root_digest(digests: list[str]) -> str:
    """Return the SHA-256 over the files' SHA-256 values, in their order: one number for the whole folder."""
    return hashlib.sha256(b"".join(map(bytes.fromhex, digests))).hexdigest()


def _read_bundle(path: Path) -> _Bundle:
    if not path.is_file():
        raise RefusedError(
            f"A signed folder is required. Got: {path.parent} without {SIGNATURE_FILE}; fetch the whole folder, or "
            "leave out --public-key."
        )
    try:
        bundle = json.loads(path.read_bytes())
        envelope = bundle["dsseEnvelope"]
        if (bundle["mediaType"], envelope["payloadType"]) != (MEDIA_TYPE, PAYLOAD_TYPE):
            raise ValueError("another format")
        return _Bundle(
            payload=base64.b64decode(envelope["payload"], validate=True),
            signature=base64.b64decode(envelope["signatures"][0]["sig"], validate=True),
            hint=bundle["verificationMaterial"]["publicKey"].get("hint"),
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        raise RefusedError(
            f"A whole signature by key, of the OpenSSF Model Signing format, is required. Got: {path}, damaged or of "
            "another kind; fetch the folder again."
        ) from None


def _read_statement(payload: bytes) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return name -> SHA-256 of the signed files, and the names that the signer left out."""
    try:
        statement = json.loads(payload)
        predicate = statement["predicate"]
        how = predicate["serialization"]
        kind = (statement["_type"], statement["predicateType"], how["method"], how["hash_type"])
        files = {one["name"]: one["digest"] for one in predicate["resources"] if one["algorithm"] == "sha256"}
        digest = root_digest([one["digest"] for one in predicate["resources"]])
        if kind != (STATEMENT_TYPE, PREDICATE_TYPE, "files", "sha256") or len(files) != len(predicate["resources"]):
            raise ValueError("another kind")
        if [one["digest"]["sha256"] for one in statement["subject"]] != [digest]:
            raise ValueError("inconsistent")
        return files, tuple(map(str, how.get("ignore_paths", ())))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise RefusedError(
            f"A signature with the SHA-256 of each file is required. Got: {SIGNATURE_FILE} with another statement."
        ) from None


def _below(name: str, path: str) -> bool:
    return name == path or name.startswith(f"{path}/")


def _compare(folder: Path, listed: dict[str, str], found: dict[str, Path]) -> None:
    differences = {
        "changed": [name for name in listed if name in found and sha256_file(found[name]) != listed[name]],
        "added": [name for name in found if name not in listed],
        "removed": [name for name in listed if name not in found],
    }
    said = [f"{', '.join(names[:5])}{' ...' if names[5:] else ''} {how}" for how, names in differences.items() if names]
    if said:
        raise RefusedError(
            f"The files that were signed are required. Got: {folder} with {'; '.join(said)} since; fetch the folder again."
        )
