"""Write files whole or not at all.

A half-written file bears the name of its writer: machine, process and when that process began. So no two writers share one, and what a kill
left can be told from what is being written.
"""

from __future__ import annotations

import errno
import os
import platform
import re
import secrets
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

#: A file system cannot hold a name: too long, or with a character that it does not know.
OF_ONE_NAME = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)
_PARTIAL = re.compile(
    r"\..*\.(?P<host>[0-9a-f]{8})-(?P<pid>[0-9a-f]{1,7})-(?P<birth>[0-9a-f]{1,8})-[0-9a-f]{8}\.partial(\..*)?"
)
#: Characters of the file's own name that its temporary name keeps, so that none is longer than file systems allow.
_STEM, _SUFFIX = 25, 16
#: Seconds after which the file of a process that cannot be asked for, as on another machine, counts as left.
_ABANDONED = 24 * 3600


def write_atomically(path: Path, write: Callable[[Path], object], *, durable: bool = False) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it; on failure nothing is left.

    Args:
        path: The file.
        write: Called with the path of the temporary file, which no other writer has.
        durable: Also hold against a power cut: file and folder reach the disk before this returns.
    """
    temporary = partial_path(path)
    try:
        write(temporary)
        if durable:
            to_disk(temporary)
        os.replace(temporary, path)
        if durable:
            to_disk(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def partial_path(path: Path) -> Path:
    """Return a name for a file that will become `path`, unlike that of every other writer and of every other call."""
    # The suffix stays, because Keras and NumPy look at it.
    suffix = path.suffix if len(path.suffix) <= _SUFFIX else ""
    process = os.getpid()
    writer = f"{_host()}-{process:x}-{_birth(process) or 0:x}-{secrets.token_hex(4)}"
    return path.with_name(f".{path.stem[:_STEM]}.{writer}.partial{suffix}")


def remove_partial(folder: Path) -> None:
    """Remove what `write_atomically` had begun in a folder when its process was killed, and nothing that is being written."""
    for left in folder.glob(".*.partial*"):
        named = _PARTIAL.fullmatch(left.name)
        if named is not None and not _may_be_written(left, named):
            # A folder of such a name, or a file of somebody else, is not ours.
            with suppress(OSError):
                left.unlink()


def move_new(source: Path, target: Path) -> None:
    """Give a file another name in the same file system; FileExistsError where something has that name."""
    try:
        # Unlike a rename, a link never replaces what comes there in this moment.
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
            raise
        # No hard links here, as on a USB stick.
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        os.rename(source, target)
    else:
        source.unlink()


def write_bytes(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Write a file of these bytes; its folder is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda temporary: temporary.write_bytes(content), durable=durable)


def to_disk(path: Path) -> None:
    """Return only when a file's content, or a folder's list of names, has reached the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems know no such call for a folder; a file's failure is real.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP) or not path.is_dir():
            raise
    finally:
        os.close(handle)


def _may_be_written(left: Path, named: re.Match[str]) -> bool:
    """Whether the process that a temporary file is named after may still live."""
    if named["host"] == _host() and os.name == "posix":
        return _lives(int(named["pid"], 16), int(named["birth"], 16))
    try:
        return time.time() - left.lstat().st_mtime < _ABANDONED
    except FileNotFoundError:
        return True


@cache
def _host() -> str:
    return f"{zlib.crc32(platform.node().encode()):08x}"


def _lives(process: int, birth: int) -> bool:
    seen = _birth(process)
    if seen is not None:
        return seen == birth
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # A process that has ended, but that its parent has not asked for, has no birth here where others have one.
    return birth == 0


def _birth(process: int) -> int | None:
    """Return a number for when a living process began, unlike that of an earlier one of its number; None where the system does not tell."""
    with suppress(OSError, IndexError):
        # proc_pid_stat(5): from the third field on, because the second, in brackets, may hold blanks.
        state, *fields = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()
        if state not in (b"Z", b"X"):
            return zlib.crc32(Path("/proc/sys/kernel/random/boot_id").read_bytes() + fields[18])
    return None
