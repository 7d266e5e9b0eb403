"""The process that decodes images for another one: `freezenet.edge_runtime.images.bounds.apart` starts and ends it.

Memory and processor time are limited by the system for each image, where it can; a decoder that wants more fails or is ended,
and takes nobody with it. No word of a library leaves it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.images.bounds.apart import REPLY, REQUEST
from freezenet.edge_runtime.images.bounds.memory import Place
from freezenet.edge_runtime.images.decoder import MORE_MEMORY
from freezenet.edge_runtime.images.reader import read_here

#: Bytes of address space beside those of the image: what the libraries load later, and the pieces that an allocator keeps.
_SLACK = 256 << 20
#: How much it stands back behind those who answer ordinary images.
_NICE = 5


def main(seconds: int) -> None:
    """Decode until standard input ends."""
    Place.can_be_ended = True
    cv2.setNumThreads(1)
    # Ctrl-C at a terminal reaches the whole group; the process that asks decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError, AttributeError):
        os.nice(_NICE)
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    while len(head := requests.read(REQUEST.size)) == REQUEST.size:
        length, memory, height, width, trust_tags = REQUEST.unpack(head)
        data = requests.read(length)
        if len(data) < length:
            return
        limit(memory + 2 * length, seconds)
        try:
            gray = read_here(data, (height, width) if height else None, trust_tags=trust_tags)
        except Exception as error:
            said = json.dumps({"kind": type(error).__name__, "sentence": _sentence(error)}).encode()
            replies.write(REPLY.pack(1, len(said), 0) + said)
        else:
            replies.write(REPLY.pack(0, *gray.shape))
            replies.write(np.ascontiguousarray(gray).data)
            del gray
        replies.flush()
        del data


def limit(memory: int, seconds: int) -> None:
    """Let this process take so many bytes more than now, and so much more processor time."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows, where only the time by the clock is limited
        return
    with contextlib.suppress(OSError, ValueError):
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + 1 + seconds, hard))
    with contextlib.suppress(OSError, ValueError):  # only Linux says how much there is now
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        wanted = used + memory + _SLACK
        resource.setrlimit(resource.RLIMIT_AS, (wanted if hard < 0 else min(wanted, hard), hard))


def _sentence(error: Exception) -> str:
    if isinstance(error, FreezenetError):
        return str(error)
    if isinstance(error, MemoryError):
        return MORE_MEMORY
    return f"A file that can be decoded is required. Got: {type(error).__name__} of the decoder; copy it again."


if __name__ == "__main__":
    main(int(sys.argv[1]))
