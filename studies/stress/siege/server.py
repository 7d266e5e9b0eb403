"""A server of its own: its memory, its log and its end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import IO

from freezenet.edge_runtime.errors import ModelError
from freezenet.edge_runtime.system.child import module_command

#: Longest start and longest end in seconds; a server that takes longer is ended.
_START, _END = 120, 120
#: Seconds between two looks at the memory.
_LOOK = 0.1


class Besieged:
    """`freezenet serve` on a free port, watched; a context manager.

    Args:
        model: What it serves.
        workers: Of the server.
        files: Most open files of the process, as systems commonly give.
    """

    def __init__(self, model: Path, workers: int, files: int = 1024) -> None:
        """Nothing is started yet."""
        self._command = [*module_command("freezenet", "serve", str(model), "--port", "0", "--workers", str(workers))]
        self._files = files
        self.peak_bytes = self.idle_bytes = 0
        self.port = 0
        self.exit_code: int | None = None
        self.seconds_to_end = 0.0
        self._over = threading.Event()

    def __enter__(self) -> Besieged:
        """Start it and wait until it is ready."""
        self._log: IO[bytes] = tempfile.TemporaryFile()

        def few_files() -> None:
            import resource

            resource.setrlimit(resource.RLIMIT_NOFILE, (self._files, self._files))

        self._process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=self._log, preexec_fn=few_files
        )
        end = time.monotonic() + _START
        while not (ready := re.search(rb"http://[^ ]*:(\d+)", self.log())):
            if self._process.poll() is not None or time.monotonic() > end:
                raise ModelError(f"A server that starts is required. Got: {self.log().decode(errors='replace')[-300:]}")
            time.sleep(0.05)
        self.port = int(ready[1])
        self.idle_bytes = self.peak_bytes = tree_bytes(self._process.pid)
        threading.Thread(target=self._look, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, however."""
        self._over.set()
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def log(self) -> bytes:
        """Return what the server said on stderr so far."""
        return os.pread(self._log.fileno(), 1 << 24, 0)

    def stop(self) -> None:
        """Send SIGTERM and measure how long it takes."""
        started = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        try:
            self.exit_code = self._process.wait(_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self.exit_code = self._process.wait()
        self.seconds_to_end = time.monotonic() - started

    def _look(self) -> None:
        while not self._over.wait(_LOOK):
            self.peak_bytes = max(self.peak_bytes, tree_bytes(self._process.pid))


def tree_bytes(pid: int) -> int:
    """Return the memory of a process and its children, shared pages counted once; 0 where it ended."""
    return sum(_bytes(one) for one in [pid, *_children(pid)])


def _bytes(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.M)
    return int(found[1]) << 10 if found else 0


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, path.read_text().split())
        except OSError:
            continue
    return found
