"""The outbox: answers, the files they belong to, and what keeps another watcher or a missing drive from spoiling them.

    OUTBOX/<slot>.json            the answer; writing it is the commit point
    OUTBOX/<slot>.cam.png         the overlay, written before the answer
    OUTBOX/processed/<slot>       the file itself
    OUTBOX/rejected/<slot>        a file that could not be answered, and <slot>.json with the reason
    OUTBOX/.freezenet-watch/      lock, mark, jobs under work
    .<OUTBOX>.freezenet-mark      the mark once more, beside OUTBOX; see `freezenet.edge_runtime.watch.mark`

A slot is the file's name relative to the inbox; where another content has it already, the first 12 digits of the SHA-256
are added. Nothing is ever overwritten.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from freezenet.edge_runtime.errors import SettingError
from freezenet.edge_runtime.files import remove_partial, to_disk, write_atomically
from freezenet.edge_runtime.integrity.hashes import sha256_file
from freezenet.edge_runtime.watch.arrivals import ASIDE
from freezenet.edge_runtime.watch.journal import Job, Journal, job_key
from freezenet.edge_runtime.watch.mark import MARK_IN_INBOX, leave_hint, mark_beside, read_mark
from freezenet.edge_runtime.watch.trouble import FolderTrouble

PROCESSED, REJECTED = "processed", "rejected"
STATE = ".freezenet-watch"
#: Bytes that file systems allow in a name, less what the longest temporary name adds.
_NAME_BYTES = 255 - len("..cam.partial.png")


class Outbox:
    """The folder that answers are written to; only one process at a time has it open."""

    def __init__(self, folder: Path) -> None:
        """Nothing is touched yet."""
        self.folder = folder
        self.journal = Journal(folder / STATE / "jobs")
        self._mark: str | None = None
        #: Files at which the process ended, seen when the outbox was opened.
        self.suspects: set[str] = set()
        self._lock: int | None = None

    def open(self, inbox: Path) -> None:
        """Make sure that this is the inbox's outbox and ours alone; cheap where that was seen before.

        The folder is made at the first start only: where a drive is not mounted, its empty folder must not fill up. Raises
        FolderTrouble where it is not there, SettingError where another process watches, OSError.
        """
        if self._lock is not None and self._still_there():
            return
        self.close()
        found = read_mark(self.folder / STATE / "mark")
        self._check_mark(inbox, found)
        self.journal.folder.mkdir(parents=True, exist_ok=True)
        self._lock = self._locked()
        self._mark = found or read_mark(self.folder / STATE / "mark") or uuid.uuid4().hex
        for path in (self.folder / STATE / "mark", mark_beside(self.folder)):
            if read_mark(path) is None:
                _write(path, f"{self._mark}\n".encode())
        leave_hint(inbox, self._mark)
        self._tidy(inbox)

    def _check_mark(self, inbox: Path, found: str | None) -> None:
        """Raise FolderTrouble where another outbox, or none, is found in the place of the one that is known."""
        beside, hint = mark_beside(self.folder), inbox / MARK_IN_INBOX
        # The inbox is anybody's: what it says counts for nothing once the outbox itself is known.
        known = self._mark or read_mark(beside) or read_mark(hint, own=True)
        if known is not None and found != known:
            marks = " and ".join(str(path) for path in (beside, hint) if os.path.lexists(path))
            raise FolderTrouble(
                f"The outbox that this inbox was first used with is required. Got: {self.folder}, another or empty "
                f"folder; mount its drive, or remove {marks} and start again to begin a new outbox."
            )

    def close(self) -> None:
        """Let another process have the outbox."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def find(self, file: str, sha256: str) -> Job:
        """Return the job for this content of this file: begun before, done before, or new with a free slot.

        A job not begun and with `settled` is one that was done, so the file was delivered twice.
        """
        job = self.journal.load(job_key(file, sha256))
        if job is not None:
            # Another content of the same name may have taken the slot since.
            if self._answer(job) is not None or not os.path.lexists(self._answer_path(job)):
                return job
            self.journal.discard(job)
        for slot in _slots(file, sha256):
            job = Job(file, sha256, slot)
            if self._answer(job) is not None or (self._reason(job) is not None and self._at(REJECTED, job).exists()):
                return replace(job, delivered=True)
            if self._free(job):
                return job
        raise FolderTrouble(f"A free name in the outbox is required. Got: {self.folder} with all of them taken.")

    def settled(self, job: Job) -> tuple[str, dict[str, Any]] | None:
        """Return PROCESSED or REJECTED and what was written; None where the work is still to be done."""
        answer = self._answer(job)
        if answer is not None:
            return PROCESSED, answer
        reason = self._reason(job)
        # The reason alone, without work begun, is that of a file which was put back into the inbox for another try.
        return (REJECTED, reason) if reason is not None and (job.begun or job.delivered) else None

    def begin(self, job: Job) -> None:
        """Note that the work on the file begins, anew if need be."""
        self._reason_path(job).unlink(missing_ok=True)
        self.journal.save(replace(job, begun=True))

    def remember(self, job: Job) -> None:
        """Write a job that is not written yet: by it a file that was set aside gets its name back."""
        if self.journal.load(job.key) is None:
            self.journal.save(job)

    def abandon(self, job: Job) -> None:
        """Forget a begun job that left no answer; its end was no crash."""
        if not os.path.lexists(self._answer_path(job)):
            self._overlay_path(job).unlink(missing_ok=True)
            self.journal.discard(job)

    def overlay_name(self, job: Job) -> str:
        """Return where the overlay belongs, relative to the outbox, with slashes."""
        return f"{job.slot}.cam.png"

    def write_answer(self, job: Job, answer: dict[str, Any], overlay: bytes | None) -> None:
        """Write the overlay, then the answer; after this the file counts as answered."""
        if overlay is not None:
            self._make_folder(self._overlay_path(job).parent)
            _write(self._overlay_path(job), overlay)
        self._write_json(self._answer_path(job), answer)

    def write_reason(self, job: Job, reason: dict[str, Any]) -> None:
        """Write why a file cannot be answered; after this it counts as rejected."""
        self._overlay_path(job).unlink(missing_ok=True)
        self._write_json(self._reason_path(job), reason)

    def note_delivered(self, job: Job) -> None:
        """Note that the job's answer was delivered."""
        self.journal.save(job)

    def file_away(self, job: Job, source: Path, kind: str) -> None:
        """Move the file itself to PROCESSED or REJECTED, also onto another file system; then the job is done."""
        target = self._at(kind, job)
        self._make_folder(target.parent)
        if os.path.lexists(target) and target.is_file() and sha256_file(target) == job.sha256:
            # Copied just before a kill, or delivered twice.
            source.unlink()
        else:
            if os.path.lexists(target):
                target = target.with_name(f"{job.key}{_suffix(target.name)}")
            _move(source, target, job.sha256)
        # The answer is on the disk already, so a move that a power cut undoes is only made again.
        with suppress(OSError):
            to_disk(target.parent)
            to_disk(source.parent)
        self.journal.discard(job)

    def _still_there(self) -> bool:
        try:
            seen = os.stat(self.folder / STATE / "lock")
        except FileNotFoundError:
            return False
        return self._lock is not None and os.path.samestat(seen, os.fstat(self._lock))

    def _locked(self) -> int:
        handle = os.open(self.folder / STATE / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            if not isinstance(error, BlockingIOError):
                raise
            raise SettingError(
                f"A folder for answers that no other process writes to is required. Got: {self.folder}, which one has open; "
                "stop it, or choose another --out."
            ) from None
        return handle

    def _tidy(self, inbox: Path) -> None:
        """Take away what a kill left: half-written files, and jobs whose last step was done."""
        for path in self.journal.folder.glob(".*"):
            path.unlink()
        self.suspects = set()
        jobs = list(self.journal.jobs())
        marked = (inbox, self.folder.parent, self.folder / STATE)
        for folder in {*marked, *(path.parent for job in jobs for path in self._paths(job))}:
            remove_partial(folder)
        for job in jobs:
            if job.attempts:
                self.suspects.add(job.file)
            waiting = (inbox / job.file, (inbox / job.file).with_name(f"{ASIDE}{job.key}"))
            filed = (self._at(PROCESSED, job), self._at(REJECTED, job))
            if any(map(os.path.lexists, filed)) and not any(map(os.path.lexists, waiting)):
                self.journal.discard(job)

    def _paths(self, job: Job) -> list[Path]:
        """Return all files that a job may write."""
        answers = [self._answer_path(job), self._overlay_path(job), self._reason_path(job)]
        return [*answers, self._at(PROCESSED, job), self._at(REJECTED, job)]

    def _at(self, kind: str, job: Job) -> Path:
        return self.folder / kind / job.slot

    def _overlay_path(self, job: Job) -> Path:
        return self.folder / self.overlay_name(job)

    def _answer_path(self, job: Job) -> Path:
        return self.folder / f"{job.slot}.json"

    def _reason_path(self, job: Job) -> Path:
        return self.folder / REJECTED / f"{job.slot}.json"

    def _answer(self, job: Job) -> dict[str, Any] | None:
        return _record(self._answer_path(job), job)

    def _reason(self, job: Job) -> dict[str, Any] | None:
        return _record(self._reason_path(job), job)

    def _free(self, job: Job) -> bool:
        paths = set(self._paths(job)) - ({self._reason_path(job)} if self._reason(job) is not None else set())
        folders = {folder for path in paths for folder in path.parents if self.folder in folder.parents}
        return not any(map(os.path.lexists, paths)) and all(
            folder.is_dir() or not os.path.lexists(folder) for folder in folders
        )

    def _write_json(self, path: Path, content: dict[str, Any]) -> None:
        self._make_folder(path.parent)
        _write(path, f"{json.dumps(content)}\n".encode())

    def _make_folder(self, folder: Path) -> None:
        """Make a folder below the outbox, never the outbox itself: that one is missing where a drive went away."""
        if folder != self.folder and not folder.is_dir():
            self._make_folder(folder.parent)
            folder.mkdir(exist_ok=True)
            to_disk(folder.parent)


def _slots(file: str, sha256: str) -> Iterator[str]:
    """Yield the names that this content of this file may have, the last of which no other has."""
    path = PurePosixPath(file)
    suffix = _suffix(path.name)
    numbered = f"{path.name.removesuffix(suffix)}-{sha256[:12]}{suffix}"
    names = [path.name, numbered]
    yield from (path.with_name(name).as_posix() for name in names if len(os.fsencode(name)) <= _NAME_BYTES)
    yield f"{job_key(file, sha256)}{suffix}"


def _suffix(name: str) -> str:
    """Return the suffix that says a file's kind; "" for the last number of a DICOM identifier."""
    suffix = PurePosixPath(name).suffix
    return suffix if suffix[1:2].isalpha() and len(suffix) <= 6 else ""


def _move(source: Path, target: Path, sha256: str) -> None:
    try:
        os.rename(source, target)
        return
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise

    def copy(temporary: Path) -> None:
        shutil.copyfile(source, temporary)
        if sha256_file(temporary) != sha256:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    write_atomically(target, copy, durable=True)
    source.unlink()


def _write(path: Path, content: bytes) -> None:
    write_atomically(path, lambda temporary: temporary.write_bytes(content), durable=True)


def _record(path: Path, job: Job) -> dict[str, Any] | None:
    """Return what was written for exactly this content of this file; None where it is another's, or nothing."""
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError):
        return None
    mine = isinstance(found, dict) and (found.get("file"), found.get("input_sha256")) == (job.file, job.sha256)
    return found if mine else None
