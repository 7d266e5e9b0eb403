"""Images decoded by processes of their own, which are ended when they take too long.

A process is started with the first image that needs one and then kept: one image after the other, and never more processes
than cores. The file goes in through a pipe and the gray values come back through another, so no file is written.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import math
import os
import signal
import struct
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from freezenet.edge_runtime.errors import DataError, FreezenetError, MissingExtraError, TemporaryError
from freezenet.edge_runtime.images.bounds.cost import Cost
from freezenet.edge_runtime.images.bounds.memory import MEMORY
from freezenet.edge_runtime.system.child import module_command

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Longest processor time for one image, in seconds, and longest wait for it by the clock, on a machine that is busy.
CPU_SECONDS, SECONDS = 15, 30
#: An image: bytes of the file, bytes of memory, the size to shrink to (0, 0 for none), whether tags are trusted.
REQUEST = struct.Struct(">QQII?")
#: A reply: 0 gray values or 1 a failure; height and width, or bytes of text and 0.
REPLY = struct.Struct(">BII")
#: What a process decodes is tried once more where it ended for a reason that need not be the file's.
_TRIES = 2
_KINDS = {"MissingExtraError": MissingExtraError, "TemporaryError": TemporaryError, "MemoryError": TemporaryError}


class Ended(Exception):
    """The decoding was ended by this process, which is being stopped."""


class _Decoder:
    """One process, and the images that it is given one after the other; patience: how many times as long as usual it has for one."""

    def __init__(self, patience: float) -> None:
        self._seconds = SECONDS * patience
        self._process: Any = subprocess.Popen(
            module_command("freezenet.edge_runtime.images.bounds.process", str(math.ceil(CPU_SECONDS * patience))),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.is_late = False

    def gray(self, data: bytes, cost: Cost, shrink_to: tuple[int, int] | None, trust_tags: bool) -> NDArray[np.uint8]:
        """Return the gray values; EOFError where the process ended."""
        timer = threading.Timer(self._seconds, self._too_late)
        timer.daemon = True
        timer.start()
        try:
            self._process.stdin.write(REQUEST.pack(len(data), cost.memory, *(shrink_to or (0, 0)), trust_tags))
            self._process.stdin.write(data)
            self._process.stdin.flush()
            failed, rows, columns = REPLY.unpack(self._read(REPLY.size))
            if failed:
                said = json.loads(self._read(rows))
                raise _KINDS.get(said["kind"], DataError)(said["sentence"])
            return np.frombuffer(self._read(rows * columns), np.uint8).reshape(rows, columns)
        except (OSError, ValueError, struct.error):  # the pipe is closed, by the process's end or by ours
            raise EOFError from None
        finally:
            timer.cancel()

    def _read(self, count: int) -> bytearray:
        content = bytearray(count)
        view, at = memoryview(content), 0
        while at < count:
            got = self._process.stdout.readinto(view[at:])
            if not got:
                raise EOFError
            at += got
        return content

    def _too_late(self) -> None:
        self.is_late = True
        self._process.kill()

    def end(self) -> int:
        """End the process, however busy; return how it ended."""
        self._process.kill()
        code = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()
        return code

    def death(self) -> tuple[bool, str]:
        """Return whether the time was over, and how the process ended, in words."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        code = self.end()
        if self.is_late or code == -getattr(signal, "SIGXCPU", 0):
            return True, ""
        return False, signal.Signals(-code).name if code < 0 else f"code {code}"


class Apart:
    """The processes that decode for this one.

    Args:
        count: How many at most.
    """

    def __init__(self, count: int) -> None:
        """None is started yet."""
        #: How many times as long as usual an image may take; for processes that are started from now on.
        self.patience: float = 1
        self._places = threading.BoundedSemaphore(count)
        self._lock = threading.Lock()
        self._idle: list[_Decoder] = []
        self._busy: set[_Decoder] = set()
        self._closed = False
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=lambda: self.__init__(count))  # type: ignore[misc]

    def gray(
        self, data: bytes, cost: Cost, shrink_to: tuple[int, int] | None, *, trust_tags: bool
    ) -> NDArray[np.uint8]:
        """Return the gray values (h, w) uint8 of a file that a process decodes; see `read_gray`.

        Raises:
            FreezenetError: As `read_gray`; also where it ends the process twice.
            TemporaryError: It takes longer than CPU_SECONDS, or the process was killed twice, as where memory is short.
            Ended: `end` was called meanwhile.
        """
        how = ""
        for _ in range(_TRIES):
            with self._places:
                decoder = self._take()
                try:
                    found = decoder.gray(data, cost, shrink_to, trust_tags)
                except FreezenetError:
                    self._give_back(decoder)
                    raise
                except EOFError:
                    self._give_up(decoder)
                    is_late, how = decoder.death()
                    if self._closed:
                        raise Ended from None
                    if is_late:
                        raise TemporaryError(
                            f"An image that is decoded within {CPU_SECONDS * self.patience:g} seconds is required. Got: one that takes longer; "
                            "save it as a PNG or a baseline JPEG."
                        ) from None
                    continue
                except BaseException:
                    self._give_up(decoder)
                    decoder.end()
                    raise
                self._give_back(decoder)
                return found
        kind = TemporaryError if how == "SIGKILL" else DataError
        raise kind(
            f"A file that can be decoded is required. Got: one with which the decoder's process ended twice ({how}); it is "
            "damaged, or needs more memory than this machine has."
        )

    def end(self) -> None:
        """End all processes now, and start no other."""
        with self._lock:
            self._closed = True
            busy, idle, self._idle = list(self._busy), self._idle, []
        for decoder in busy:  # whoever waits for it clears away
            decoder._process.kill()
        for decoder in idle:
            decoder.end()

    def _take(self) -> _Decoder:
        with self._lock:
            if self._closed:
                raise Ended
            decoder = self._idle.pop() if self._idle else _Decoder(self.patience)
            self._busy.add(decoder)
            return decoder

    def _give_back(self, decoder: _Decoder) -> None:
        with self._lock:
            self._busy.discard(decoder)
            if not self._closed:
                self._idle.append(decoder)
                return
        decoder.end()

    def _give_up(self, decoder: _Decoder) -> None:
        with self._lock:
            self._busy.discard(decoder)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


#: Those of this process.
APART = Apart(_cores())
atexit.register(APART.end)


def gray_apart(
    data: bytes, cost: Cost, shrink_to: tuple[int, int] | None = None, *, trust_tags: bool = True
) -> NDArray[np.uint8]:
    """Return the gray values of a file that a thread may not decode; waits for memory and for a process."""
    with MEMORY.room(cost.memory):
        return APART.gray(data, cost, shrink_to, trust_tags=trust_tags)
