"""Budgets of memory for all images that are being decoded, in however many threads and processes.

Threads have one and processes another, so that an ordinary image never waits until a large one has found its memory.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.bounds.cost import Cost, HeavyImage

#: Bytes for all images together, in processes and in threads; files not counted. With these, a service stays below 1 GB.
DECODING_BYTES, THREADS_BYTES = 448 << 20, 128 << 20
#: What a thread decodes: the most seconds, by the bounds of the worst file, and the most bytes.
THREAD_SECONDS, THREAD_BYTES = 1.0, 64 << 20
#: What is not worth counting.
_SMALL_BYTES = 1 << 20


class Memory:
    """A number of bytes, handed out in the order in which they are asked for.

    Args:
        total: In bytes.
    """

    def __init__(self, total: int) -> None:
        """Nothing is taken yet."""
        self.total = total
        self._free = total
        self._state = threading.Condition()
        self._waiting: deque[object] = deque()

    @property
    def taken(self) -> int:
        """Bytes that are taken now."""
        return self.total - self._free

    def check(self, count: int) -> None:
        """Raise DataError for an image that could never be given so many bytes."""
        if count > self.total:
            raise DataError(
                f"An image that can be decoded in {self.total >> 20} MiB of memory is required. Got: one that may take "
                f"{count >> 20} MiB; scale it down, or save it as a PNG or a baseline JPEG."
            )

    @contextmanager
    def room(self, count: int) -> Iterator[None]:
        """Take so many bytes for the block, after those who asked before; `check` says what is too much."""
        self.check(count)
        turn = object()
        with self._state:
            self._waiting.append(turn)
            try:
                self._state.wait_for(lambda: self._waiting[0] is turn and count <= self._free)
                self._free -= count
            finally:
                self._waiting.remove(turn)
                self._state.notify_all()
        try:
            yield
        finally:
            with self._state:
                self._free += count
                self._state.notify_all()


#: Those of this program: for what processes decode, and for what its own threads do.
MEMORY, THREADS = Memory(DECODING_BYTES), Memory(THREADS_BYTES)


class Place:
    """Where this code runs: in a thread that must be given back soon, or in a process that can be ended."""

    can_be_ended = False


@contextmanager
def room(cost: Cost) -> Iterator[None]:
    """Let a decoder work inside the block where it may; around every call of one.

    Raises:
        DataError: It would take more memory than there is for all images.
        HeavyImage: A thread may not do it.
    """
    MEMORY.check(cost.memory)
    if Place.can_be_ended or (cost.memory <= _SMALL_BYTES and cost.seconds <= THREAD_SECONDS):
        yield
        return
    if cost.seconds > THREAD_SECONDS or cost.memory > THREAD_BYTES:
        raise HeavyImage(cost)
    with THREADS.room(cost.memory):
        yield
