"""What C libraries print on stderr by themselves, kept from the user, who is told in one sentence what is wrong."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def without_chatter() -> Iterator[None]:
    """Drop what is written to stderr meanwhile, by libjpeg and libpng for example, which have no switch for it in OpenCV.

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
