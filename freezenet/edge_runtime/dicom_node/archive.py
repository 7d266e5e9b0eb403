"""The hospital's archive, which stores results: a storage service class user, and what the archive's statuses mean."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum

from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.association import Association

from freezenet.edge_runtime.errors import FreezenetError, SettingError

_ADDRESS = re.compile(r"(?P<title>[^@\\]{1,16})@(?P<host>\[[0-9A-Fa-f:]+\]|[^:@\[\]]+):(?P<port>\d{1,5})")
#: Seconds: of reaching the archive, of one answer, of silence.
_TIMEOUTS = {"connection_timeout": 10, "acse_timeout": 30, "dimse_timeout": 60, "network_timeout": 60}


class Verdict(Enum):
    """What an archive's status says about a result."""

    STORED = "stored"
    #: Out of resources: it may be taken later.
    LATER = "later"
    #: It will never be taken.
    NEVER = "never"
    #: A failure that says nothing about the result, or that no standard knows.
    UNCLEAR = "unclear"


#: DICOM PS3.7, annex C; 0111 is "duplicate SOP instance": the archive has it already.
_STORED = {0x0000, 0x0001, 0x0107, 0x0111, 0x0116}
_LATER = {0x0210, 0x0213}
_UNCLEAR = {0x0110}


def verdict(status: int) -> Verdict:
    """Return what a status of C-STORE means (DICOM PS3.4, table B.2-1, and PS3.7, annex C)."""
    if status in _STORED or 0xB000 <= status <= 0xBFFF:  # Bxxx: stored, with a remark
        return Verdict.STORED
    if status in _LATER or 0xA700 <= status <= 0xA7FF:
        return Verdict.LATER
    # A8xx, A9xx: not of its class; Cxxx: cannot be understood; 01xx, 02xx: the request itself.
    if 0xA800 <= status <= 0xA9FF or 0xC000 <= status <= 0xCFFF or 0x0100 <= status <= 0x02FF:
        return Verdict.UNCLEAR if status in _UNCLEAR else Verdict.NEVER
    return Verdict.UNCLEAR


class ArchiveTrouble(FreezenetError):
    """An archive that cannot be reached or wants no association; `for_long` where it says that this stays so."""

    def __init__(self, message: str, *, for_long: bool = False) -> None:
        """Keep both."""
        super().__init__(message)
        self.for_long = for_long


class Session:
    """An association with an archive.

    Args:
        accepted: SOP classes that it takes; the association is None where there are none.
    """

    def __init__(self, association: Association | None, accepted: frozenset[str]) -> None:
        """Take over an established association."""
        self._association, self.accepted = association, accepted

    def store(self, result: Dataset) -> int | None:
        """Send a result of an accepted class; return the archive's status, None where the association ended without one."""
        assert self._association is not None
        try:
            status = self._association.send_c_store(result).get("Status")
        except RuntimeError:  # it had ended before
            return None
        return None if status is None else int(status)

    def close(self) -> None:
        """Release the association."""
        if self._association is not None and self._association.is_established:
            with suppress(RuntimeError):
                self._association.release()


def hang_up(association: Association) -> None:
    """End an association from another thread, whatever its own waits for."""
    with suppress(OSError, AttributeError):  # it ended by itself, or has no connection yet
        association.dul.socket.socket.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]


@dataclass(frozen=True)
class Archive:
    """Where results go.

    Args:
        title: The archive's AE title, 1 to 16 characters.
        host: Its address.
        port: Its port.
        calling: The AE title that this node calls itself by.
    """

    title: str
    host: str
    port: int
    calling: str

    @classmethod
    def from_text(cls, text: str, calling: str) -> Archive:
        """Read "TITLE@HOST:PORT"; SettingError where it is none."""
        found = _ADDRESS.fullmatch(text.strip())
        if found is None or not 0 < int(found["port"]) < 65536:
            raise SettingError(
                f"An archive as TITLE@HOST:PORT is required, such as ORTHANC@10.0.0.5:4242. Got: {text}."
            )
        return cls(found["title"], found["host"].strip("[]"), int(found["port"]), calling)

    @contextmanager
    def call(
        self, classes: Collection[str], requested: Callable[[Association], object] = lambda association: None
    ) -> Iterator[Session]:
        """Call the archive to store results of these SOP classes; ArchiveTrouble where there is no association.

        An archive that answers but takes none of the classes gives a session that accepts nothing. `requested` is told of the association
        before the archive answers, so that another thread can `hang_up`.
        """
        node = AE(ae_title=self.calling)
        for name, seconds in _TIMEOUTS.items():
            setattr(node, name, seconds)
        for one in sorted(classes):
            node.add_requested_context(one, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
        association = node.associate(
            self.host,
            self.port,
            ae_title=self.title,
            evt_handlers=[(evt.EVT_REQUESTED, lambda event: requested(event.assoc))],
        )
        if not association.is_established and not association.rejected_contexts:
            raise self._trouble(association)
        accepted = frozenset(str(one.abstract_syntax) for one in association.accepted_contexts)
        session = Session(association if association.is_established else None, accepted)
        try:
            yield session
        finally:
            session.close()

    def _trouble(self, association: Association) -> ArchiveTrouble:
        said, for_long = "no answer", False
        answer = association.acceptor.primitive
        if association.is_rejected and answer is not None:
            # DICOM PS3.8, 9.3.4: 1 is permanent, 2 is transient.
            for_long = answer.result == 1
            said = f"it refused the association {'permanently' if for_long else 'for now'} ({answer.reason_str})"
        return ArchiveTrouble(f"An archive that answers is required. Got: {self}: {said}.", for_long=for_long)

    def __str__(self) -> str:
        """Return the address as it is written on the command line."""
        return f"{self.title}@{self.host}:{self.port}"
