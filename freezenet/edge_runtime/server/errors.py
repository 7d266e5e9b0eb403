"""What a request is refused with."""

from __future__ import annotations

from collections.abc import Mapping

from freezenet.edge_runtime.errors import FreezenetError


class RequestError(FreezenetError):
    """A request that gets no answer: the HTTP status, one sentence, and headers that belong to the status."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        """Keep what the client is told."""
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


class BusyError(RequestError):
    """503: the server has as much work as it takes; `seconds` is when to come again."""

    def __init__(self, message: str, seconds: int) -> None:
        """Keep the sentence and the number for Retry-After."""
        super().__init__(503, message, {"Retry-After": str(seconds)})
