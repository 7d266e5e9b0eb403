"""HTTP connections that do not wait forever for a client that sends nothing."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

#: Longest wait in seconds for the head of a request, or for the end of a body whose request is answered already.
HEAD_SECONDS = 20


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
