"""Two indexes on disk, of names and of contents: with ten million inputs, neither has room in the memory of a small machine.

Both can be made again from the Parquet files, and are where they are missing, damaged, or behind.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

#: Seconds to wait for another process that reads or writes.
_PATIENCE = 60


class _Index:
    """A table of digests, each with a number, and of the shards that it holds.

    Args:
        path: Of the SQLite file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._open()
            with closing(self._database.execute("PRAGMA quick_check(1)")) as found:
                sound = found.fetchone()[0] == "ok"
        except sqlite3.DatabaseError:
            sound = False
        if not sound:
            self.close()
            path.unlink(missing_ok=True)
            self._open()

    def _open(self) -> None:
        # Journals of the kind that network file systems can hold.
        self._database = sqlite3.connect(self._path, timeout=_PATIENCE, check_same_thread=False)
        with self._database:
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS digests (digest BLOB PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID"
            )
            self._database.execute("CREATE TABLE IF NOT EXISTS shards (shard INTEGER PRIMARY KEY)")

    def shards(self) -> set[int]:
        """Return the numbers of the shards that are in it."""
        return {number for (number,) in self._database.execute("SELECT shard FROM shards")}

    def clear(self) -> None:
        """Forget everything."""
        with self._database:
            self._database.execute("DELETE FROM digests")
            self._database.execute("DELETE FROM shards")

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _add(self, shard: int, digests: Iterable[tuple[bytes, int]]) -> None:
        with self._database:
            # The least number is the first of its content, in whatever order shards come.
            self._database.executemany(
                "INSERT INTO digests VALUES (?, ?) ON CONFLICT (digest) DO UPDATE SET number = min(number, excluded.number)",
                digests,
            )
            self._database.execute("INSERT OR IGNORE INTO shards VALUES (?)", (shard,))


class NameIndex(_Index):
    """Which names stand in the manifest."""

    def has(self, uri: str) -> bool:
        """Whether an input of the name was added."""
        found = self._database.execute("SELECT 1 FROM digests WHERE digest = ?", (_name_digest(uri),)).fetchone()
        return found is not None

    def add(self, shard: int, uris: Iterable[str], first: int) -> None:
        """Add the names of a shard, whose first has this number."""
        self._add(shard, ((_name_digest(uri), first + place) for place, uri in enumerate(uris)))


class ContentIndex(_Index):
    """Which content is that of which input: the first of it in the manifest, among the shards that were added."""

    def add(self, shard: int, contents: Iterable[tuple[str, int]]) -> None:
        """Add (SHA-256 in hexadecimal, number) of the inputs of a shard."""
        self._add(shard, ((bytes.fromhex(sha256), number) for sha256, number in contents))

    def first_of(self, sha256s: Iterable[str]) -> Iterator[tuple[str, int]]:
        """Yield (SHA-256, number of the first input) of those contents that are known."""
        for sha256 in sha256s:
            number = first_of_content(self._database, sha256)
            if number is not None:
                yield sha256, number


def first_of_content(database: sqlite3.Connection, sha256: str) -> int | None:
    """Return the number of the first input of a content, None where there is none yet."""
    digest = bytes.fromhex(sha256)
    found = database.execute("SELECT number FROM digests WHERE digest = ?", (digest,)).fetchone()
    return None if found is None else int(found[0])


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open the file of a `ContentIndex` that another process writes."""
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_PATIENCE, check_same_thread=False)


def _name_digest(uri: str) -> bytes:
    return hashlib.blake2b(uri.encode(), digest_size=16).digest()
