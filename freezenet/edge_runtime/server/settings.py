"""What one server is told at its start."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from freezenet.edge_runtime.images.limits import MAX_PIXELS

#: Largest request body in bytes: a 16-bit image of the largest flat-panel detector, uncompressed, fits.
MAX_BYTES = 64_000_000


@dataclass(frozen=True)
class Settings:
    """The limits and doors of a server.

    max_bytes, max_pixels: of one request's body and image. upload_seconds: longest time for a body to arrive.
    answer_seconds: longest time from the whole body to the answer, waiting included. token: what `Authorization: Bearer`
    must hold, or None where everybody who can connect may ask. hosts: host names that a request may be addressed to, beside
    this machine's own; None: any. store: folder in which each classified image is kept, or None.
    """

    max_bytes: int = MAX_BYTES
    max_pixels: int = MAX_PIXELS
    upload_seconds: float = 60
    answer_seconds: float = 30
    token: str | None = field(default=None, repr=False)
    hosts: frozenset[str] | None = frozenset()
    store: Path | None = None

    @property
    def buffered_bytes(self) -> int:
        """Most bytes of request bodies held in memory at a time, all requests together."""
        return 4 * self.max_bytes
