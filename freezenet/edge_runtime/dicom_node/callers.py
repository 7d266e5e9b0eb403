"""Who calls, and who gets an association: silent callers keep no good one out.

A connection waits, without a thread of its own, until its request for an association is there as a whole. Then it gets one, as soon as
there are fewer than ASSOCIATIONS; where there are not, the association that was silent for longest is ended, if it was so for GRACE seconds.
"""

from __future__ import annotations

import select
import socket
import socketserver
import struct
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.transport import AssociationServer, RequestHandler

from freezenet.edge_runtime.dicom_node.transfer import MAX_PDU, CallerSocket, Intake

#: Associations at the same time, and connections that wait for one.
ASSOCIATIONS, WAITING = 16, 64
#: Seconds: of silence after which an association can be ended for another, for a request to come, for an association to become free.
GRACE, REQUEST_SECONDS, WAITING_SECONDS = 2.0, 10.0, 30.0
#: Seconds between two looks at who waits.
_LOOK = 0.01
_REQUEST = 0x01  # A-ASSOCIATE-RQ: DICOM PS3.8, 9.3.2
_HEAD = struct.Struct(">BxL")


@dataclass
class _Caller:
    """A connection that has no association yet."""

    connection: socket.socket
    address: Any
    since: float
    begun: bytearray = field(default_factory=bytearray)

    @property
    def missing(self) -> int:
        """Bytes that the request still lacks; ValueError where it is none."""
        if len(self.begun) < _HEAD.size:
            return _HEAD.size - len(self.begun)
        kind, length = _HEAD.unpack_from(self.begun)
        if kind != _REQUEST or length > MAX_PDU:
            raise ValueError("no request for an association")
        return _HEAD.size + length - len(self.begun)

    def read(self) -> None:
        """Take what is there; ValueError or OSError where nothing can come of it."""
        with suppress(BlockingIOError):
            while missing := self.missing:
                piece = self.connection.recv(missing)
                if not piece:
                    raise ConnectionResetError
                self.begun += piece


@dataclass
class _Served:
    """An association and what was put into it."""

    association: Association
    socket: CallerSocket
    intake: Intake

    @property
    def ended(self) -> bool:
        """Whether none of its threads lives."""
        return not (self.association.is_alive() or self.association.dul.is_alive())

    @property
    def moved(self) -> float:
        """When something last arrived or was done."""
        return max(self.socket.moved, self.intake.moved)


class _Handler(RequestHandler):
    """Makes the association of a caller whose request is there."""

    server: Callers

    def _create_association(self) -> Association:
        association = super()._create_association()
        # The plain socket, and its word of a connection, are replaced by one with limits.
        association.dul.event_queue.get_nowait()
        begun = bytes(self.server.admitted.begun)
        served = _Served(
            association, CallerSocket(association, self.request, begun), Intake(association, self.server.folder)
        )
        association.dul.socket, association.dimse = served.socket, served.intake
        self.server.active.append(served)
        return association


class Callers(AssociationServer):
    """A server of associations that lets callers wait.

    Args:
        folder: Where data sets under way lie.
    """

    request_queue_size = 128
    admitted: _Caller

    def __init__(self, ae: AE, *where: Any, folder: Path, **named: Any) -> None:
        """Listen; OSError or OverflowError where the address cannot be used."""
        self.folder = folder
        self.active: list[_Served] = []
        self._waiting: list[_Caller] = []
        super().__init__(ae, *where, **named, request_handler=_Handler)  # type: ignore[misc]  # `where` has no handler

    def serve_forever(self, poll_interval: float = _LOOK) -> None:
        """Serve until `shutdown`."""
        super().serve_forever(poll_interval)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Let a new connection wait; beyond WAITING the one that has waited longest, first one without a request, goes."""
        request.setblocking(False)
        self._waiting.append(_Caller(request, client_address, time.monotonic()))
        if len(self._waiting) > WAITING:
            incomplete = (caller for caller in self._waiting if not _complete(caller))
            self._dismiss(next(incomplete, self._waiting[0]))

    def service_actions(self) -> None:
        """Look after those who wait and those who are served; called between two connections, and often."""
        for served in [one for one in self.active if one.ended]:
            self.active.remove(served)
            served.intake.discard()
        if self._waiting:
            self._read()
            self._admit()

    def shutdown(self) -> None:
        """Stop serving, and end what is under way."""
        socketserver.TCPServer.shutdown(self)
        self.server_close()
        for caller in list(self._waiting):
            self._dismiss(caller)
        for served in self.active:
            served.socket.hang_up()
        end = time.monotonic() + 5
        while self.active and time.monotonic() < end:
            time.sleep(_LOOK)
            self.service_actions()

    def _read(self) -> None:
        """Read from those who have said something; those who say something else, or nothing, go."""
        poll = select.poll()
        for caller in self._waiting:
            poll.register(caller.connection, select.POLLIN)
        spoken, now = {handle for handle, _ in poll.poll(0)}, time.monotonic()
        for caller in list(self._waiting):
            try:
                if caller.connection.fileno() in spoken:
                    caller.read()
                patience = REQUEST_SECONDS if caller.missing else WAITING_SECONDS
            except (OSError, ValueError):
                patience = 0.0
            if now - caller.since > patience:
                self._dismiss(caller)

    def _admit(self) -> None:
        """Give those whose request is there an association, in the order in which they came, as long as there is room."""
        room = ASSOCIATIONS - len(self.active)
        for caller in [one for one in self._waiting if _complete(one)]:
            if room <= 0:
                for idle in self._silent()[:1]:
                    idle.socket.hang_up()
                return  # its room is free when it has ended
            room -= 1
            self._waiting.remove(caller)
            self.admitted = caller
            try:
                self.finish_request(caller.connection, caller.address)
            except Exception:  # pynetdicom's own; it must not end the server
                self.shutdown_request(caller.connection)

    def _silent(self) -> list[_Served]:
        """Return the associations that can be ended for another, the most silent first."""
        last = time.monotonic() - GRACE
        return sorted(
            (one for one in self.active if one.moved < last and not one.intake.busy), key=lambda one: one.moved
        )

    def _dismiss(self, caller: _Caller) -> None:
        self._waiting.remove(caller)
        self.shutdown_request(caller.connection)


def _complete(caller: _Caller) -> bool:
    with suppress(ValueError):
        return not caller.missing
    return False
