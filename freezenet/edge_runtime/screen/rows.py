"""The rows that a screening writes: their columns, versioned, and a shard of them as a Parquet file.

docs/screen.md documents each column.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from freezenet.edge_runtime.files import write_atomically
from freezenet.edge_runtime.screen.engines.answers import OOD, PROBABILITY, Row

#: Version of the columns; a reader that knows another one refuses. It stands in each file's metadata.
SCHEMA_VERSION = 1
VERSION_KEY = b"freezenet.screen.schema"

_BEFORE = [("number", pa.int64()), ("uri", pa.string()), ("source", pa.string()), ("sha256", pa.string()),
           ("bytes", pa.int64()), ("status", pa.string()), ("error", pa.string()), ("label", pa.string()),
           ("reason", pa.string()), ("chest_xray", pa.bool_())]  # fmt: skip
_AFTER = [("duplicate_of", pa.string()), ("cam", pa.string()), ("study", pa.string()), ("series", pa.string()),
          ("instance", pa.string()), ("month", pa.string()), ("ms_fetch", pa.float32()), ("ms_decode", pa.float32()),
          ("ms_preprocess", pa.float32()), ("ms_invoke", pa.float32()), ("model_sha256", pa.string()),
          ("card_sha256", pa.string()), ("runtime", pa.string()), ("shard", pa.int32())]  # fmt: skip
#: What a duplicate takes from the first file of its content: all that depends on the content alone.
OF_CONTENT = ("status", "error", "label", "reason", "chest_xray", "cam", "study", "series", "instance", "month")


def row_schema(labels: Sequence[str], gates: int) -> pa.Schema:
    """Return the columns of a shard.

    Args:
        labels: The model's classes.
        gates: How many OOD gates it has.
    """
    middle = [(PROBABILITY + label, pa.float64()) for label in labels]
    readings = [(f"{OOD}{number}", pa.float64()) for number in range(gates)]
    fields = [*_BEFORE, *middle, *readings, *_AFTER]
    return pa.schema(fields, metadata={VERSION_KEY: str(SCHEMA_VERSION).encode()})


def content_columns(labels: Sequence[str], gates: int) -> tuple[str, ...]:
    """Return the columns whose values depend on a file's content alone."""
    probabilities = tuple(PROBABILITY + label for label in labels)
    return (*OF_CONTENT, *probabilities, *(f"{OOD}{number}" for number in range(gates)))


def write_rows(path: Path, rows: Iterable[Row], schema: pa.Schema, *, durable: bool = True) -> None:
    """Write a shard whole or not at all; durable: and onto the disk."""
    table = pa.Table.from_pylist(list(rows), schema=schema)
    write_atomically(path, lambda temporary: pq.write_table(table, temporary, compression="zstd"), durable=durable)


def rows_of(table: pa.Table) -> list[Row]:
    """Return rows as they were before they were written: what one does not say is no key of it."""
    return [{key: value for key, value in row.items() if value is not None} for row in table.to_pylist()]
