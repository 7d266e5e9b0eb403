"""Listen on an address and answer until a signal comes."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from freezenet.edge_runtime.errors import FreezenetError, SettingError
from freezenet.edge_runtime.server.access import is_loopback
from freezenet.edge_runtime.server.app import create_app
from freezenet.edge_runtime.server.guard import AccessLog
from freezenet.edge_runtime.server.settings import ServerSettings
from freezenet.edge_runtime.server.workers import Workers

logger = logging.getLogger(__name__)

#: Longest wait in seconds for the head of a request, or for the end of a body whose request is answered already.
HEAD_SECONDS = 20
#: Longest time in seconds that accepted requests get to be finished after a signal.
GRACE_SECONDS = 30
#: Connections at a time; systems commonly give a process 1024 files.
MAX_CONNECTIONS = 500


class Connection(H11Protocol):
    """Uvicorn's connection, closed when no request begins in time; the body's time is the intake's."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for the first request."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        super().connection_lost(exc)
        if self._head_timer is not None:
            self._head_timer.cancel()

    def on_response_complete(self) -> None:
        """Start to wait for the next request."""
        self._wait_for_head()
        super().on_response_complete()

    def _wait_for_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._no_head)

    def _no_head(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


@dataclass(frozen=True)
class Door:
    """A listening socket.

    Args:
        socket: Itself.
        loopback: Whether only this machine can reach it.
        address: Its URL.
    """

    socket: socket.socket
    loopback: bool
    address: str


@contextmanager
def listen(host: str, port: int) -> Iterator[Door]:
    """Take a port; SettingError where that cannot be done."""
    try:
        family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        door = socket.create_server(place[:2], family=family, backlog=256)  # type: ignore[arg-type]
    except OSError as error:
        # Python appends the address to the reason, where the reason has a number above 0.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
        raise SettingError(
            f"An address of this machine with a free port is required. Got: {host} port {port}: {reason.lower()}; "
            "choose another with --host and --port."
        ) from None
    with door:
        name, number = door.getsockname()[:2]
        shown = f"[{name}]" if ":" in name else name
        yield Door(door, is_loopback(name), f"http://{shown}:{number}")


def run(door: Door, workers: Workers, settings: ServerSettings, *, as_json: bool = False) -> None:
    """Answer until SIGTERM or SIGINT; what was accepted is finished. FreezenetError where the model cannot answer."""
    failures: list[FreezenetError] = []

    def when_warm(failure: FreezenetError | None) -> None:
        if failure is None:
            logger.info(f"Ready: {door.address} answers with {workers.identity['model']}.")
        else:
            failures.append(failure)
            server.should_exit = True

    app = create_app(workers, settings, log=AccessLog(as_json), when_warm=when_warm)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
    # Uvicorn stops in good order and then raises the signal again, which would end the process with its number.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server.run(sockets=[door.socket])
    if failures:
        raise failures[0]
    logger.info("Stopped.")
