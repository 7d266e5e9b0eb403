"""What IN names: which kind of source it is, what identifies it, and its inputs in a fixed order."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from freezenet.edge_runtime.errors import DataError, SettingError
from freezenet.edge_runtime.images.inputs import images_below
from freezenet.edge_runtime.images.reader import IMAGE_SUFFIXES
from freezenet.edge_runtime.screen.inputs.archive import ARCHIVES, members, opened
from freezenet.edge_runtime.screen.inputs.item import Found, as_text, is_remote, local_path, local_uri
from freezenet.edge_runtime.screen.inputs.remote import file_system, objects, patiently, suffix
from freezenet.edge_runtime.screen.inputs.table import LISTS, TABLES, listed, tabled

_KINDS = {".tar": "tar archive", ".zip": "ZIP archive", ".csv": "CSV table", ".parquet": "Parquet table"}
#: Index files of DICOM media, which hold no image.
_NO_IMAGES = frozenset({"DICOMDIR"})


@dataclass(frozen=True)
class Source:
    """The inputs of a screening.

    Args:
        identity: What must be equal for a screening to go on (JSON types).
        found: A function that yields the inputs, and counts in its argument what was passed over.
    """

    identity: dict[str, Any]
    found: Callable[[Counter[str]], Iterator[Found]]


def named_source(text: str, column: str | None = None) -> Source:
    """Return the source that IN names.

    Args:
        text: A folder, a file, a pattern with *, or a URL of one of these.
        column: Of a table, which holds the names.

    Raises:
        DataError: There is nothing of the name.
        SettingError: A column of what is no table, or a URL of no known scheme.
        MissingExtraError: A URL that cannot be reached with what is installed.
    """
    if column is not None and suffix(text) not in TABLES:
        raise SettingError(f"A table (.csv, .parquet) is required with --column. Got: {text!r:.200}.")
    if is_remote(text):
        return _remote_source(text, column)
    path = local_path(text)
    uri = local_uri(path)
    if os.path.isdir(path):
        return Source({"kind": "folder", "name": uri}, partial(_in_folder, path))
    if os.path.isfile(path):
        return _file_source(uri, column, {"bytes": os.path.getsize(path), "modified_ns": os.stat(path).st_mtime_ns})
    if glob.has_magic(path):
        return Source({"kind": "pattern", "name": uri}, partial(_matched, path))
    raise DataError(
        f"A folder, a list (.txt), a table (.csv, .parquet), an archive (.tar, .zip), a pattern or a URL is required. Got: {text!r:.200}, "
        "which does not exist."
    )


def _remote_source(text: str, column: str | None) -> Source:
    system, path = file_system(text)
    if suffix(text) in (*ARCHIVES, *TABLES, *LISTS) and not glob.has_magic(text):
        info = patiently(lambda: system.info(path), text)
        version = info.get("ETag") or info.get("LastModified") or info.get("mtime")
        return _file_source(text, column, {"bytes": info.get("size"), "version": str(version)})
    return Source({"kind": "bucket", "name": text}, lambda over: _expanded_all(objects(text, _may_hold, over), over))


def _file_source(uri: str, column: str | None, version: dict[str, Any]) -> Source:
    end = suffix(uri)
    identity = {"kind": _KINDS.get(end, "list" if end in LISTS else "image"), "name": uri, **version}
    if end in ARCHIVES:
        return Source(identity, lambda over: members(uri, may_be_image, over))
    if end in TABLES:
        rows = partial(tabled, uri, column, end)
        return Source({**identity, "column": column}, lambda over: _expanded_all(_named(rows(), over), over))
    if end in LISTS:
        return Source(identity, lambda over: _expanded_all(_named(listed(uri), over), over))
    with opened(uri):
        pass
    return Source(identity, lambda over: iter([Found(uri)]))


def _in_folder(folder: str, passed_over: Counter[str]) -> Iterator[Found]:
    """Yield the images that `freezenet predict` finds below a folder; their source is the first folder below it."""
    for path in images_below(folder, passed_over):
        below = os.path.relpath(path, folder)
        first = below.partition(os.sep)[0] if os.sep in below else None
        yield Found(local_uri(path), None if first is None else as_text(first))


def _matched(pattern: str, passed_over: Counter[str]) -> Iterator[Found]:
    for path in sorted(glob.iglob(pattern, recursive=True)):
        if os.path.isdir(path):
            continue
        found = Found(local_uri(path), as_text(os.path.basename(os.path.dirname(os.path.abspath(path)))))
        yield from _expanded(found, passed_over)


def _named(rows: Iterator[tuple[str, str | None]], passed_over: Counter[str]) -> Iterator[Found]:
    for uri, source in rows:
        if uri:
            yield Found(uri, source)
        else:
            passed_over["without a name"] += 1


def _expanded_all(found: Iterator[Found], passed_over: Counter[str]) -> Iterator[Found]:
    for one in found:
        yield from _expanded(one, passed_over)


def _expanded(found: Found, passed_over: Counter[str]) -> Iterator[Found]:
    """Yield an input, or those in it where it is an archive."""
    if suffix(found.uri) in ARCHIVES:
        yield from members(found.uri, may_be_image, passed_over)
    else:
        yield found


def may_be_image(name: str) -> bool:
    """Whether an object or a member of an archive is taken, which cannot be looked into cheaply: one with an image's suffix or none.

    Hospitals export DICOM files as IM0001, or by a UID.
    """
    base = name.rpartition("/")[2]
    # "./" stands before all names of an archive that was made of the current folder.
    hidden = any(part == "__MACOSX" or (part.startswith(".") and part.strip(".")) for part in name.split("/"))
    return bool(base) and base not in _NO_IMAGES and not hidden and suffix(name) in {"", *IMAGE_SUFFIXES}


def _may_hold(name: str) -> bool:
    return may_be_image(name) or suffix(name) in ARCHIVES
