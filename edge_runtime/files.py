"""Write files whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def write_atomically(path: Path, write: Callable[[Path], object], durable: bool = False) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it; on failure nothing is left.

    durable: also hold against a power cut: file and folder reach the disk before this returns.
    """
    # The suffix stays, because Keras and NumPy look at it.
    temporary = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        write(temporary)
        if durable:
            _to_disk(temporary)
        os.replace(temporary, path)
        if durable:
            _to_disk(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes, durable: bool = False) -> None:
    """Write a file of these bytes; its folder is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda temporary: temporary.write_bytes(content), durable)


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
