"""A service: it ends when it is told to, and tells people and a service manager how it is.

The manager's protocol is one datagram to the socket named in NOTIFY_SOCKET (sd_notify(3), whose page asks programs to write these few
lines themselves rather than to link a library for them).
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from freezenet.edge_runtime.system.talk import printable
from freezenet.edge_runtime.watch.listener import Listener, Outcome

logger = logging.getLogger(__name__)


@contextmanager
def told_to_stop() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM and Ctrl-C set; people and the manager are told when the service ends."""
    stop = threading.Event()
    # Not stop.set itself: the main thread may hold the event's lock in the moment of the signal.
    ended = {number: signal.signal(number, lambda *_: threading.Thread(target=stop.set).start())
             for number in (signal.SIGTERM, signal.SIGINT)}  # fmt: skip
    try:
        yield stop
    finally:
        notify(STOPPING="1")
        if stop.is_set():
            logger.info("Stopped.")
        for number, handler in ended.items():
            signal.signal(number, handler)


class Reporter(Listener):
    """Writes to stdout what became of each file, logs how the service is, and tells both to the service manager.

    Args:
        as_json: Lines of stdout are JSON.
        names: Files may be named; their names may hold names of patients.
    """

    def __init__(self, as_json: bool, names: bool) -> None:
        """Nothing is said yet."""
        self.as_json, self.names = as_json, names
        self.counts = {"answered": 0, "abstained": 0, "rejected": 0}

    def done(self, outcome: Outcome) -> None:
        """Write the line of a file that is done."""
        self.counts[outcome.state] += 1
        click.echo(json.dumps(line_json(outcome, self.names)) if self.as_json else line(outcome, self.names))
        notify(STATUS=", ".join(f"{number} {state}" for state, number in self.counts.items()))

    def say(self, sentence: str) -> None:
        """Log one sentence about the service itself."""
        super().say(sentence)
        notify(STATUS=sentence)

    def ready(self, status: str) -> None:
        """Tell the manager that the work begins."""
        notify(READY="1", STATUS=status)

    def alive(self) -> None:
        """Tell the manager that the service does not hang."""
        notify(WATCHDOG="1")


def line(outcome: Outcome, names: bool) -> str:
    """Return the line for a person: digits of the SHA-256, state, and the file's name where it may be said."""
    shown = [outcome.sha256[:12], outcome.state]
    return "\t".join([*shown, printable(outcome.file)] if names else shown)


def line_json(outcome: Outcome, names: bool) -> dict[str, Any]:
    """Return the object in OUTBOX/<name>.json with its state, less what holds the file's name where it may not be said."""
    # A decoder's sentence about a file may quote from it.
    hidden = set() if names else {"file", "overlay", "error"}
    return {"state": outcome.state, **{key: value for key, value in outcome.record.items() if key not in hidden}}


def notify(**values: str) -> bool:
    """Send e.g. READY="1", WATCHDOG="1", STATUS="..."; return whether somebody listens. Never raises.

    Without NOTIFY_SOCKET, as on a terminal, nothing happens.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    # A line break would begin another message.
    message = "\n".join(f"{key}={printable(value)}" for key, value in values.items())
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.setblocking(False)
            # A name that begins with @ lives outside the file system.
            channel.sendto(message.encode(), f"\0{address[1:]}" if address[0] == "@" else address)
    except OSError:  # a service manager that is away or busy must not stop the work
        return False
    return True
