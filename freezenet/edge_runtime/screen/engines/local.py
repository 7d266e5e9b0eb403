"""The engine of one machine: a process for each core, each with its own pipes, so that none that is killed holds another up.

The inputs of few shards are under way at a time, so that memory stays flat however long one of them takes.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from freezenet.edge_runtime.batch import available_cores
from freezenet.edge_runtime.screen.engines.answers import PATIENCE, Answering, Row
from freezenet.edge_runtime.screen.engines.reader import Reader
from freezenet.edge_runtime.screen.inputs.item import Item
from freezenet.edge_runtime.screen.manifest import Shard

#: Shards that are under way at a time.
IN_HAND = 2
#: Seconds after which whoever waits for a row hears that there is none yet.
_BEAT = 1.0
#: Seconds in which rows gather: to be woken for each one would take time from those who answer.
_PAUSE = 0.05
#: Bytes of memory that a process may take: model, libraries, fetched files, and the budgets of `images.bounds.memory`.
PROCESS_BYTES = 1 << 30


class LocalEngine:
    """Answers with processes of this machine.

    Args:
        answering: What they are to do.
        workers: How many; None: one for each core, and no more than the free memory holds.
    """

    def __init__(self, answering: Answering, workers: int | None = None) -> None:
        """Start the processes, which load the model while the inputs are listed."""
        self._answering = answering
        count = workers or default_workers(answering.classifier.interpreter.threads)
        self._readers = [Reader(answering) for _ in range(count)]

    @property
    def pids(self) -> list[int]:
        """The numbers of the processes."""
        return [one.pid for one in self._readers]

    def rows(self, shards: Iterator[Shard]) -> Iterator[Row | None]:
        """Yield the rows of all inputs, roughly in their order; None where none came for a second.

        Args:
            shards: Taken by a thread of its own when a shard before them is done.

        Raises:
            FreezenetError: No input can be answered, or `shards` raised it.
        """
        hand = _Hand(shards)
        threads = [threading.Thread(target=hand.feed, daemon=True)]
        threads += [threading.Thread(target=hand.work, args=(one,), daemon=True) for one in self._readers]
        for one in threads:
            one.start()
        try:
            yield from hand.rows(len(self._readers))
        finally:
            hand.close()
            self.close()

    def patient(self) -> LocalEngine:
        """Return one that gives each file more time, with no other in work; only when this one is at its end."""
        return LocalEngine(replace(self._answering, patience=PATIENCE), 1)

    def close(self) -> None:
        """End the processes."""
        for one in self._readers:
            one.end()


class _Hand:
    """What is between the one who lists, those who work, and the one who writes."""

    def __init__(self, shards: Iterator[Shard]) -> None:
        self._shards = shards
        # Neither holds more than the shards in hand do.
        self._items: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        # A row, the end of one who works, or what went wrong.
        self._rows: queue.SimpleQueue[Row | BaseException | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(IN_HAND)
        self._left: dict[int, int] = {}
        self._first: list[tuple[int, int]] = []
        self._closed = threading.Event()

    def feed(self) -> None:
        """Lay the inputs of shard after shard out."""
        try:
            for shard in self._shards:
                while not self._room.acquire(timeout=0.2):
                    if self._closed.is_set():
                        return
                first = int(shard.inputs["number"][0].as_py())
                self._left[shard.number] = len(shard)
                self._first.append((first, shard.number))
                for item in shard.items():
                    self._items.put(item)
            self._items.put(None)
        except BaseException as error:
            self._rows.put(error)

    def work(self, reader: Reader) -> None:
        """Let one process answer until nothing is left."""
        try:
            for row in reader.rows(self._take):
                self._rows.put(row)
            self._rows.put(None)
        except BaseException as error:
            if not self._closed.is_set():
                self._rows.put(error)

    def rows(self, workers: int) -> Iterator[Row | None]:
        """Yield what comes back until all who work are done."""
        while workers:
            if self._rows.empty():
                time.sleep(_PAUSE)
            try:
                got = self._rows.get(timeout=_BEAT)
            except queue.Empty:
                yield None
                continue
            if got is None:
                workers -= 1
            elif isinstance(got, BaseException):
                raise got
            else:
                yield got
                self._done(got["number"])

    def close(self) -> None:
        """Let no thread wait any longer."""
        self._closed.set()
        with contextlib.suppress(queue.Empty):
            while True:
                self._items.get_nowait()

    def _take(self, may_wait: bool) -> Item | None:
        while True:
            try:
                item = self._items.get(may_wait, timeout=0.2)
            except queue.Empty:
                if not may_wait:
                    raise
                if self._closed.is_set():
                    return None
                continue
            if item is None:
                self._items.put(None)  # for the next one who asks
            return item

    def _done(self, number: int) -> None:
        shard = next(shard for first, shard in reversed(self._first) if first <= number)
        self._left[shard] -= 1
        # In their order: rows wait in the memory for those of a shard before them.
        while self._first and not self._left[self._first[0][1]]:
            del self._left[self._first.pop(0)[1]]
            self._room.release()


def default_workers(threads: int) -> int:
    """Return how many processes this machine has cores and memory for; at least 1.

    Args:
        threads: Of one inference.
    """
    room = _free_bytes() // PROCESS_BYTES
    return max(1, min(available_cores() // threads, room))


def _free_bytes() -> int:
    """Return the bytes of memory that are free, by the system and by the limit of a container; much where nobody says."""
    free = 1 << 60
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = int(next(one for one in lines if one.startswith("MemAvailable")).split()[1]) << 10
    with contextlib.suppress(OSError, ValueError):  # cgroup v2; without a limit it says "max"
        limit, used = (int(Path(f"/sys/fs/cgroup/memory.{name}").read_text()) for name in ("max", "current"))
        free = min(free, limit - used)
    return free
