"""Write files whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

#: A file system cannot hold a name: too long, or with a character that it does not know.
OF_ONE_NAME = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)


def write_atomically(path: Path, write: Callable[[Path], object], *, durable: bool = False) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it; on failure nothing is left.

    Args:
        path: The file.
        write: Called with the path of the temporary file.
        durable: Also hold against a power cut: file and folder reach the disk before this returns.
    """
    # The suffix stays, because Keras and NumPy look at it.
    temporary = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        write(temporary)
        if durable:
            to_disk(temporary)
        os.replace(temporary, path)
        if durable:
            to_disk(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def remove_partial(folder: Path) -> None:
    """Remove what `write_atomically` had begun in a folder when its process was killed."""
    for left in folder.glob(".*.partial*"):
        left.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Write a file of these bytes; its folder is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda temporary: temporary.write_bytes(content), durable=durable)


def to_disk(path: Path) -> None:
    """Return only when a file's content, or a folder's list of names, has reached the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems know no such call for a folder; a file's failure is real.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP) or not path.is_dir():
            raise
    finally:
        os.close(handle)
