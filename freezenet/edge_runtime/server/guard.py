"""What surrounds each request: its id, checks of its address, security headers, the log line and the count."""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
import uuid
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

from freezenet.edge_runtime.server.access import host_allowed, same_origin
from freezenet.edge_runtime.server.errors import RequestError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from freezenet.edge_runtime.server.metrics import Metrics

logger = logging.getLogger(__name__)

#: On every answer. The policy allows the page its own files and pictures made in the browser, and nothing from elsewhere.
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class AccessLog:
    """The access log, on stdout, without a word that a client chose: time, method, path, status, milliseconds, request id.

    Args:
        as_json: Write JSON, not text for people.
    """

    def __init__(self, as_json: bool = False) -> None:
        """Nothing is written yet."""
        self._as_json = as_json

    def write(self, **fields: Any) -> None:
        """Write one line; a reader of stdout that went away does not stop the server."""
        moment = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        line = {"time": moment, **fields}
        try:
            print(json.dumps(line) if self._as_json else "  ".join(map(str, line.values())), flush=True)
        except OSError:
            sys.stdout = None  # type: ignore[assignment]  # print() to None does nothing


class Guard:
    """ASGI middleware around all routes.

    Args:
        app: What is surrounded.
        paths: The paths that may be named in the log; any other could hold a patient's name.
        hosts: See `freezenet.edge_runtime.server.settings.ServerSettings`.
        metrics: Counts each request.
        log: Gets a line for each request.
    """

    def __init__(
        self, app: ASGIApp, *, paths: frozenset[str], hosts: frozenset[str] | None, metrics: Metrics, log: AccessLog
    ) -> None:
        """Keep what the checks and the log need."""
        self._app = app
        self._paths = paths
        self._hosts = hosts
        self._metrics = metrics
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.update(SECURITY_HEADERS)
                headers["X-Request-ID"] = request_id
            await send(message)

        try:
            self._check(scope)
            await self._app(scope, receive, send_with_headers)
        except RequestError as error:
            await error_answer(error, request_id)(scope, receive, send_with_headers)
        except Exception as error:
            # The place only: the exception's text could hold what a client sent.
            place = traceback.extract_tb(error.__traceback__)[-1]
            fault = f"{type(error).__name__} in {Path(place.filename).name} line {place.lineno}"
            logger.error(f"Error: An unexpected failure in request {request_id}: {fault}; please report it.")
            failure = RequestError(500, f"A server without a fault is required. Got: {fault}; report it.")
            if not status:
                await error_answer(failure, request_id)(scope, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - started
            method = scope["method"] if scope["method"] in _METHODS else "other"
            path = scope["path"] if scope["path"] in self._paths else "other"
            self._metrics.requests.labels(method, path, status).inc()
            self._metrics.request_seconds.labels(path).observe(seconds)
            self._log.write(method=method, path=path, status=status, ms=round(seconds * 1e3, 1), request_id=request_id)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if not host_allowed(host, self._hosts):
            raise RequestError(
                421, "A request addressed to this server is required. Got: another host name; see --allow-host."
            )
        # A page of another site may not send images in the name of the one who looks at it.
        if origin is not None and not same_origin(origin, host):
            raise RequestError(403, "A request of this server's own page is required. Got: one of another site.")


def error_answer(error: RequestError, request_id: str) -> JSONResponse:
    """Return the answer for a request that is refused."""
    return JSONResponse({"error": str(error), "request_id": request_id}, error.status, error.headers)
