"""Inputs without an answer for a reason that may pass: an outage, a machine that was busy or short of memory. They are tried once more when
all others are done, alone and with more time; and again whenever somebody asks for it.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from freezenet.edge_runtime.names import counted
from freezenet.edge_runtime.screen.engines.answers import LASTING, PASSING, Row
from freezenet.edge_runtime.screen.folder import ScreenFolder
from freezenet.edge_runtime.screen.manifest import Manifest, Shard
from freezenet.edge_runtime.screen.rows import rows_of

logger = logging.getLogger(__name__)

#: Failures one after the other that end it: what keeps them from being answered has not passed.
_HOPELESS = 100


class Retries:
    """The rows of a finished screening that another try may replace.

    Args:
        manifest: Names the inputs.
        folder: Where the rows lie.
    """

    def __init__(self, manifest: Manifest, folder: ScreenFolder) -> None:
        """Look through the rows."""
        self._manifest, self._folder = manifest, folder
        self._statuses: Counter[str] = Counter()
        self._now: Counter[str] = Counter()
        self._in_a_row = 0
        #: Shard -> inputs to be tried; duplicates of these are none, and follow them.
        self._numbers: dict[int, list[int]] = {}
        #: Shards with such duplicates.
        self._waiting: set[int] = set()
        for path in folder.finished_shards():
            rows = pq.read_table(path, columns=["number", "status", "duplicate_of"])
            rows = rows.filter(pc.is_in(rows["status"], pa.array(PASSING)))
            if len(rows):
                own = rows.filter(pc.is_null(rows["duplicate_of"]))
                shard = folder.shard_number(path)
                self._numbers[shard] = own["number"].to_pylist()
                if len(own) < len(rows):
                    self._waiting.add(shard)
                self._statuses.update(own["status"].to_pylist())
        self._answers: dict[int, list[Row]] = {shard: [] for shard in self._numbers}

    @property
    def count(self) -> int:
        """How many inputs there are to be tried."""
        return self._statuses.total()

    @property
    def has_any(self) -> bool:
        """Whether there are any, or duplicates alone, whose first may have had its answer before a kill."""
        return bool(self._answers)

    @property
    def is_hopeless(self) -> bool:
        """Whether so many failed again, one after the other, that the rest would, too."""
        return self._in_a_row >= _HOPELESS

    def announce(self) -> None:
        """Say what is tried."""
        logger.info(
            "Trying %s again, alone and with more time: %s.", counted(self.count, "input"), _said(self._statuses)
        )

    def conclude(self) -> None:
        """Say what came of it."""
        logger.info("Of these now: %s.", _said(self._now) or "none tried")
        if self.is_hopeless:
            logger.warning("%d failed one after the other; the others were not tried.", _HOPELESS)

    def shards(self, stop: threading.Event) -> Iterator[Shard]:
        """Yield the inputs, shard after shard, until `stop` is set."""
        for shard, numbers in self._numbers.items():
            if stop.is_set():
                return
            if numbers:
                yield self._manifest.shard(shard).with_numbers(numbers)

    def take(self, row: Row) -> None:
        """Keep the row of an input that was tried."""
        if row.get("status") not in PASSING:
            self._in_a_row = 0
        elif not row.get(LASTING):  # a hundred files that are gone would keep all behind them from ever being tried
            self._in_a_row += 1
        self._now[row.get("status", "duplicate")] += 1
        shard = next(one for one, numbers in reversed(self._numbers.items()) if numbers and numbers[0] <= row["number"])
        self._answers[shard].append(row)

    def full(self) -> Iterator[tuple[int, list[Row]]]:
        """Yield (shard, rows) of the first shards whose inputs have all been tried, also where only duplicates wait."""
        while self._answers:
            shard, rows = next(iter(self._answers.items()))
            if len(rows) < len(self._numbers[shard]):
                return
            del self._answers[shard]
            yield shard, rows

    def rest(self) -> Iterator[tuple[int, list[Row]]]:
        """Yield (shard, rows) of those of whose inputs only some were tried, or in which duplicates wait."""
        yield from ((shard, rows) for shard, rows in self._answers.items() if rows or shard in self._waiting)

    def merged(self, shard: int, again: Sequence[Row]) -> list[Row]:
        """Return all rows of a shard, with these in the place of the earlier ones."""
        by_number = {row["number"]: row for row in again}
        return [by_number.get(row["number"], row) for row in rows_of(pq.read_table(self._folder.shard_file(shard)))]


def _said(statuses: Counter[str]) -> str:
    return ", ".join(f"{number} {status}" for status, number in statuses.most_common())
