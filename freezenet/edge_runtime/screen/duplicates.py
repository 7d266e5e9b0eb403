"""Inputs of equal content: the first of them in the manifest has the answer, the others take it over and say whose it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pyarrow.parquet as pq

from freezenet.edge_runtime.screen.engines.answers import KNOWN, PASSING, Row
from freezenet.edge_runtime.screen.folder import ScreenFolder
from freezenet.edge_runtime.screen.index import ContentIndex
from freezenet.edge_runtime.screen.rows import content_columns, rows_of


class Duplicates:
    """Settles, shard after shard, which input is the first of its content.

    Shards come in their order, so that the result does not depend on who was quicker, or on kills.

    Args:
        folder: Where the rows of earlier shards lie.
        index: The contents of these.
        size: Inputs of a shard.
        columns: What depends on the content alone.
    """

    def __init__(self, folder: ScreenFolder, index: ContentIndex, size: int, columns: Sequence[str]) -> None:
        """Bring the index up to the rows that are there."""
        self._folder, self._index, self._size, self._columns = folder, index, size, tuple(columns)
        known = index.shards()
        for path in folder.finished_shards():
            number = folder.shard_number(path)
            if number not in known:
                rows = pq.read_table(path, columns=["sha256", "number"]).to_pydict()
                index.add(number, _contents(rows["sha256"], rows["number"]))

    def settle(self, shard: int, rows: Sequence[Row]) -> None:
        """Give the duplicates among the rows of a shard, which are in their order, the answer of the first of their content."""
        own: dict[str, int] = {}
        known = dict(self._index.first_of({row["sha256"] for row in rows if row.get("sha256")}))
        elsewhere: dict[int, list[tuple[Row, int]]] = defaultdict(list)
        start = shard * self._size
        for row in rows:
            sha256 = row.get("sha256")
            if sha256 is None:
                continue
            # The index may hold this shard already, from before a kill.
            number: int = row["number"]
            first = min(known.get(sha256, number), own.setdefault(sha256, number))
            if first >= start and first != number:
                self._take_over(row, rows[first - start])
            elif first < start:
                elsewhere[first // self._size].append((row, first % self._size))
        for number, duplicates in elsewhere.items():
            places = [place for _, place in duplicates]
            table = pq.read_table(self._folder.shard_file(number), columns=["uri", *self._columns])
            for (row, _), first_row in zip(duplicates, table.take(places).to_pylist(), strict=True):
                self._take_over(row, first_row)
        self._index.add(shard, _contents([row.get("sha256") for row in rows], [row["number"] for row in rows]))

    def without_usurpers(self, rows: Sequence[Row]) -> list[Row]:
        """Return rows of inputs that were tried again, but for failures whose content is that of a later input.

        They would be the first of it, and their failure would stand where the later one may have an answer; so they keep the row that they had.
        """
        failed = {row["sha256"] for row in rows if row.get("sha256") and row.get("status") in PASSING}
        first = dict(self._index.first_of(failed))
        return [
            row
            for row in rows
            if row.get("status") not in PASSING or first.get(row.get("sha256", ""), row["number"]) <= row["number"]
        ]

    def follow(self, shard: int, rows: Sequence[Row]) -> dict[int, list[Row]]:
        """Return shard -> its rows, of later shards in which inputs have to follow one of these rows that has just got its content.

        Args:
            shard: That of the rows; `settle` comes after what is returned here was written, or a kill between them would leave two firsts.
            rows: Those that were answered again.
        """
        # Of several of one content the first, or the others would follow a duplicate.
        in_order = sorted(rows, key=lambda row: row["number"], reverse=True)
        mine = {row["sha256"]: row for row in in_order if row.get("sha256")}
        later = {sha for sha, first in self._index.first_of(mine) if first > mine[sha]["number"]}
        found: dict[int, list[Row]] = {}
        for path in self._folder.finished_shards() if later else ():
            number = self._folder.shard_number(path)
            if number <= shard or later.isdisjoint(pq.read_table(path, columns=["sha256"])["sha256"].to_pylist()):
                continue
            found[number] = rows_of(pq.read_table(path))
            for row in found[number]:
                if row.get("sha256") in later:
                    self._take_over(row, mine[row["sha256"]])
        return found

    def _take_over(self, row: Row, first: Row) -> None:
        own_cam = row.get("cam")
        if own_cam is not None and own_cam != first.get("cam"):
            (self._folder.path / own_cam).unlink(missing_ok=True)
        row.pop(KNOWN, None)
        row |= {column: first.get(column) for column in self._columns}
        row["duplicate_of"] = first["uri"]


def content_columns_of(job: dict[str, Any]) -> tuple[str, ...]:
    """Return the columns that depend on the content alone, of a job."""
    return content_columns(job["labels"], job["gates"])


def _contents(sha256s: Sequence[str | None], numbers: Sequence[int]) -> list[tuple[str, int]]:
    return [(sha256, number) for sha256, number in zip(sha256s, numbers, strict=True) if sha256 is not None]
