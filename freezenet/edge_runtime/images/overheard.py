"""What C libraries print while an image is decoded: the only place where libjpeg and libtiff say that a file is damaged.

They fill the damaged part with something, return an image, and print a line to stderr, which belongs to the whole process.
So stderr is a file while at least one thread decodes. Threads do not wait for each other: almost always nothing is
printed, and then nothing was wrong with any of the images. Where something was printed while several were being decoded,
each of these is decoded once more, alone.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")
_STDERR = 2
#: Bytes from which on what was read of the file is dropped.
_LARGEST = 1 << 20


class Overheard:
    """Calls into C libraries, with what they print.

    Args:
        begin: Called when stderr begins to be a file; returns the function that is called when it ends.
        ours: Matches what the libraries print, by lines. All else, what other threads print, reaches the real stderr, if a
            moment late.
    """

    def __init__(self, begin: Callable[[], Callable[[], object]], ours: re.Pattern[bytes]) -> None:
        self._begin, self._ours = begin, ours
        self._state = threading.Condition()
        self._inside, self._entered, self._alone = 0, 0, False
        self._file, self._kept, self._read = -1, -1, 0
        self._end: Callable[[], object] = lambda: None
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forked)

    def __call__(self, call: Callable[[], Result]) -> tuple[Result, list[bytes]]:
        """Return the result of a call, and the lines that it printed itself."""
        result, lines, shared = self._heard(call, alone=False)
        if lines and shared:
            result, lines, _ = self._heard(call, alone=True)
        return result, lines

    def _heard(self, call: Callable[[], Result], alone: bool) -> tuple[Result, list[bytes], bool]:
        lines: list[bytes] = []
        with self._state:
            self._state.wait_for(lambda: not self._alone and not (alone and self._inside))
            self._alone = alone
            self._inside += 1
            self._entered += 1
            number, shared = self._entered, self._inside > 1
            if not shared:
                self._redirect()
            start = self._size()
        try:
            result = call()
        finally:
            with self._state:
                self._inside -= 1
                lines = self._printed(start)
                shared = shared or self._entered > number
                if not self._inside:
                    self._restore()
                if alone:
                    self._alone = False
                self._state.notify_all()
        return result, lines, shared

    def _redirect(self) -> None:
        # Where the process was started without a stderr, its number may be that of somebody's file.
        if sys.__stderr__ is None:
            return
        try:
            self._file = self._file if self._file >= 0 else _scratch()
            self._kept = os.dup(_STDERR)
            os.dup2(self._file, _STDERR)
        except (OSError, ValueError):  # closed meanwhile, or no place for a file
            self._close_kept()
        self._end = self._begin()

    def _restore(self) -> None:
        self._end()
        if self._kept >= 0:
            self._printed(self._size())
            os.dup2(self._kept, _STDERR)
            # Only now nobody begins another line in the file; what came since the last look is passed on before it goes.
            while self._read < self._size():
                self._printed(self._size())
            self._close_kept()
            # A write that had begun may still end up in the file: it is passed on with the next image, so the file is kept.
            if self._read > _LARGEST:
                os.ftruncate(self._file, 0)
                self._read = 0

    def _close_kept(self) -> None:
        if self._kept >= 0:
            os.close(self._kept)
        self._kept = -1

    def _size(self) -> int:
        return os.fstat(self._file).st_size if self._kept >= 0 else 0

    def _printed(self, start: int) -> list[bytes]:
        """Return what the libraries printed from `start` on, and pass on what others printed since the last call."""
        if self._kept < 0 or self._size() == min(start, self._read):
            return []
        first = min(start, self._read)
        text = _read_at(self._file, first, self._size() - first)
        others = self._ours.sub(b"", text[self._read - first :])
        self._read = first + len(text)
        if others:
            with contextlib.suppress(OSError):  # nobody reads it any more
                os.write(self._kept, others)
        return self._ours.findall(text[start - first :])

    def _forked(self) -> None:
        """Begin anew in a child, which has none of the threads that were inside."""
        if self._kept >= 0:
            os.dup2(self._kept, _STDERR)
            self._close_kept()
        self._state = threading.Condition()
        self._inside, self._alone, self._file, self._read = 0, False, -1, 0


def _read_at(file: int, start: int, count: int) -> bytes:
    """Read from a place of a file whose own place other threads move by writing to it."""
    if hasattr(os, "pread"):
        return os.pread(file, count, start)
    os.lseek(file, start, os.SEEK_SET)
    return os.read(file, count)


def _scratch() -> int:
    """Return the number of a nameless file, in memory where the system can, that is written at its end."""
    if hasattr(os, "memfd_create"):
        import fcntl

        file = os.memfd_create("stderr")
        fcntl.fcntl(file, fcntl.F_SETFL, os.O_APPEND)
        return file
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "stderr")
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_TEMPORARY", 0))
    if not hasattr(os, "O_TEMPORARY"):  # Windows removes it when it is closed
        os.unlink(path)
        os.rmdir(folder)
    return file
