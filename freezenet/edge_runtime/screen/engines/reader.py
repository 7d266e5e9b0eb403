"""A process that answers inputs, and is started again when it ends: a file that ends it is tried alone, and then named.

What kills a process may be the file in it, a small machine that is out of memory, or a person. So each file that may have been in work gets
processes of its own; only the third that ends with it alone makes it the culprit, and all others go on.
"""

from __future__ import annotations

import contextlib
import pickle
import queue
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from freezenet.edge_runtime.errors import FreezenetError, ModelError
from freezenet.edge_runtime.screen.engines.answers import KILLED, Answering, Row
from freezenet.edge_runtime.screen.engines.process import READY
from freezenet.edge_runtime.screen.inputs.item import Item, is_remote
from freezenet.edge_runtime.screen.inputs.remote import FETCHERS
from freezenet.edge_runtime.system.child import module_command

#: Inputs that a process has been told of at most: enough to fetch from a bucket ahead of the work.
AHEAD = FETCHERS
#: How often a file is tried alone, and how often a process is started that ends before it is ready.
_ALONE, _STARTS = 3, 5
#: Seconds without an answer after which a process counts as stuck: more than the slowest image and the slowest server may take.
_STUCK = 600


class _Died(Exception):
    """The process ended; how, in words."""


class Reader:
    """One process at a time; to be used by one thread.

    Args:
        answering: What the process is to do.
    """

    def __init__(self, answering: Answering) -> None:
        """Start the first process; it loads the model meanwhile."""
        self._told = pickle.dumps(answering, pickle.HIGHEST_PROTOCOL)
        self._closed = threading.Event()
        self._asked: float | None = None
        self._is_ready = False
        self._process: Any = None
        self._start()
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return int(self._process.pid)

    def rows(self, take: Callable[[bool], Item | None]) -> Iterator[Row]:
        """Yield the row of each input that `take` gives, in their order, until it gives None.

        Args:
            take: A function whose argument says whether it may wait; where it may not, it raises `queue.Empty`.

        Raises:
            FreezenetError: No input can be answered.
        """
        told: deque[Item] = deque()
        is_over, enough = False, AHEAD
        while True:
            news: list[Item] = []
            with contextlib.suppress(queue.Empty):
                while not is_over and len(told) < enough and len(told) + len(news) < AHEAD:
                    # Who has something to do does not wait: it may be what others wait for.
                    item = take(not told and not news)
                    if item is None:
                        is_over = True
                    else:
                        news.append(item)
                        # Many local files at once: each message wakes a thread of the process, which answers meanwhile.
                        enough = AHEAD if is_remote(item.container or item.uri) else AHEAD // 2
            # A process that ends while it is told may have begun.
            told += news
            if not told:
                return
            try:
                self._be_ready()
                self._send(news)
                row = self._receive()
            except _Died:
                self._start()
                # Any of them may have been in work: rows gather before they are sent.
                while told:
                    yield self._alone(told[0])
                    told.popleft()
                continue
            told.popleft()
            yield row

    def end(self) -> None:
        """End the process, however busy."""
        self._closed.set()
        self._kill()

    def _alone(self, item: Item) -> Row:
        """Return the row of an input with which a process ended, from one that has nothing else to do."""
        how = ""
        for _ in range(_ALONE):
            self._be_ready()
            try:
                self._send([item])
                return self._receive()
            except _Died as died:
                how = str(died)
                self._start()
        sentence = (
            f"A file that can be read is required. Got: one with which {_ALONE} processes ended, one after the other ({how}); it is "
            "damaged, or needs more memory than this machine has."
        )
        return {"number": item.number, "uri": item.uri, "source": item.source, "status": KILLED, "error": sentence}

    def _start(self) -> None:
        self._kill()
        self._is_ready = False
        self._process = subprocess.Popen(
            module_command("freezenet.edge_runtime.screen.engines.process"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        # A process that has ended by now shows when it is asked.
        with contextlib.suppress(OSError):
            self._process.stdin.write(self._told)
            self._process.stdin.flush()

    def _be_ready(self) -> None:
        """Wait until the model is loaded; a process that ends before is nobody's fault but the machine's."""
        how = ""
        for _ in range(_STARTS):
            if self._is_ready:
                return
            try:
                self._is_ready = self._receive() == READY
            except _Died as died:
                how = str(died)
                self._start()
        if not self._is_ready:
            raise ModelError(f"A process that loads the model is required. Got: {_STARTS} that ended at once ({how}).")

    def _send(self, items: Iterable[Item]) -> None:
        try:
            self._process.stdin.write(b"".join(pickle.dumps(one, pickle.HIGHEST_PROTOCOL) for one in items))
            self._process.stdin.flush()
        except OSError:
            raise self._death() from None

    def _receive(self) -> Any:
        self._asked = time.monotonic()
        try:
            said = pickle.load(self._process.stdout)
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):  # also in the middle of a row
            raise self._death() from None
        finally:
            self._asked = None
        if isinstance(said, FreezenetError):
            raise said
        return said

    def _death(self) -> _Died:
        if self._closed.is_set():
            raise ModelError("A reader that is not closed is required. Got: one that was ended.")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        code = self._process.poll()
        self._kill()
        if code is None:
            return _Died("it stopped to answer")
        return _Died(signal.Signals(-code).name if code < 0 else f"code {code}")

    def _kill(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()

    def _watch(self) -> None:
        """End a process that does not answer any more."""
        while not self._closed.wait(5):
            asked = self._asked
            if asked is not None and time.monotonic() - asked > _STUCK:
                self._process.kill()
