"""The process that fetches and answers inputs for another one: `freezenet.edge_runtime.screen.engines.reader` starts and ends it.

Pickles come in through standard input: an `Answering`, then one `Item` after the other. A pickle goes out for each: that it is ready, then
the row of each item in the same order, or a FreezenetError that ends the work. Rows gather for a moment, as each message wakes the other process,
which takes time from those who answer. Files that lie in a bucket are fetched ahead
by threads, while others are decoded and answered; their bytes have a budget.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO

import cv2

from freezenet.edge_runtime.errors import DataError, FreezenetError, SettingError, TemporaryError
from freezenet.edge_runtime.images.bounds import apart
from freezenet.edge_runtime.screen.engines.answers import Answering, now_ms
from freezenet.edge_runtime.screen.inputs.fetch import Fetcher
from freezenet.edge_runtime.screen.inputs.item import Item, is_remote
from freezenet.edge_runtime.screen.inputs.remote import FETCHERS

#: What the process says when the model is loaded.
READY = "ready"
#: Seconds and bytes for which rows gather.
_GATHER, _GATHERED_BYTES = 0.05, 1 << 16
#: Bytes that wait to be answered, beside those in work and those that are being fetched.
AHEAD_BYTES = 64 << 20

#: Bytes of an input or why there are none, and the milliseconds that it took.
_Fetched = tuple[bytes | DataError, float]


class Budget:
    """Holds fetches back while too many bytes wait to be answered; the next in turn is never held back.

    Args:
        total: In bytes.
    """

    def __init__(self, total: int) -> None:
        """Nothing waits yet."""
        self._total, self._held, self._turn = total, 0, 0
        self._state = threading.Condition()

    def wait(self, place: int) -> None:
        """Return when the input of this place, counted from 0, may be fetched."""
        with self._state:
            self._state.wait_for(lambda: place <= self._turn or self._held < self._total)

    def hold(self, count: int) -> None:
        """Count bytes that were fetched."""
        with self._state:
            self._held += count

    def free(self, count: int) -> None:
        """Take the bytes of the next in turn off."""
        with self._state:
            self._held -= count
            self._turn += 1
            self._state.notify_all()


def main() -> None:
    """Answer until standard input ends."""
    # Ctrl-C at a terminal and the end of a service reach the whole group; the process that asks decides what they mean.
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.SIG_IGN)
    requests = sys.stdin.buffer
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb", _GATHERED_BYTES)
    # No word of a library gets among the replies.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    cv2.setNumThreads(1)

    threading.Thread(target=_send, args=(replies,), daemon=True).start()

    def reply(said: object, *, waits: bool = False) -> None:
        pickle.dump(said, replies, pickle.HIGHEST_PROTOCOL)
        if not waits:
            replies.flush()

    with contextlib.suppress(BrokenPipeError):
        try:
            answering: Answering = pickle.load(requests)
            apart.APART.patience = answering.patience
            reply(READY)
            _answer_all(answering, requests, reply)
            replies.flush()
        except FreezenetError as error:
            reply(error)
    # Threads may wait for a server that does not answer.
    os._exit(0)


def _send(replies: BinaryIO) -> None:
    """Send what has gathered, also while a file takes long."""
    with contextlib.suppress(BrokenPipeError):
        while True:
            time.sleep(_GATHER)
            replies.flush()


def _answer_all(answering: Answering, requests: BinaryIO, reply: Callable[..., None]) -> None:
    waiting: queue.SimpleQueue[tuple[Item, Future[_Fetched] | None] | None] = queue.SimpleQueue()
    budget, fetch = Budget(AHEAD_BYTES), Fetcher()
    pool = ThreadPoolExecutor(FETCHERS)

    def timed(item: Item) -> _Fetched:
        started = now_ms()
        try:
            data: bytes | DataError = fetch(item)
        except DataError as error:
            data = error
        except SettingError as error:  # a name of which nothing can be made is that of one input
            data = DataError(str(error))
        except MemoryError:
            data = TemporaryError(f"Memory for the file is required. Got: too little for {item.uri!r}.")
        return data, now_ms() - started

    def ahead(item: Item, place: int) -> _Fetched:
        budget.wait(place)
        found = timed(item)
        budget.hold(_size(found))
        return found

    def receive() -> None:
        place = 0
        with contextlib.suppress(EOFError, OSError):
            while True:
                item: Item = pickle.load(requests)
                # A local file is in the memory of the system sooner than a thread could be asked.
                if is_remote(item.container or item.uri):
                    waiting.put((item, pool.submit(ahead, item, place)))
                    place += 1
                else:
                    waiting.put((item, None))
        waiting.put(None)

    threading.Thread(target=receive, daemon=True).start()
    while (got := waiting.get()) is not None:
        item, future = got
        found = timed(item) if future is None else future.result()
        # Of a bucket's files the next is asked for when a row arrives.
        reply(answering.row(item, *found), waits=future is None and not waiting.empty())
        if future is not None:
            budget.free(_size(found))


def _size(found: _Fetched) -> int:
    return len(found[0]) if isinstance(found[0], bytes) else 0


if __name__ == "__main__":
    main()
