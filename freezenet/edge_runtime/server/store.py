"""Keep images that were sent in, where the one who runs the server asked for it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from freezenet.edge_runtime.files import write_bytes

#: First bytes of a file -> its suffix.
_SIGNATURES = {
    b"\xff\xd8": ".jpg",
    b"\x89PNG\r\n\x1a\n": ".png",
    b"II": ".tif",
    b"MM": ".tif",
    b"BM": ".bmp",
    b"RIFF": ".webp",
}


def keep(folder: Path, request_id: str, image: bytes) -> Path:
    """Write the bytes as they came to <request id>-<SHA-256><suffix> in the folder; return the path. Raises OSError."""
    path = folder / f"{request_id}-{hashlib.sha256(image).hexdigest()}{_suffix(image)}"
    write_bytes(path, image, durable=True)
    return path


def _suffix(image: bytes) -> str:
    return next((suffix for start, suffix in _SIGNATURES.items() if image.startswith(start)), ".dcm")
