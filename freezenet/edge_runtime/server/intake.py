"""Receive a request's body: in memory only, within limits of bytes and time, before any worker is taken.

An image is kept only where the one who runs the server asked for it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from freezenet.edge_runtime.errors import one_line
from freezenet.edge_runtime.files import write_bytes
from freezenet.edge_runtime.images.header import image_format
from freezenet.edge_runtime.server.errors import BusyError, RequestError

if TYPE_CHECKING:
    from freezenet.edge_runtime.server.settings import ServerSettings

#: The multipart field that holds the image.
FIELD = "file"
#: Media types of a body that is the image itself, beside image/*.
BINARY_TYPES = frozenset({"", "application/octet-stream", "application/dicom"})
#: Format of a file -> its suffix; any other that was classified is DICOM.
_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "TIFF": ".tif", "BMP": ".bmp", "WebP": ".webp"}
#: Bytes of a multipart body beside the image: boundaries and the part's headers.
_FRAME_BYTES = 64 * 1024


class _MemoryParser(MultiPartParser):
    """A multipart parser that never opens a temporary file, because no image may reach the disk."""

    spool_max_size = 0  # SpooledTemporaryFile: no limit


class Intake:
    """The door that images come in by."""

    def __init__(self, settings: ServerSettings, retry_after: Callable[[], int]) -> None:
        """Start with nothing held; `retry_after` says in how many seconds the server has room again."""
        self._settings = settings
        self._retry_after = retry_after
        self.held_bytes = 0

    @asynccontextmanager
    async def image(self, request: Request) -> AsyncIterator[bytes]:
        """Give the bytes of the image that a request carries; they count as held until the context ends.

        RequestError: 400 for a broken body, 408 too slow, 413 too large, 415 another media type, 499 the client went
        away, 503 no room for more bodies.
        """
        held = _Held(self)
        try:
            yield await asyncio.wait_for(self._read(request, held), self._settings.upload_seconds)
        except asyncio.TimeoutError:
            raise RequestError(
                408,
                f"A body that arrives within {self._settings.upload_seconds:g} seconds is required. Got: a slower one.",
                {"Connection": "close"},
            ) from None
        except ClientDisconnect:
            raise RequestError(499, "A client that waits is required. Got: one that went away.") from None
        finally:
            held.release()

    async def _read(self, request: Request, held: _Held) -> bytes:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        multipart = media_type == "multipart/form-data"
        if not multipart and media_type not in BINARY_TYPES and not media_type.startswith("image/"):
            raise RequestError(
                415,
                "A body of type image/*, application/dicom, application/octet-stream or multipart/form-data is required. "
                "Got: another type; name the type in the header Content-Type.",
            )
        stream = self._limited(request, self._settings.max_bytes + (_FRAME_BYTES if multipart else 0), held)
        if not multipart:
            return b"".join([chunk async for chunk in stream])
        try:
            form = await _MemoryParser(request.headers, stream, max_files=1, max_fields=4).parse()
        except MultiPartException as error:
            reason = one_line(error.message, 100)
            raise RequestError(400, f"A whole multipart body with one file is required. Got: {reason}.") from None
        file = form.get(FIELD)
        if not isinstance(file, UploadFile):
            raise RequestError(400, f"A multipart body with a file in the field {FIELD!r} is required. Got: none.")
        content = await file.read()
        await form.close()
        if len(content) > self._settings.max_bytes:
            raise self._too_large()
        return content

    async def _limited(self, request: Request, limit: int, held: _Held) -> AsyncGenerator[bytes, None]:
        """Yield the body's chunks; stop holding where the limits are passed."""
        declared = request.headers.get("content-length", "")
        # A client that sends first and reads later sees the refusal only if its body is taken and dropped. That is done for
        # a body a little too large; one far too large is not worth it.
        if declared.isdigit() and int(declared) > 2 * limit:
            raise self._too_large()
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > 2 * limit:
                break
            if size <= limit:
                held.add(len(chunk))
                yield chunk
        if size > limit:
            raise self._too_large()

    def _too_large(self) -> RequestError:
        return RequestError(
            413, f"An image file of at most {self._settings.max_bytes / 1e6:g} MB is required. Got: a larger one."
        )

    def _make_room(self, count: int) -> None:
        if self.held_bytes + count > self._settings.buffered_bytes:
            raise BusyError(
                "Room for one more image is required. Got: many large ones at the same time; ask again.",
                self._retry_after(),
            )
        self.held_bytes += count


class _Held:
    """The bytes that one request holds."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._count = 0

    def add(self, count: int) -> None:
        """Hold more; BusyError where all requests together would hold too much."""
        self._intake._make_room(count)
        self._count += count

    def release(self) -> None:
        """Hold nothing more."""
        self._intake.held_bytes -= self._count
        self._count = 0


def keep(folder: Path, request_id: str, image: bytes) -> Path:
    """Write the bytes as they came to <request id>-<SHA-256><suffix> in the folder; return the path. Raises OSError."""
    suffix = _SUFFIXES.get(image_format(image) or "", ".dcm")
    path = folder / f"{request_id}-{hashlib.sha256(image).hexdigest()}{suffix}"
    write_bytes(path, image, durable=True)
    return path
