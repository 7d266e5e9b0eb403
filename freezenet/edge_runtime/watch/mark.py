"""Which outbox an inbox belongs to, so that an empty folder in the place of a drive that is not mounted is not taken for it.

The mark, a number drawn at the first start, lies in three places:

    OUTBOX/.freezenet-watch/mark      in the outbox itself
    .<OUTBOX>.freezenet-mark          beside the outbox: seen where OUTBOX is the place that a drive is mounted on
    INBOX/.freezenet-outbox           a hint, for an outbox deeper in a drive; earlier versions had it only here

Whoever may write to the inbox may put anything in the place of the hint: a pipe, a folder, a link, another number. It is
therefore never followed, waited for or overwritten, counts only if it is a small file of this user, and only where the outbox
holds no mark and none lies beside it. Nothing else in the inbox is state.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path

MARK_IN_INBOX = ".freezenet-outbox"
_FORM = re.compile(rb"([0-9a-f]{32})\s*")
#: Bytes of the outbox's own name in the name of the mark beside it, so that it is not too long for a file system.
_NAME_BYTES = 200


def mark_beside(outbox: Path) -> Path:
    """Return where the mark beside an outbox lies."""
    path = Path(os.path.abspath(outbox))
    name = os.fsdecode(os.fsencode(path.name)[:_NAME_BYTES])
    return path.with_name(f".{name}.freezenet-mark") if path.name else path / ".freezenet-mark"


def read_mark(path: Path, *, own: bool = False) -> str | None:
    """Return the mark in a file; None where there is none, or anything but a small regular file.

    Args:
        path: Of the file.
        own: It must also belong to this user.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError:
        if path.is_symlink() or not path.is_file():
            return None
        raise
    try:
        seen = os.fstat(handle)
        if not stat.S_ISREG(seen.st_mode) or (own and seen.st_uid != os.geteuid()):
            return None
        found = _FORM.fullmatch(os.read(handle, 100))
        return found[1].decode() if found else None
    finally:
        os.close(handle)


def leave_hint(inbox: Path, mark: str) -> None:
    """Write the mark into the inbox, unless something has its name already; the inbox may be anybody's, so it may fail."""
    with suppress(OSError):
        handle = os.open(
            inbox / MARK_IN_INBOX, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644
        )
        try:
            os.write(handle, f"{mark}\n".encode())
            os.fsync(handle)
        finally:
            os.close(handle)
