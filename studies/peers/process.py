"""The process of one way, asked file by file."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from freezenet.benchmarks.latency import peak_memory
from studies.clients.answers import client_environment, how_it_ended
from studies.peers.ways import Start

PROGRAM = Path(__file__).parent / "programs" / "answering_files.py"
#: Where the process finds `edge_runtime`.
ROOT = Path(__file__).resolve().parents[2]
#: Longest wait for one reply, seconds.
TIMEOUT = 300


class WayProcess:
    """A running way; a context manager that ends the process.

    cores: the CPU cores that it may run on.
    """

    def __init__(self, start: Start, cores: list[int]) -> None:
        """Start the process without waiting for it."""
        self.started = time.perf_counter()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (__exit__ closes it)
        self._process = subprocess.Popen(
            [str(start.python), str(PROGRAM), json.dumps({**start.request, "cores": cores})],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, env=client_environment([ROOT]),
        )  # fmt: skip

    def __enter__(self) -> WayProcess:
        """Return the running process."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def ask(self, file: Path, times: int) -> dict[str, Any]:
        """Return {"ms": milliseconds of each of `times` answers after a first, "scores"}, or {"cannot": why}."""
        assert self._process.stdin is not None and self._process.stdout is not None
        clock = threading.Timer(TIMEOUT, self._process.kill)
        clock.start()
        try:
            self._process.stdin.write(json.dumps({"file": str(file), "times": times}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            clock.cancel()
        if line:
            return json.loads(line)
        self._errors.seek(0)
        return {"cannot": how_it_ended(self._process.wait(), self._errors.read().decode(errors="replace"))}

    def peak_memory(self) -> int | None:
        """Return the peak resident memory of the process in bytes, or None where the system does not say."""
        return peak_memory(self._process.pid)


def usable_cores() -> list[int]:
    """Return the numbers of the CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
