"""Sign a MODELS folder; `freezenet.edge_runtime.integrity.signature` says in which format and why, and checks it.

A key is made once, with OpenSSL; the private half stays at home, the public half goes to whoever checks:

    openssl ecparam -name prime256v1 -genkey -noout -out private.pem
    openssl ec -in private.pem -pubout -out key.pub

`openssl ec -in private.pem -aes256 -out protected.pem` puts a passphrase on it; `freezenet sign` then asks for it.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from freezenet.edge_runtime.errors import ModelError, SettingError
from freezenet.edge_runtime.integrity.hashes import check_listed, sha256_file
from freezenet.edge_runtime.integrity.signature import (
    IGNORED,
    MEDIA_TYPE,
    PAYLOAD_TYPE,
    PREDICATE_TYPE,
    SIGNATURE_FILE,
    STATEMENT_TYPE,
    ecdsa,
    elliptic,
    files_to_sign,
    key_hint,
    library,
    pae,
    root_digest,
)
from freezenet.train.files import write_atomically


class PassphraseRequired(SettingError):
    """The private key is encrypted and no passphrase was given."""


def sign_folder(folder: Path, private_key: Path, passphrase: str | None = None, overwrite: bool = False) -> list[str]:
    """Write `model.sig` into a folder of models and return the names of the signed files.

    private_key: PEM file of an elliptic-curve key. passphrase: of an encrypted key.
    Raises ModelError where the folder holds no model, or a signature and not `overwrite`; SettingError where the key cannot
    be used; PassphraseRequired where it is encrypted; RefusedError where a model is not the one that was converted.
    """
    if not folder.is_dir():
        what = "a file" if folder.exists() else "which does not exist"
        raise ModelError(f"A folder of models is required. Got: {folder}, {what}; name the folder.")
    files = files_to_sign(folder)
    if not any(name.endswith(".tflite") for name in files):
        raise ModelError(f"A folder with .tflite files is required. Got: {folder}, without any.")
    target = folder / SIGNATURE_FILE
    if target.exists() and not overwrite:
        raise ModelError(f"A folder without a signature is required. Got: {target}; pass --overwrite.")
    key = _read_private_key(private_key, passphrase)
    if any(path.samefile(private_key) for path in files.values()):
        raise SettingError(
            f"A private key outside of the signed folder is required. Got: {private_key}; move it to where only you read it."
        )
    for name, path in files.items():
        if name.endswith(".tflite"):
            check_listed(path)  # a signature must not bless a file that changed after its conversion
    payload = json.dumps(_statement(folder, files), indent=2).encode()
    bundle = {
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": {"publicKey": {"hint": key_hint(key.public_key())}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(key.sign(pae(payload), ecdsa(key))).decode(), "keyid": ""}],
        },
    }
    text = json.dumps(bundle, indent=1) + "\n"
    write_atomically(target, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return list(files)


def _statement(folder: Path, files: dict[str, Path]) -> dict[str, Any]:
    """Return the in-toto statement about the files of a folder."""
    digests = {name: sha256_file(path) for name, path in files.items()}
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": folder.resolve().name, "digest": {"sha256": root_digest(list(digests.values()))}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": list(IGNORED),
            },
            "resources": [{"name": name, "algorithm": "sha256", "digest": one} for name, one in digests.items()],
        },
    }


def _read_private_key(path: Path, passphrase: str | None) -> Any:
    serialization = library("hazmat.primitives.serialization")

    def load() -> Any:
        content = path.read_bytes()
        try:
            return serialization.load_pem_private_key(content, passphrase.encode() if passphrase else None)
        except TypeError:  # what cryptography raises for a passphrase too few or too many
            if passphrase:
                return serialization.load_pem_private_key(content, None)
            raise PassphraseRequired(f"A passphrase is required for {path}. Got: none.") from None
        except ValueError:
            if passphrase:
                raise SettingError(f"The passphrase of {path} is required. Got: another one.") from None
            raise

    return elliptic(load, path)
