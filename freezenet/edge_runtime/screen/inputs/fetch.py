"""The bytes of an input, wherever it lies."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from pathlib import Path

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.limits import MAX_BYTES
from freezenet.edge_runtime.images.reader import file_bytes
from freezenet.edge_runtime.screen.inputs.archive import OpenArchives
from freezenet.edge_runtime.screen.inputs.item import Item, is_remote, local_path
from freezenet.edge_runtime.screen.inputs.remote import file_system, patiently


class Fetcher:
    """Reads inputs; may be called by several threads at a time."""

    def __init__(self) -> None:
        """No archive is open yet."""
        self._archives, self._lock = OpenArchives(), threading.Lock()

    def __call__(self, item: Item) -> bytes:
        """Return all bytes of an input.

        Raises:
            DataError: It is not there, cannot be read, or is larger than an image may be. Of a local file, with the sentence
                that the reader has for it.
        """
        if item.length is not None and item.length > MAX_BYTES:
            raise DataError(f"An image file is required. Got: one of more than {MAX_BYTES >> 20} MB: {item.uri!r}.")
        if item.container is None:
            return _object(item.uri, item.length) if is_remote(item.uri) else _file(local_path(item.uri))
        if item.member is not None:
            with self._lock:
                found = self._archives.in_zip(item.container, item.member, item.offset or 0, MAX_BYTES + 1)
        elif is_remote(item.container):
            found = _piece(item.container, item.offset or 0, item.length or 0)
        else:
            with self._lock:
                found = self._archives.in_tar(item.container, item.offset or 0, item.length or 0)
        if item.length is not None and len(found) != item.length:
            raise DataError(f"A whole archive is required. Got: {len(found)} of {item.length} bytes of {item.uri!r}.")
        return found


def _file(path: str) -> bytes:
    """Return a local file; a pipe could keep a process waiting for ever, a device has no end."""
    with contextlib.suppress(OSError, ValueError):  # whose sentence the reader has
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise DataError(f"An image file is required. Got: a pipe, a socket or a device: {path!r}.")
    return file_bytes(Path(path))


def _object(uri: str, length: int | None) -> bytes:
    """Return an object; one whose size is not the one that was listed is asked for again, as it may have been cut off."""
    system, path = file_system(uri)
    expected = length

    def ask() -> bytes:
        nonlocal expected
        if expected is None:
            expected = system.info(path).get("size")
        if expected is not None and expected > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES >> 20} MB")
        found = system.cat_file(path)
        if expected is not None and len(found) != expected:
            was, expected = expected, None  # it may have been replaced since
            raise OSError(f"{len(found)} of {was} bytes")
        return found

    return patiently(ask, uri)


def _piece(uri: str, offset: int, length: int) -> bytes:
    system, path = file_system(uri)

    def ask() -> bytes:
        found = system.cat_file(path, start=offset, end=offset + length) if length else b""
        if len(found) != length:
            raise OSError(f"{len(found)} of {length} bytes")
        return found

    return patiently(ask, uri)
