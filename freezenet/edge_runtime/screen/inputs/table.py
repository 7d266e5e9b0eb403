"""Names in a list file, or in a column of a CSV or Parquet table."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Sequence
from typing import IO

from freezenet.edge_runtime.errors import DataError, MissingExtraError, SettingError, install_hint, one_line
from freezenet.edge_runtime.names import meant
from freezenet.edge_runtime.screen.inputs.archive import opened
from freezenet.edge_runtime.screen.inputs.item import is_remote, local_path, local_uri

LISTS, TABLES = (".txt", ".lst", ".list"), (".csv", ".parquet")
#: Columns that hold names, where none is named, in this order; and the column that says where an image comes from.
_COLUMNS, _SOURCE = ("file", "path", "uri", "url", "image", "filename"), "source"
#: Rows of a Parquet table that are in the memory at a time.
_BATCH = 10_000


def listed(uri: str) -> Iterator[tuple[str, None]]:
    """Yield the names in a list file, one on each line; empty lines and those that begin with # are none.

    Paths are relative to the current folder, as those that `find` prints are.
    """
    with io.TextIOWrapper(opened(uri), encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            name = line.rstrip("\r\n")
            if name.strip() and not name.startswith("#"):
                yield absolute(name, os.getcwd()), None


def tabled(uri: str, column: str | None, suffix: str) -> Iterator[tuple[str, str | None]]:
    """Yield (name, source) of each row of a table; paths are relative to the table's folder, as in training. An empty cell names nothing: "".

    Raises:
        DataError: The table is damaged.
        SettingError: It has no column of that name.
    """
    base = os.path.dirname(uri if is_remote(uri) else local_path(uri))
    with opened(uri) as file:
        rows = _csv(file, column) if suffix == ".csv" else _parquet(file, column)
        for name, source in rows:
            yield absolute(name, base) if name.strip() else "", source or None


def absolute(name: str, base: str) -> str:
    """Return the uri of a name: a URL as it is, a path below `base`, which may be a URL, too."""
    if is_remote(name):
        return name
    if is_remote(base) and not os.path.isabs(name):
        return f"{base}/{name}"
    return local_uri(os.path.join(base, local_path(name)))


def _csv(file: IO[bytes], column: str | None) -> Iterator[tuple[str, str | None]]:
    # Spreadsheets write a mark of byte order.
    reader = csv.DictReader(io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline=""))
    try:
        chosen = _column(list(reader.fieldnames or ()), column)
        for row in reader:
            yield row.get(chosen) or "", row.get(_SOURCE)
    except csv.Error as error:
        raise DataError(f"A CSV table is required. Got: line {reader.line_num}: {one_line(error, 100)}.") from None


def _parquet(file: IO[bytes], column: str | None) -> Iterator[tuple[str, str | None]]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        raise MissingExtraError(
            f"The package pyarrow is required for Parquet. Got: it is not installed; {install_hint('screen')}."
        ) from None
    try:
        table = pq.ParquetFile(file)
        chosen = _column(table.schema_arrow.names, column)
        wanted = [chosen, *([_SOURCE] if _SOURCE in table.schema_arrow.names and chosen != _SOURCE else [])]
        for batch in table.iter_batches(_BATCH, columns=wanted):
            for row in batch.to_pylist():
                source = row.get(_SOURCE)
                yield str(row[chosen] or ""), None if source is None else str(source)
    except pa.ArrowException as error:
        raise DataError(f"A whole Parquet table is required. Got: {one_line(error, 100)}.") from None


def _column(names: Sequence[str], asked: str | None) -> str:
    if asked is None:
        found = next((one for one in _COLUMNS if one in names), None)
        if found is not None:
            return found
        raise SettingError(
            f"A table with a column {', '.join(_COLUMNS[:-1])} or {_COLUMNS[-1]} is required. Got: {', '.join(names) or 'none'}; "
            "name one with --column."
        )
    if asked not in names:
        raise SettingError(
            f"A column of {', '.join(names) or 'a table with a header'} is required. Got: {asked!r}.{meant(asked, names)}"
        )
    return asked
