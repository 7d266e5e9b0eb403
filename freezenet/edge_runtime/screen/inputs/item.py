"""One input of a screening, by name: nothing of it has been read yet."""

from __future__ import annotations

import os
import re
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

#: The scheme in front of what does not lie in a local file system.
_SCHEME = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_FILE = "file://"


class Found(NamedTuple):
    """An input that a source named.

    Args:
        uri: Its name: the path of a local file, a URL, or "ARCHIVE::MEMBER".
        source: Where it comes from, for the summary: the first folder below IN, a table's column `source`, an archive's name.
        container: The archive that holds it; None where it is a file of its own.
        member: Its name in a ZIP archive.
        offset: Where its bytes begin in a tar archive, and its header in a ZIP archive.
        length: How many bytes it has, where the source knows.
    """

    uri: str
    source: str | None = None
    container: str | None = None
    member: str | None = None
    offset: int | None = None
    length: int | None = None


class Item(NamedTuple):
    """An input with its number: its place in the manifest, from 0; the rest as in `Found`."""

    number: int
    uri: str
    source: str | None = None
    container: str | None = None
    member: str | None = None
    offset: int | None = None
    length: int | None = None


def is_remote(uri: str) -> bool:
    """Whether a name is a URL of something that is no local file."""
    return _SCHEME.match(uri) is not None and not uri.lower().startswith(_FILE)


def scheme_of(uri: str) -> str:
    """Return the scheme of a URL in small letters, "file" for a path."""
    found = _SCHEME.match(uri)
    return found["scheme"].lower() if found else "file"


def local_uri(path: str) -> str:
    """Return the name of a local file: its absolute path, or a file:// URL where its bytes are no UTF-8."""
    full = os.path.abspath(path)
    try:
        full.encode()
    except UnicodeEncodeError:
        return _FILE + quote(os.fsencode(full))
    return full


def local_path(uri: str) -> str:
    """Return the path of a local file that `local_uri`, or a user who writes file://, named."""
    if not uri.lower().startswith(_FILE):
        return uri
    return os.fsdecode(unquote_to_bytes(uri[len(_FILE) :].removeprefix("localhost")))


def as_text(name: str) -> str:
    """Return a file's name as text that can be written, whatever its bytes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
