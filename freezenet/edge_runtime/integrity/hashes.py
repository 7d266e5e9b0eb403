"""The SHA-256 of a model file, and the one that the `conversion.json` beside it lists."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from freezenet.edge_runtime.errors import ModelError, RefusedError

CONVERSION_FILE = "conversion.json"
#: Largest conversion.json in bytes; one has some 15 kB.
_MAX_BYTES = 16 << 20


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def check_listed(model: Path, sha256: str | None = None) -> bool:
    """Compare a model file with its hash in the `conversion.json` of its folder; return whether it is listed there.

    Args:
        model: The file. One that is listed under another name was renamed, not changed.
        sha256: Of the bytes that were read of it, or None to read them here.

    Raises:
        RefusedError: The file was changed.
        ModelError: It is missing, or conversion.json is damaged.
    """
    conversion = model.parent / CONVERSION_FILE
    if not conversion.is_file():
        return False
    try:
        listed = [(str(name), str(digest)) for name, digest in _records(json.loads(_read(conversion))["variants"])]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ModelError(
            f"A {CONVERSION_FILE} with variants is required. Got: {conversion}, damaged; fetch the folder again."
        ) from None
    named = any(name == model.name for name, _ in listed)
    if named and sha256 is None and not model.is_file():
        raise ModelError(f"A model file is required. Got: {model}, which does not exist.")
    if not listed or (sha256 is None and not model.is_file()):
        return False
    found = (model.name, sha256 or sha256_file(model))
    if named and found not in listed:
        raise RefusedError(
            f"The file that {CONVERSION_FILE} lists is required. Got: {model.name} with another SHA-256, changed since "
            "its conversion; fetch the folder again."
        )
    return any(digest == found[1] for _, digest in listed)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise ValueError("larger than any that is written")
    return content


def _records(content: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the file and SHA-256 of every record {"file", "sha256"}, however deep it lies."""
    if isinstance(content, dict):
        if "file" in content and "sha256" in content:
            yield content["file"], content["sha256"]
        content = list(content.values())
    if isinstance(content, list):
        for one in content:
            yield from _records(one)
