"""Which results wait for which archive: a queue on the disk, and the memory of what was delivered.

    DIR/sending/<name>.json            an answer with results that an archive still lacks
    DIR/sent/<name>.json               one that is done: what each archive said to each result
    DIR/answers/rejected/<name>.<kind>.json    a result that could not be made, or that an archive refused for good, and why

Each is written before the next step begins, so after a kill or a power cut the sending goes on where it was.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.filereader import read_file_meta_info

from freezenet.edge_runtime.dicom_node.archive import Archive
from freezenet.edge_runtime.files import remove_partial, to_disk, write_atomically, write_bytes
from freezenet.edge_runtime.watch.trouble import next_delay

#: Results that are sent in one association.
_AT_ONCE = 100


@dataclass
class Parcel:
    """The results of one answer.

    Args:
        name: Of the answer, without .json.
        results: Kind -> SOP class.
        settled: Archive -> kind -> what became of it.
    """

    name: str
    results: dict[str, str]
    settled: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)


@dataclass
class Task:
    """One result that one archive lacks, with the failures so far.

    Args:
        name: Of the answer.
        kind: Of the result.
        sop_class: Of the result.
        delay: Seconds of the last wait.
        until: When it is tried again, by the monotonic clock.
        failures: How often the archive failed at it without saying why.
        stored_before: What the archive had stored when it failed for the last time.
    """

    name: str
    kind: str
    sop_class: str
    delay: float = 0.0
    until: float = 0.0
    failures: int = 0
    stored_before: int = -1

    def postpone(self) -> None:
        """Let it wait, twice as long as the last time."""
        self.delay = next_delay(self.delay)
        self.until = time.monotonic() + self.delay


class Outgoing:
    """The queue of a node, for any number of archives; its methods may be called from several threads.

    Args:
        folder: The node's folder.
        archives: Where results go.
    """

    def __init__(self, folder: Path, archives: Sequence[Archive]) -> None:
        """Nothing is read yet."""
        self.answers, self.sending, self.sent = folder / "answers", folder / "sending", folder / "sent"
        self.archives = tuple(archives)
        self._parcels: dict[str, Parcel] = {}
        self._tasks: dict[str, dict[tuple[str, str], Task]] = {str(archive): {} for archive in archives}
        self._changed = threading.Condition()
        #: Set when the sending is to end.
        self.closed = threading.Event()

    def load(self) -> None:
        """Take up what an earlier process left; OSError where the folder cannot be used."""
        for folder in (self.sending, self.sent):
            folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.sending, self.answers / "rejected"):
            remove_partial(folder)
        with self._changed:
            for path in sorted(self.sending.glob("*.json")):
                self._enter(_read(path) or self._found_again(path.stem))

    def add(self, name: str, results: dict[str, str]) -> None:
        """Put an answer's results, kind -> SOP class, into the queue; again changes nothing."""
        if not self.archives or not results or self.knows(name):
            return
        with self._changed:
            parcel = Parcel(name, results)
            self._write(parcel)
            self._enter(parcel)

    def knows(self, name: str) -> bool:
        """Whether an answer's results were put into the queue before."""
        return name in self._parcels or (self.sent / f"{name}.json").exists()

    def due(self, archive: Archive) -> list[Task]:
        """Return what can be sent to an archive now, what never failed first."""
        now = time.monotonic()
        with self._changed:
            due = [task for task in self._tasks[str(archive)].values() if task.until <= now]
        return sorted(due, key=lambda task: task.delay)[:_AT_ONCE]

    def wait(self, archive: Archive) -> None:
        """Return when something is due for an archive, or something has changed."""
        with self._changed:
            until = min((task.until for task in self._tasks[str(archive)].values()), default=None)
            if not self.closed.is_set():
                self._changed.wait(None if until is None else max(0.0, until - time.monotonic()))

    def close(self) -> None:
        """End all waiting; who sends is to stop."""
        self.closed.set()
        with self._changed:
            self._changed.notify_all()

    def __len__(self) -> int:
        """Return the number of answers whose results wait."""
        return len(self._parcels)

    def read(self, task: Task) -> Dataset | None:
        """Return a result; None where its file is gone or damaged, OSError where the folder is not there or cannot be read now."""
        try:
            return dcmread(result_path(self.answers, task.name, task.kind))
        except FileNotFoundError:
            if not self._path(task.name).exists():
                raise
        except OSError:
            raise
        except Exception:  # whatever a damaged file makes of pydicom
            pass
        return None

    def settle(self, task: Task, archive: Archive, status: int | None, refused: str | None = None) -> None:
        """Note durably that an archive has a result, or, with the reason, that it refuses it for good."""
        if refused is not None:
            reject(self.answers, task.name, task.kind, refused, archive)
        with self._changed:
            parcel = self._parcels[task.name]
            became: dict[str, Any] = {"state": "stored" if refused is None else "refused", "time": _now()}
            if status is not None:
                became["status"] = f"{status:04X}"
            parcel.settled.setdefault(str(archive), {})[task.kind] = became
            self._write(parcel)
            del self._tasks[str(archive)][task.name, task.kind]
            self._leave(parcel)

    def _enter(self, parcel: Parcel) -> None:
        self._parcels[parcel.name] = parcel
        for archive, kind in self._open(parcel):
            self._tasks[archive][parcel.name, kind] = Task(parcel.name, kind, parcel.results[kind])
        self._leave(parcel)
        self._changed.notify_all()

    def _leave(self, parcel: Parcel) -> None:
        """Put away a parcel with which all archives are done."""
        if self.archives and not self._open(parcel):
            os.replace(self._path(parcel.name), self.sent / f"{parcel.name}.json")
            to_disk(self.sent)
            del self._parcels[parcel.name]

    def _open(self, parcel: Parcel) -> list[tuple[str, str]]:
        return [
            (archive, kind)
            for archive in self._tasks
            for kind in parcel.results
            if kind not in parcel.settled.get(archive, {})
        ]

    def _found_again(self, name: str) -> Parcel:
        """Return the parcel of the results that lie there, with nothing settled."""
        prefix = f"{name}."
        found = {path.name[len(prefix) : -4]: path for path in self.answers.glob(f"{name}.*.dcm")}
        return Parcel(
            name, {kind: str(read_file_meta_info(path).MediaStorageSOPClassUID) for kind, path in found.items()}
        )

    def _write(self, parcel: Parcel) -> None:
        content = f"{json.dumps(vars(parcel))}\n".encode()
        # Into a folder that is there: where a drive went away, another must not take its place.
        write_atomically(self._path(parcel.name), lambda path: path.write_bytes(content), durable=True)

    def _path(self, name: str) -> Path:
        return self.sending / f"{name}.json"


def _read(path: Path) -> Parcel | None:
    """Return what stands in a file; None where a power cut spoiled it on a file system that keeps no promise."""
    try:
        return Parcel(**json.loads(path.read_bytes()))
    except (ValueError, TypeError):
        return None


def result_path(answers: Path, name: str, kind: str) -> Path:
    """Return the file of an answer's result."""
    return answers / f"{name}.{kind}.dcm"


def reject(answers: Path, name: str, kind: str, reason: str, archive: Archive | None = None) -> None:
    """Write why a result is not delivered, beside what else was refused about it."""
    path = answers / "rejected" / f"{name}.{kind}.json"
    refusals = json.loads(path.read_bytes())["refusals"] if path.exists() else []
    refusals = [one for one in refusals if one["archive"] != (archive and str(archive))]
    refusals.append({"archive": archive and str(archive), "error": reason, "time": _now()})
    content = {"file": result_path(answers, name, kind).name, "refusals": refusals}
    write_bytes(path, f"{json.dumps(content)}\n".encode(), durable=True)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
