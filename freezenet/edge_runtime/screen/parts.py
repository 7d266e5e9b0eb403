"""What is known of shards that are under way, kept now and then: so a kill costs a minute of work, however large the shards are."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from freezenet.edge_runtime.screen.engines.answers import KNOWN, Row
from freezenet.edge_runtime.screen.rows import rows_of, write_rows

#: Seconds between two moments at which rows are kept, and for which shards under way are finished after a stop.
KEPT_EVERY, GRACE = 60.0, 20.0


class Parts:
    """A file for each shard that is under way.

    Args:
        folder: Where they lie.
        schema: Of a shard.
    """

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        """Nothing is read yet."""
        self._folder, self._schema = folder, schema
        self._kept: dict[int, int] = {}

    def read(self, sizes: Mapping[int, int]) -> dict[int, list[Row]]:
        """Return shard -> the rows that were kept; those of shards that are not under way any more are removed, as are damaged files.

        Args:
            sizes: Shard -> its inputs, of those that are listed and have no file of rows.
        """
        found = {}
        for path in self._folder.glob("*.parquet"):
            shard = int(path.stem)
            try:
                rows = rows_of(pq.read_table(path, schema=self._schema)) if shard in sizes else []
                # A shard whose rows are all there would never be asked for, and so never be written.
                rows = rows[: sizes.get(shard, 0) - 1]
            except (pa.ArrowException, OSError, KeyError):
                rows = []
            if not rows:
                path.unlink()
                continue
            for row in rows:
                if "status" not in row:
                    row[KNOWN] = True
            found[shard] = rows
            self._kept[shard] = len(rows)
        return found

    def keep(self, under_way: Mapping[int, Sequence[Row]]) -> None:
        """Write those that have grown."""
        for shard, rows in under_way.items():
            if len(rows) > self._kept.get(shard, 0):
                write_rows(self._path(shard), rows, self._schema, durable=False)
                self._kept[shard] = len(rows)

    def drop(self, shard: int) -> None:
        """Remove that of a shard which now has its file of rows."""
        if self._kept.pop(shard, None) is not None:
            self._path(shard).unlink(missing_ok=True)

    def _path(self, shard: int) -> Path:
        return self._folder / f"{shard:05d}.parquet"


class Moments:
    """When to keep what is under way, and when to leave it.

    Args:
        stop: Set when the work is to end: what is under way then is kept at once, and finished if that takes no longer than GRACE.
    """

    def __init__(self, stop: threading.Event) -> None:
        """Begin now."""
        self._stop = stop
        self._shards: set[int] | None = None
        self._kept = time.monotonic()
        self._until: float | None = None

    def must_keep(self) -> bool:
        """Whether a minute is over, or the stop has just come."""
        now = time.monotonic()
        has_just_stopped = self._until is None and self._stop.is_set()
        if has_just_stopped:
            self._until = now + GRACE
        if not has_just_stopped and now - self._kept < KEPT_EVERY:
            return False
        self._kept = now
        return True

    def is_over(self, under_way: Collection[int]) -> bool:
        """Whether no shard is left that was under way when the stop came, or the time for these is over."""
        if not self._stop.is_set():
            return False
        self._shards = set(under_way) if self._shards is None else self._shards & set(under_way)
        return not self._shards or (self._until is not None and time.monotonic() >= self._until)
