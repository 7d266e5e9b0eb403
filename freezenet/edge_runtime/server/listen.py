"""Listen on an address and answer until a signal comes."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import click
import uvicorn

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.server.access import is_loopback
from freezenet.edge_runtime.server.app import create_app
from freezenet.edge_runtime.server.connection import Connection
from freezenet.edge_runtime.server.log import AccessLog
from freezenet.edge_runtime.server.settings import Settings
from freezenet.edge_runtime.server.workers import Workers

#: Longest time in seconds that accepted requests get to be finished after a signal.
GRACE_SECONDS = 30
#: Connections at a time; systems commonly give a process 1024 files.
MAX_CONNECTIONS = 500


@dataclass(frozen=True)
class Door:
    """A listening socket. loopback: only this machine can reach it. address: its URL."""

    socket: socket.socket
    loopback: bool
    address: str


@contextmanager
def listen(host: str, port: int) -> Iterator[Door]:
    """Take a port; FreezenetError where that cannot be done."""
    try:
        family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        door = socket.create_server(place[:2], family=family, backlog=256)  # type: ignore[arg-type]
    except OSError as error:
        # Python appends the address to the reason, where the reason has a number above 0.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
        raise FreezenetError(
            f"An address of this machine with a free port is required. Got: {host} port {port}: {reason.lower()}; "
            "choose another with --host and --port."
        ) from None
    with door:
        name, number = door.getsockname()[:2]
        shown = f"[{name}]" if ":" in name else name
        yield Door(door, is_loopback(name), f"http://{shown}:{number}")


def run(door: Door, workers: Workers, settings: Settings, as_json: bool) -> None:
    """Answer until SIGTERM or SIGINT; what was accepted is finished. FreezenetError where the model cannot answer."""
    failures: list[FreezenetError] = []

    def when_warm(failure: FreezenetError | None) -> None:
        if failure is None:
            click.echo(f"Ready: {door.address} answers with {workers.identity['model']}.", err=True)
        else:
            failures.append(failure)
            server.should_exit = True

    app = create_app(workers, settings, AccessLog(as_json), when_warm)
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
    print("Stopped.", file=sys.stderr)
