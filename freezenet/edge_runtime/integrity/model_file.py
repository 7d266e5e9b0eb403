"""A model file as it was read: once, so that what answers, what is named and what is checked are the same bytes.

A file that is replaced or overwritten while a process runs is nothing to that process; a memory-mapped one would change under
it, and end it where it becomes shorter. Measured on x86-64 with the int8 file of 2.8 MB and its OOD gate: the process is as large as
with a mapped file (12.8 MB more than before the load; with four workers 32 MB, because they share the bytes), and reading takes
2 ms, the digest 2 ms.

    the network (a flatbuffer) | the archive (ZIP): card.json, labels.txt, golden images

TFLite metadata stores associated files as a ZIP archive behind the flatbuffer, so any ZIP reader opens them.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from freezenet.edge_runtime.errors import ModelError, RefusedError

#: Bytes 4..8 of every TFLite flatbuffer.
TFLITE_IDENTIFIER = b"TFL3"
#: Largest model file, in bytes.
MAX_BYTES = 512 << 20
#: Largest associated file, unpacked, in bytes; a card has some 25 kB, and as JSON becomes thirty times as large in the memory.
MAX_ASSOCIATED = 4 << 20
#: Largest list of names of the archive, in bytes; that of ours has some 400.
_MAX_DIRECTORY = 1 << 20
#: What ends an archive: its identifier, its size without a comment, and the longest comment.
_END, _END_SIZE, _MAX_COMMENT = b"PK\5\6", 22, 0xFFFF
#: What stands in front of that in archives beyond 4 GB.
_LOCATOR, _LOCATOR_SIZE = b"PK\6\7", 20


@dataclass(frozen=True)
class ModelFile:
    """The bytes of a .tflite file.

    Args:
        path: Where they were read.
        content: All of them.
        proven: Whether conversion.json or a signature says that they are what a conversion wrote.
    """

    path: Path
    content: bytes = field(repr=False)
    proven: bool = False

    @classmethod
    def read(cls, path: str | Path) -> ModelFile:
        """Read a file; ModelError where it is missing, no regular file, or too large."""
        path = Path(path)
        try:
            # Opening a pipe would wait for its other end.
            handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        except FileNotFoundError:
            raise ModelError(f"A model file is required. Got: {path}, which does not exist.") from None
        except ValueError:
            raise ModelError("A model file is required. Got: a name that no file can have.") from None
        except OSError as error:
            if os.path.isdir(path):
                raise cls._folder(path) from None
            raise ModelError(f"A readable model file is required. Got: {path}: {error.strerror}.") from None
        seen = os.fstat(handle)
        if not stat.S_ISREG(seen.st_mode):
            os.close(handle)
            if stat.S_ISDIR(seen.st_mode):
                raise cls._folder(path)
            raise ModelError(f"A regular file is required as model. Got: {path}, a pipe or a device.")
        with os.fdopen(handle, "rb") as file:
            if seen.st_size > MAX_BYTES:
                raise ModelError(
                    f"A model file of at most {MAX_BYTES >> 20} MB is required. Got: {path.name} with {seen.st_size >> 20} MB."
                )
            try:
                return cls(path, file.read(MAX_BYTES))
            except OSError as error:
                raise ModelError(f"A readable model file is required. Got: {path}: {error.strerror}.") from None

    @staticmethod
    def _folder(path: Path) -> ModelError:
        return ModelError(f"One .tflite file is required. Got: {path}, a folder; name a file in it.")

    @cached_property
    def sha256(self) -> str:
        """Hexadecimal, of all bytes."""
        import hashlib  # here as well as below, because `from freezenet import Classifier` is quicker without

        return hashlib.sha256(self.content).hexdigest()

    def check_format(self) -> None:
        """Raise ModelError where this is no TensorFlow Lite model."""
        if self.content[4:8] != TFLITE_IDENTIFIER:
            raise ModelError(
                f"A TensorFlow Lite model (.tflite) is required. Got: {self.path.name}, a file of another format."
            )

    def check_network(self, size: int, sha256: str) -> None:
        """Compare the network with what its card says of it; RefusedError where it was changed.

        Args:
            size: Bytes in front of the archive.
            sha256: Of them, hexadecimal.
        """
        import hashlib

        if hashlib.sha256(memoryview(self.content)[: max(size, 0)]).hexdigest() != sha256:
            raise RefusedError(
                f"The network that the card inside the model was written for is required. Got: {self.path.name} with another "
                "one, damaged or changed since its conversion; fetch the file again, or pass --accept-changed if you changed it."
            )

    def associated(self, name: str) -> bytes:
        """Return an associated file; KeyError where there is none that can be read, ModelError where it is too large."""
        # Here, because it takes as long to import as the rest of this module.
        import io
        import struct
        import zipfile
        import zlib

        # What zipfile raises for a damaged archive: of its own, for features it does not know (NotImplementedError is a
        # RuntimeError), from decompression, from numbers out of range, and from a seek before the start (EINVAL).
        damaged = (
            zipfile.BadZipFile,
            RuntimeError,
            zlib.error,
            EOFError,
            ValueError,
            OverflowError,
            struct.error,
            OSError,
        )
        if self._directory_size() > min(_MAX_DIRECTORY, len(self.content)):
            raise ModelError(
                f"A model with a few associated files is required. Got: {self.path.name} with a list of them that would take "
                f"{self._directory_size()} bytes."
            )
        try:
            with zipfile.ZipFile(io.BytesIO(self.content)) as archive:
                # The other methods unpack all at once, whatever their size.
                if archive.getinfo(name).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise KeyError(name)
                with archive.open(name) as file:
                    content = file.read(MAX_ASSOCIATED + 1)
        except damaged:
            raise KeyError(name) from None
        if len(content) > MAX_ASSOCIATED:
            raise ModelError(
                f"Associated files of at most {MAX_ASSOCIATED >> 20} MB are required in a model. Got: {self.path.name} with a "
                f"larger {name}."
            )
        return content

    def _directory_size(self) -> int:
        """Return the largest size in bytes that the list of names could have, wherever a reader believes that the archive ends."""
        content, sizes = self.content, [0]
        last = content.rfind(_END, max(0, len(content) - _END_SIZE - _MAX_COMMENT))
        for end in (last, len(content) - _END_SIZE):
            if end >= 0 and content.startswith(_END, end):
                # An archive of the large kind, which ours is not, says its size elsewhere.
                large = content.startswith(_LOCATOR, max(0, end - _LOCATOR_SIZE))
                sizes.append(len(content) + 1 if large else int.from_bytes(content[end + 12 : end + 16], "little"))
        return max(sizes)
