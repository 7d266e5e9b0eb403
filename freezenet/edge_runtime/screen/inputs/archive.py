"""The images in a tar archive (WebDataset) or a ZIP archive, without unpacking it."""

from __future__ import annotations

import contextlib
import os
import re
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from typing import IO, cast

from freezenet.edge_runtime.errors import DataError, one_line
from freezenet.edge_runtime.screen.inputs.item import Found, as_text, is_remote, local_path
from freezenet.edge_runtime.screen.inputs.remote import file_system, patiently, suffix

#: Stands between the name of an archive and that of its member.
INSIDE = "::"
ARCHIVES = (".tar", ".zip")
#: Bytes in front of a member of a tar archive that are looked at: its header, and what an extended header (pax) in front of that says.
_HEADERS = 16 * tarfile.BLOCKSIZE
_PAX_SIZE = re.compile(rb"\d+ size=(\d+)\n")


def opened(uri: str) -> IO[bytes]:
    """Open a file that can be read at any place: a local one, or one behind a URL.

    Raises:
        DataError: It cannot be opened.
    """
    if is_remote(uri):
        system, path = file_system(uri)
        return cast("IO[bytes]", patiently(lambda: system.open(path, "rb"), uri))
    try:
        return open(local_path(uri), "rb")
    except OSError as error:
        raise DataError(f"A file that can be read is required. Got: {uri}: {error.strerror}.") from None


def members(uri: str, is_image: Callable[[str], bool], passed_over: Counter[str]) -> Iterator[Found]:
    """Yield the images of an archive in its own order; two of one name get different ones.

    Args:
        uri: Of a .tar or .zip file.
        is_image: Whether a member of a name is taken.
        passed_over: Takes how many members of each suffix were not.

    Raises:
        DataError: The archive is damaged, or compressed as a whole.
    """
    taken: Counter[str] = Counter()
    inside = _in_zip if suffix(uri) == ".zip" else _in_tar
    try:
        with opened(uri) as file:
            for name, found in inside(file, uri):
                if not is_image(name):
                    passed_over[suffix(name) or "without suffix"] += 1
                    continue
                taken[name] += 1
                # A tar archive to which a file was added again holds both.
                yield found if taken[name] == 1 else found._replace(uri=f"{found.uri}#{taken[name]}")
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise DataError(
            f"A whole .tar (not compressed) or .zip archive is required. Got: {uri}: {one_line(error, 120) or type(error).__name__}."
        ) from None


def _in_tar(file: IO[bytes], uri: str) -> Iterator[tuple[str, Found]]:
    with tarfile.open(fileobj=file, mode="r:") as archive:
        source = os.path.basename(uri)
        while (member := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined]  # or a list of all of them would grow in the memory
            if member.isreg() and not member.issparse():
                name = as_text(member.name)
                yield (
                    name,
                    Found(uri + INSIDE + name, source, uri, None, member.offset_data, member.size),
                )


def _in_zip(file: IO[bytes], uri: str) -> Iterator[tuple[str, Found]]:
    with zipfile.ZipFile(file) as archive:
        source = os.path.basename(uri)
        for info in archive.infolist():
            if not info.is_dir():
                name = as_text(info.filename)
                # An archive to which a file was added again holds both: the name alone does not tell which.
                yield name, Found(uri + INSIDE + name, source, uri, info.filename, info.header_offset, info.file_size)


def _has_length(headers: bytes, length: int) -> bool:
    """Whether what stands in front of a member of a tar archive is the header of one of this length."""
    try:
        header = tarfile.TarInfo.frombuf(headers[-tarfile.BLOCKSIZE :], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    # The size in an extended header has priority; then the header's own may be 0.
    sizes = _PAX_SIZE.findall(headers[: -tarfile.BLOCKSIZE])
    return header.size == length or (bool(sizes) and int(sizes[-1]) == length)


class OpenArchives:
    """Archives that a process keeps open while it reads their members; for one thread at a time.

    Args:
        most: How many.
    """

    def __init__(self, most: int = 8) -> None:
        """None is open yet."""
        self._most = most
        self._zips: dict[str, zipfile.ZipFile] = {}
        self._members: dict[str, dict[tuple[str, int], zipfile.ZipInfo]] = {}
        self._files: dict[str, IO[bytes]] = {}

    def in_zip(self, uri: str, member: str, offset: int, most: int) -> bytes:
        """Return at most `most` bytes of the member of a ZIP archive that has this name and place."""
        try:
            if uri not in self._zips:
                self._drop_oldest(self._zips)
                archive = self._zips[uri] = zipfile.ZipFile(opened(uri))
                self._members[uri] = {(one.filename, one.header_offset): one for one in archive.infolist()}
            with self._zips[uri].open(self._members[uri][member, offset]) as inside:
                return inside.read(most)
        except DataError:
            raise
        except KeyError:
            raise DataError(
                f"The archive that was listed is required. Got: {uri} without this member; screen it into a new folder."
            ) from None
        except (
            zipfile.BadZipFile,
            RuntimeError,
            EOFError,
            OSError,
            ValueError,
            NotImplementedError,
        ) as error:
            raise DataError(
                f"A member that can be unpacked is required. Got: {one_line(error, 120) or type(error).__name__}."
            ) from None
        except Exception as error:  # zlib.error and its like, of the method of compression
            raise DataError(f"A whole ZIP archive is required. Got: {one_line(error, 120)}.") from None

    def in_tar(self, uri: str, offset: int, length: int) -> bytes:
        """Return the member of a local tar archive that begins at this place and has this length.

        Raises:
            DataError: The archive cannot be read, or has another member there.
        """
        if uri not in self._files:
            self._drop_oldest(self._files)
            self._files[uri] = opened(uri)
        file = self._files[uri]
        try:
            # The archive may have been replaced since it was listed; the member's header stands before it.
            file.seek(max(0, offset - _HEADERS))
            if _has_length(file.read(min(offset, _HEADERS)), length):
                return file.read(length)
        except OSError as error:  # such as a file of a server that was replaced there: it has to be opened anew
            with contextlib.suppress(OSError):
                self._files.pop(uri).close()
            raise DataError(f"An archive that can be read is required. Got: {uri}: {one_line(error, 120)}.") from None
        raise DataError(
            f"The archive that was listed is required. Got: {uri} with another member at {offset}; screen it into a new folder."
        )

    def _drop_oldest(self, kept: dict) -> None:
        while len(kept) >= self._most:
            oldest = next(iter(kept))
            kept.pop(oldest).close()
            self._members.pop(oldest, None)
