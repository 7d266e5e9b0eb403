"""What one server is told at its start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from freezenet.edge_runtime.images.limits import MAX_PIXELS
from freezenet.edge_runtime.settings import Settings, setting

#: Largest request body in bytes: a 16-bit image of the largest flat-panel detector, uncompressed, fits.
MAX_BYTES = 64_000_000


@dataclass(frozen=True)
class ServerSettings(Settings):
    """The limits and doors of a server.

    Args:
        max_bytes: Largest body of a request.
        max_pixels: Largest image of a request.
        queue: Images that may wait.
        upload_seconds: Longest time for a body to arrive.
        answer_seconds: Longest time from the whole body to the answer, waiting included.
        token: What `Authorization: Bearer` must hold, or None where everybody who can connect may ask.
        hosts: Host names that a request may be addressed to, beside this machine's own; None: any.
        store: Folder in which each classified image is kept, or None.
    """

    max_bytes: int = setting(MAX_BYTES, low=1000, help="Largest file.")
    max_pixels: int = setting(MAX_PIXELS, low=1000, high=MAX_PIXELS, help="Largest image.")
    queue: int = setting(32, low=0, help="Images that may wait.")
    upload_seconds: float = setting(60, low=0)
    answer_seconds: float = setting(30, low=0)
    token: str | None = setting(None, repr=False)
    hosts: frozenset[str] | None = frozenset()
    store: Path | None = None

    @property
    def buffered_bytes(self) -> int:
        """Most bytes of request bodies held in memory at a time, all requests together."""
        return 4 * self.max_bytes
