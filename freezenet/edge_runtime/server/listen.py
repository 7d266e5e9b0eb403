"""Listen on an address and answer until a signal comes."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import uvicorn

from freezenet.edge_runtime.errors import FreezenetError, SettingError
from freezenet.edge_runtime.server.access import is_loopback
from freezenet.edge_runtime.server.app import create_app
from freezenet.edge_runtime.server.connection import Connection, allow_files, said_once
from freezenet.edge_runtime.server.guard import AccessLog
from freezenet.edge_runtime.server.settings import ServerSettings
from freezenet.edge_runtime.server.workers import Workers

logger = logging.getLogger(__name__)

#: Longest time in seconds that accepted requests get to be finished after a signal.
GRACE_SECONDS = 30
#: Of these, what is left for the workers to end and for the process itself.
_LAST_SECONDS = 5
#: Connections that are taken from the system at once: they have a file each before they are counted.
_AT_ONCE = 32
#: Connections that the system keeps until they are taken.
_BACKLOG = 256


class _Server(uvicorn.Server):
    """Uvicorn's server, which ends in the promised time whatever hangs."""

    def __init__(self, config: uvicorn.Config, workers: Workers) -> None:
        super().__init__(config)
        self._workers = workers

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().set_exception_handler(said_once)
        await super().startup(sockets)
        for door in sockets or []:
            door.listen(_BACKLOG)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        last = threading.Timer(GRACE_SECONDS - 1, self._give_up)
        last.daemon = True
        last.start()
        super().handle_exit(sig, frame)

    def _give_up(self) -> None:
        self._workers.kill()
        logger.error(f"Error: A worker did not end within {GRACE_SECONDS} seconds; the process is ended with it.")
        os._exit(1)


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
        door = socket.create_server(place[:2], family=family, backlog=_BACKLOG)  # type: ignore[arg-type]
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
    allow_files()
    server = _Server(
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
            backlog=_AT_ONCE,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=GRACE_SECONDS - _LAST_SECONDS,
        ),
        workers,
    )
    # Uvicorn stops in good order and then raises the signal again, which would end the process with its number.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server.run(sockets=[door.socket])
    if failures:
        raise failures[0]
    logger.info("Stopped.")
