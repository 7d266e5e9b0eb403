"""Sends results to one archive, in a thread of its own: one that is away or silent holds up neither an answer nor another archive.

What is not about one result, as an archive that is away, is waited out: at first for 1 s, at most for 30 s, and for 5 minutes where the archive
itself says that its refusal is permanent. About one result:

    stored, warnings, 0111 (it has it already)     noted, and not sent again
    out of resources (A7xx, 0213)                  later, until it goes
    A8xx, A9xx, Cxxx, most of 01xx and 02xx        refused for good
    processing failure (0110), unknown statuses    refused for good at the 10th time
    the association ends at it                     likewise, counted only where others were stored between
    its class is not accepted                      refused for good after 5 associations in a row, over 10 s or more
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from pydicom.uid import UID
from pynetdicom.association import Association

from freezenet.edge_runtime.dicom_node.archive import Archive, ArchiveTrouble, Session, Verdict, hang_up, verdict
from freezenet.edge_runtime.dicom_node.outgoing import Outgoing, Task
from freezenet.edge_runtime.errors import one_line
from freezenet.edge_runtime.watch.trouble import next_delay

#: Failures without a reason, and associations without the class, after which a result is refused; seconds over which the latter must lie.
FAILURES, ASSOCIATIONS, ASSOCIATION_SECONDS = 10, 5, 10.0
_FOR_LONG = 300.0
#: A little more than it takes to find that an archive cannot be reached.
_END_SECONDS = 12.0


@dataclass
class _Unaccepted:
    """Associations in a row in which an archive did not accept a class."""

    since: float
    times: int = 0

    @property
    def for_good(self) -> bool:
        return self.times >= ASSOCIATIONS and time.monotonic() - self.since >= ASSOCIATION_SECONDS


class Sender:
    """The thread that sends to one archive.

    Args:
        archive: The archive.
        outgoing: What waits for it.
        say: Told, in one sentence, when a trouble begins and ends, and of a refusal of a new kind.
    """

    def __init__(self, archive: Archive, outgoing: Outgoing, say: Callable[[str], object]) -> None:
        """Nothing is sent before `start`."""
        self.archive, self.outgoing, self._say = archive, outgoing, say
        self._stop = outgoing.closed
        self._association: Association | None = None
        self._thread = threading.Thread(target=self._run, name=f"sender to {archive}", daemon=True)
        self._unaccepted: dict[str, _Unaccepted] = {}
        self._stored = 0
        self._delay = 0.0
        self._trouble = ""
        self._said: set[str] = set()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, also in the middle of a call, and let those of the same queue end; what was not answered is sent again by the next process."""
        self.outgoing.close()
        end = time.monotonic() + _END_SECONDS
        while self._thread.is_alive() and time.monotonic() < end:
            if self._association is not None:
                hang_up(self._association)
            self._thread.join(0.2)

    def _requested(self, association: Association) -> None:
        self._association = association

    def _run(self) -> None:
        while not self._stop.is_set():
            tasks = self.outgoing.due(self.archive)
            if not tasks:
                self.outgoing.wait(self.archive)
                continue
            try:
                with self.archive.call({task.sop_class for task in tasks}, self._requested) as session:
                    self._count_unaccepted(tasks, session)
                    going_on = all(self._send(task, session) for task in tasks)
                if going_on:
                    self._recovered()
                else:
                    self._back_off(
                        f"An archive that answers is required. Got: {self.archive}: it ended the association."
                    )
            except ArchiveTrouble as trouble:
                self._back_off(str(trouble), trouble.for_long)
            except Exception as error:
                self._back_off(f"{type(error).__name__}: {one_line(error)}")

    def _send(self, task: Task, session: Session) -> bool:
        """Send one result; return False where the association ended at it."""
        if self._stop.is_set():
            return True
        if task.sop_class not in session.accepted:
            self._not_accepted(task)
            return True
        result = self.outgoing.read(task)
        if result is None:
            self._refuse(task, "A result that can be read is required. Got: a file that is gone or damaged.")
            return True
        try:
            status = session.store(result)
        except Exception as error:  # a result that pynetdicom cannot encode for this archive
            self._failed(task, f"{type(error).__name__}: {one_line(error)}", alone=True)
            return True
        if status is None:
            if self._stop.is_set():
                return True
            self._failed(task, "no answer", alone=False)
            return False
        found = verdict(status)
        if found is Verdict.STORED:
            self._stored += 1
            self.outgoing.settle(task, self.archive, status)
            self._recovered()
        elif found is Verdict.NEVER:
            self._refuse(task, f"{self._required(task)} Got: status {status:04X}.", status)
        elif found is Verdict.UNCLEAR:
            self._failed(task, f"status {status:04X}", alone=True, status=status)
        else:
            task.postpone()
            self._once(
                f"An answer cannot be delivered: {self._required(task)} Got: status {status:04X}. It is sent again."
            )
        return True

    def _failed(self, task: Task, said: str, *, alone: bool, status: int | None = None) -> None:
        """Count a failure without a reason, if it was the result's own; refuse the result where there were too many."""
        if alone or self._stored > task.stored_before >= 0:
            task.failures += 1
        task.stored_before = self._stored
        if task.failures >= FAILURES:
            self._refuse(task, f"{self._required(task)} Got: {said}, {task.failures} times.", status)
        else:
            task.postpone()

    def _count_unaccepted(self, tasks: list[Task], session: Session) -> None:
        for one in {task.sop_class for task in tasks}:
            if one in session.accepted:
                self._unaccepted.pop(one, None)
            else:
                self._unaccepted.setdefault(one, _Unaccepted(time.monotonic())).times += 1

    def _not_accepted(self, task: Task) -> None:
        count = self._unaccepted[task.sop_class]
        if count.for_good:
            self._refuse(
                task, f"{self._required(task)} Got: no presentation context for it in {count.times} associations."
            )
        else:
            task.postpone()

    def _refuse(self, task: Task, reason: str, status: int | None = None) -> None:
        self.outgoing.settle(task, self.archive, status, reason)
        self._once(f"A result was refused for good: {reason} It stays, with the reason in answers/rejected.")

    def _required(self, task: Task) -> str:
        return f"An archive that takes {UID(task.sop_class).name} is required, as {self.archive} does not."

    def _back_off(self, sentence: str, for_long: bool = False) -> None:
        if self._stop.is_set():
            return
        self._delay = _FOR_LONG if for_long else next_delay(min(self._delay, _FOR_LONG / 10))
        if sentence != self._trouble:
            self._trouble = sentence
            self._say(f"An answer cannot be delivered: {sentence.rstrip('.')}. Trying again until it goes.")
        self._stop.wait(self._delay)

    def _recovered(self) -> None:
        self._delay = 0.0
        if self._trouble:
            self._trouble = ""
            self._say(f"{self.archive} answers again.")

    def _once(self, sentence: str) -> None:
        if sentence not in self._said and len(self._said) < 100:
            self._said.add(sentence)
            self._say(sentence)
