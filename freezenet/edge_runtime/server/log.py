"""The access log: one line for each request, without a word that a client chose."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timezone
from typing import Any


class AccessLog:
    """Lines on stdout: time, method, path, status, milliseconds, request id."""

    def __init__(self, as_json: bool = False) -> None:
        """Write text for people, or JSON."""
        self._as_json = as_json

    def write(self, **fields: Any) -> None:
        """Write one line; a reader of stdout that went away does not stop the server."""
        moment = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        line = {"time": moment, **fields}
        try:
            print(json.dumps(line) if self._as_json else "  ".join(map(str, line.values())), flush=True)
        except OSError:
            sys.stdout = None  # type: ignore[assignment]  # print() to None does nothing
