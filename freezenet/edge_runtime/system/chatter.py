"""What libraries say by themselves, kept from the user, who is told in one sentence what is wrong."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def without_chatter() -> Iterator[None]:
    """Drop what is written to stderr meanwhile, by an interpreter for example that has no switch for it.

    Only where this is the process's only Python thread: stderr belongs to the whole process, and the log line of
    another thread must not be lost. In a server such chatter therefore reaches the log.
    """
    if threading.active_count() > 1:
        yield
        return
    try:
        kept = os.dup(2)
    except OSError:  # started without a stderr
        yield
        return
    try:
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, 2)
        os.close(sink)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


class _Shared:
    """A change to the whole process that lasts while at least one thread is inside of its `with` block.

    The first thread makes it and the last takes it back, so that threads do not take it from each other.

    Args:
        change: Makes the change and returns a function that takes it back.
    """

    def __init__(self, change: Callable[[], Callable[[], object]]) -> None:
        self._change, self._lock, self._inside = change, threading.Lock(), 0
        self._undo: Callable[[], object] = lambda: None

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        """Make the change for the block."""
        with self._lock:
            if not self._inside:
                self._undo = self._change()
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside:
                    self._undo()


def _ignore_pydicom() -> Callable[[], object]:
    # Not warnings.catch_warnings, with which threads take the filters from each other.
    item: Any = ("ignore", None, Warning, re.compile("pydicom|highdicom"), 0)
    filters: Any = warnings.filters
    filters.insert(0, item)

    def undo() -> None:
        others: Any = warnings.filters  # where somebody uses catch_warnings meanwhile
        for place in (filters, others):
            place[:] = [one for one in place if one is not item]

    return undo


#: For a `with` block: what pydicom and highdicom say about odd values is not shown.
without_pydicom_warnings = _Shared(_ignore_pydicom)
