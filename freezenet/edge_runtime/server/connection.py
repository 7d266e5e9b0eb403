"""One connection of a client: how long it may be idle, send and read, and which goes when there are too many."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

logger = logging.getLogger(__name__)

#: Longest wait in seconds for the head of a request, or for the end of a body whose request is answered already.
HEAD_SECONDS = 20
#: Longest time in seconds for a client to read an answer.
READ_SECONDS = 60
#: Connections at a time; systems commonly give a process 1024 files.
MAX_CONNECTIONS = 500
#: Seconds for which a body may be on its way before its connection gives way to a new one, should there be too many.
_FIRST_BODY_SECONDS = 5
#: Open files beside the connections, those included that the system handed over and that are not counted yet.
_OTHER_FILES = 300
#: A sentence about the sockets is said once in so many seconds.
_SAY_SECONDS = 60
_BUSY = b'{"error": "A free connection is required. Got: as many as this server takes; ask again."}'
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_BUSY), _BUSY)
)


class Sayings:
    """Sentences about sockets, of which an attack would make thousands: each at most once a minute."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        self._said: dict[str, float] = {}

    def say(self, sentence: str) -> None:
        """Log a sentence, unless it was said a moment ago."""
        now = time.monotonic()
        if now - self._said.get(sentence, -_SAY_SECONDS) >= _SAY_SECONDS:
            self._said[sentence] = now
            logger.warning(sentence)


SAYINGS = Sayings()


class Connection(H11Protocol):
    """Uvicorn's connection, closed when no request begins or nobody reads in time; the body's time is the intake's."""

    _head_timer: asyncio.TimerHandle | None = None
    _read_timer: asyncio.TimerHandle | None = None
    _answers = 0
    _since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for the first request; where there are too many connections, another one goes."""
        super().connection_made(transport)
        self._since = self.loop.time()
        if len(self.connections) > MAX_CONNECTIONS and not self._make_room():
            self.connections.discard(self)
            transport.write(_REFUSAL)
            transport.close()
            return
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        super().connection_lost(exc)
        for timer in (self._head_timer, self._read_timer):
            if timer is not None:
                timer.cancel()

    def on_response_complete(self) -> None:
        """Start to wait for the next request, and for the client to read the rest."""
        self._answers += 1
        self._since = self.loop.time()
        if not self.transport.is_closing():
            self._wait_for_head()
        if self.transport.get_write_buffer_size():
            self._wait_for_reader()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Start to wait for the client to read."""
        super().pause_writing()
        self._wait_for_reader()

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way."""
        return self.cycle is None or self.cycle.response_complete

    def _make_room(self) -> bool:
        """Close the connection that does nothing for the longest time, or that sends its body for longest."""
        others: list[Any] = [one for one in self.connections if one is not self]
        idle = [one for one in others if one.is_idle]
        late = self.loop.time() - _FIRST_BODY_SECONDS
        chosen = idle or [one for one in others if one.cycle.more_body and one._since < late]
        if not chosen:
            SAYINGS.say(f"{MAX_CONNECTIONS} connections are at work; more are refused.")
            return False
        SAYINGS.say(f"More than {MAX_CONNECTIONS} connections: those that do nothing for the longest time are closed.")
        longest = min(chosen, key=lambda one: one._since)
        self.connections.discard(longest)
        longest.transport.abort()
        return True

    def _wait_for_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._no_head)

    def _no_head(self) -> None:
        if self.is_idle:
            self.transport.close()
            if self.transport.get_write_buffer_size():
                self._wait_for_reader()

    def _wait_for_reader(self) -> None:
        if self._read_timer is None:
            self._read_timer = self.loop.call_later(READ_SECONDS, self._no_reader, self._answers)

    def _no_reader(self, answers: int) -> None:
        self._read_timer = None
        if self.transport.get_write_buffer_size():
            if answers == self._answers or self.is_idle:
                SAYINGS.say(f"A client that reads its answer within {READ_SECONDS} seconds is required: closed.")
                self.transport.abort()
            else:  # an answer that began later
                self._wait_for_reader()


def said_once(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Say what went wrong in the event loop, such as a socket that the system has no file for; asyncio would say it each time."""
    error = context.get("exception")
    what = type(error).__name__ if error is not None else str(context.get("message", "a failure"))
    SAYINGS.say(f"A connection failed: {getattr(error, 'strerror', None) or what}.")


def allow_files() -> None:
    """Let this process have as many files as its connections need, where the system lets it."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + _OTHER_FILES
    if 0 <= soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard < 0 else min(wanted, hard), hard))
