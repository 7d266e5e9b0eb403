"""A web server of a folder whose clients share so many bytes a second."""

from __future__ import annotations

import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

#: Bytes that one client gets before the next one's turn.
_PIECE = 16 << 10


class SlowServer:
    """Serves inside its block; entering gives the address.

    Args:
        folder: What is served.
        rate: Bytes a second, of all clients together.
    """

    def __init__(self, folder: Path, rate: float) -> None:
        """Bind a port of this machine."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
        self._server.link = _Link(rate)  # type: ignore[attr-defined]

    def __enter__(self) -> str:
        """Begin, and return http://HOST:PORT."""
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()


class _Link:
    def __init__(self, rate: float) -> None:
        self._rate, self._free, self._lock = rate, 0.0, threading.Lock()

    def wait(self, count: int) -> None:
        with self._lock:
            self._free = max(self._free, time.monotonic()) + count / self._rate
            until = self._free
        time.sleep(max(0.0, until - time.monotonic()))


class _Handler(SimpleHTTPRequestHandler):
    def copyfile(self, source: Any, outputfile: Any) -> None:
        while piece := source.read(_PIECE):
            self.server.link.wait(len(piece))  # type: ignore[attr-defined]
            outputfile.write(piece)

    def log_message(self, format: str, *_: object) -> None:
        pass
