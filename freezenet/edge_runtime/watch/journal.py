"""What must be known about a file whose work was begun, should the process end before it is done.

One small JSON file for each, written before the work begins and taken away after its last step; so there are only as many
as there are files under work or waiting for their delivery. While a file is read, a mark lies beside it: where a start finds
one, the process ended in the reading and nowhere else. The mark is not forced to the disk, as that would make the moment
in which a kill from outside looks like the file's doing many times longer; it holds against the end of the process, and
against that of the machine after the few seconds in which the system writes by itself.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from freezenet.edge_runtime.files import write_atomically


@dataclass(frozen=True)
class Job:
    """The work on one content of one file.

    Args:
        file: Name relative to the inbox, with slashes.
        sha256: Of its content.
        slot: Its name in the outbox.
        begun: Whether the work on it was.
        attempts: How often the process ended while it was read.
        delivered: Whether its answer was.
    """

    file: str
    sha256: str
    slot: str
    begun: bool = False
    attempts: int = 0
    delivered: bool = False

    @property
    def key(self) -> str:
        """Name of the job, equal for equal file and content: 24 hexadecimal digits."""
        return job_key(self.file, self.sha256)


class Journal:
    """The jobs in a folder, which must be there."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read yet."""
        self.folder = folder

    def load(self, key: str) -> Job | None:
        """Return the job of that key; None where there is none."""
        try:
            job = Job(**json.loads(self._path(key).read_bytes()))
        # What a power cut left of a file on a file system that keeps no promise is as good as none.
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return replace(job, attempts=job.attempts + 1) if self._mark(key).exists() else job

    def save(self, job: Job) -> None:
        """Write a job, so that it holds against a power cut."""
        content = json.dumps(asdict(job)).encode()
        write_atomically(self._path(job.key), lambda path: path.write_bytes(content), durable=True)
        self._mark(job.key).unlink(missing_ok=True)

    def discard(self, job: Job) -> None:
        """Take a job away."""
        self._path(job.key).unlink(missing_ok=True)
        self._mark(job.key).unlink(missing_ok=True)

    @contextmanager
    def reading(self, job: Job) -> Iterator[None]:
        """Count one more attempt, should the process end inside the block."""
        self._mark(job.key).touch()
        try:
            yield
        finally:
            self._mark(job.key).unlink()

    def jobs(self) -> Iterator[Job]:
        """Yield all jobs."""
        for path in sorted(self.folder.glob("[0-9a-f]*.json")):
            job = self.load(path.stem)
            if job is not None:
                yield job

    def _mark(self, key: str) -> Path:
        return self.folder / f"{key}.reading"

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"


def job_key(file: str, sha256: str) -> str:
    """Return the key of the job for this content of this file."""
    return hashlib.sha256(os.fsencode(file) + b"\0" + sha256.encode()).hexdigest()[:24]
