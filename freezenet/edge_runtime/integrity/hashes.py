"""The SHA-256 of a model file, and the one that the `conversion.json` beside it lists."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from freezenet.edge_runtime.errors import ModelError, RefusedError

CONVERSION_FILE = "conversion.json"


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def check_listed(model: Path) -> bool:
    """Compare a model file with its hash in the `conversion.json` of its folder; return whether one is listed.

    Raises RefusedError where the file was changed, ModelError where it is missing or conversion.json damaged.
    """
    conversion = model.parent / CONVERSION_FILE
    if not conversion.is_file():
        return False
    try:
        variants = json.loads(conversion.read_bytes())["variants"]
    except (ValueError, KeyError, TypeError):
        raise ModelError(
            f"A {CONVERSION_FILE} with variants is required. Got: {conversion}, damaged; fetch the folder again."
        ) from None
    expected = {hexadecimal for name, hexadecimal in _records(variants) if name == model.name}
    if expected and not model.is_file():
        raise ModelError(f"A model file is required. Got: {model}, which does not exist.")
    if expected and {sha256_file(model)} != expected:
        raise RefusedError(
            f"The file that {CONVERSION_FILE} lists is required. Got: {model.name} with another SHA-256, changed since "
            "its conversion; fetch the folder again."
        )
    return bool(expected)


def _records(content: Any) -> Iterator[tuple[str, str]]:
    """Yield the file and SHA-256 of every record {"file", "sha256"}, however deep it lies."""
    if isinstance(content, dict):
        if "file" in content and "sha256" in content:
            yield content["file"], content["sha256"]
        content = list(content.values())
    if isinstance(content, list):
        for one in content:
            yield from _records(one)
