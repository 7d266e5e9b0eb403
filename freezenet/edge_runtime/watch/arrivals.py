"""Which files of the inbox are finished, and one of them read as a whole.

The folder is looked at again and again rather than watched by inotify, because network drives send no events. A file is
finished when

1. its size and its modification time were the same for `settle` seconds of the monotonic clock (a Raspberry Pi has no
   clock battery, so its time of day jumps, and the times of files may lie in the future),
2. no other process of this machine has it open for writing, where the system can tell: Linux grants a read lease on a
   local file only then, to the file's owner or with CAP_LEASE (fcntl(2)). It is what helps where a copy pauses for longer
   than `settle`, and where a Windows client gives a file its full size first,
3. neither changes while it is read.

Every regular file counts, because DICOM files have no suffix; IGNORED_* and names that begin with a dot do not. Folders
are searched; symbolic links, pipes and devices are neither followed nor opened.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from freezenet.edge_runtime.images.limits import MAX_BYTES
from freezenet.edge_runtime.watch.trouble import system_message, trouble_at

#: How copying programs, browsers and editors name what is not finished.
IGNORED_SUFFIXES = (".part", ".partial", ".tmp", ".temp", ".filepart", ".crdownload", ".download", "~")
#: What Windows leaves in folders that it looks at.
IGNORED_NAMES = frozenset({"thumbs.db", "desktop.ini"})
#: A file on its way out of the inbox has this name and a key behind it.
ASIDE = ".freezenet-moving-"

#: Size in bytes and modification time in nanoseconds.
Signature = tuple[int, int]


@dataclass(frozen=True)
class Arrival:
    """A finished file, read.

    Args:
        name: Relative to the inbox, with slashes.
        path: Where it lies.
        sha256: Of its content, hexadecimal.
        size: In bytes.
        signature: Size and time by which a change is seen.
        inode: Its number in the file system.
        content: None above MAX_BYTES.
    """

    name: str
    path: Path
    sha256: str
    size: int
    signature: Signature
    inode: int
    content: bytes | None = field(repr=False)


class Arrivals:
    """The files of an inbox, as seen by one look after the other.

    Args:
        inbox: The folder.
        settle: Seconds for which a file must not change.
        clock: Returns seconds that only ever grow.
    """

    def __init__(self, inbox: Path, settle: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is looked at yet."""
        self.inbox, self.settle, self.clock = inbox, settle, clock
        #: Of the last look: the system's words about folders that could not be listed, and files that were set aside.
        self.refusals: set[str] = set()
        self.aside: list[Path] = []
        self._seen: dict[str, tuple[Signature, float]] = {}

    def look(self) -> None:
        """Look at the inbox once; FolderTrouble where that cannot be done."""
        self.refusals, self.aside = set(), []
        now, before, self._seen = self.clock(), self._seen, {}
        found: dict[str, Signature] = {}
        with trouble_at("inbox", self.inbox):
            found.update(self._files(self.inbox))
        # In the order of arrival.
        for name in sorted(found, key=lambda name: (before.get(name, (None, now))[1], name)):
            signature, since = before.get(name, (None, now))
            self._seen[name] = (found[name], since if signature == found[name] else now)

    def names(self) -> list[str]:
        """Return all files of the last look that count."""
        return list(self._seen)

    def finished(self) -> list[str]:
        """Return the files that did not change for long enough, in the order of their arrival."""
        now = self.clock()
        return [name for name, (_, since) in self._seen.items() if now - since >= self.settle]

    def signature(self, name: str) -> Signature | None:
        """Return what the last look saw of a file; None where it is not there."""
        return self._seen[name][0] if name in self._seen else None

    def forget(self, name: str) -> None:
        """Leave out a file that was moved away since the last look."""
        self._seen.pop(name, None)

    def take(self, name: str) -> Arrival | None:
        """Read a file; None where it is gone, or turns out not to be finished and starts to settle anew.

        Raises OSError where it cannot be read.
        """
        path = self.inbox / name
        try:
            # A pipe that took the file's place must not block, and a link not lead out of the inbox.
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            self.forget(name)
            return None
        with os.fdopen(handle, "rb") as file:
            before = os.fstat(handle)
            if not stat.S_ISREG(before.st_mode) or being_written(handle):
                self._settle_anew(name)
                return None
            digest, size, kept = hashlib.sha256(), 0, bytearray()
            while block := file.read(1 << 20):
                digest.update(block)
                size += len(block)
                if size <= MAX_BYTES:
                    kept += block
            after = os.fstat(handle)
        if not _signature(before) == _signature(after) == (size, after.st_mtime_ns) == self.signature(name):
            self._settle_anew(name)
            return None
        content = bytes(kept) if size <= MAX_BYTES else None
        return Arrival(name, path, digest.hexdigest(), size, _signature(after), after.st_ino, content)

    def put_back(self, aside: Path, name: str) -> None:
        """Give a file that was set aside its name again, unless a new file has that name: then at a later look.

        Raises OSError where it cannot be renamed.
        """
        path = aside.with_name(name)
        try:
            # Unlike a rename, a link never replaces a file that arrives in this moment.
            os.link(aside, path, follow_symlinks=False)
        except FileExistsError:
            return
        except OSError:  # no hard links here, as on a USB stick
            if not os.path.lexists(path):
                os.rename(aside, path)
        else:
            aside.unlink()

    def _settle_anew(self, name: str) -> None:
        if name in self._seen:
            self._seen[name] = (self._seen[name][0], self.clock())

    def _files(self, top: Path) -> Iterator[tuple[str, Signature]]:
        folders = [top]
        while folders:
            folder = folders.pop()
            try:
                entries = list(os.scandir(folder))
            except OSError as error:
                if folder == top:
                    raise
                if not isinstance(error, FileNotFoundError):
                    self.refusals.add(system_message(error))
                continue
            for entry in entries:
                if entry.name.startswith(ASIDE) and entry.is_file(follow_symlinks=False):
                    self.aside.append(Path(entry.path))
                if ignored(entry.name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                elif entry.is_file(follow_symlinks=False):
                    try:
                        seen = entry.stat(follow_symlinks=False)
                    except OSError:  # gone since; a file that stays unreadable is said when it is read
                        continue
                    yield Path(entry.path).relative_to(top).as_posix(), _signature(seen)


def ignored(name: str) -> bool:
    """Whether a file or folder of this name does not count."""
    lower = name.lower()
    return name.startswith((".", "~$")) or lower.endswith(IGNORED_SUFFIXES) or lower in IGNORED_NAMES


def being_written(handle: int) -> bool:
    """Whether another process of this machine has the file open for writing; False also where nobody can tell."""
    if not hasattr(fcntl, "F_SETLEASE"):  # macOS
        return False
    try:
        # The signal for a process that opens the file in this very moment; SIGIO, the default, would end this one.
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:  # another's file, or a file system without leases
        return False
    return False


def _signature(seen: os.stat_result) -> Signature:
    return seen.st_size, seen.st_mtime_ns
