"""What arrives on an association: it goes to the disk piece by piece, and each piece has a limit.

pynetdicom receives into the memory, or into the system's temporary folder, and waits without end for the rest of a PDU of any length. The
classes here take the places of its own for one association; the protocol itself stays pynetdicom's.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ, DIMSEMessage
from pynetdicom.dsutils import create_file_meta
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.transport import AssociationSocket

from freezenet.edge_runtime.watch.arrivals import MAX_BYTES

#: Largest PDU that is told to senders, and that is read, in bytes. A request of an association names its contexts in one, 128 at most.
TOLD_PDU, MAX_PDU = 64 << 10, 256 << 10
#: Seconds for a PDU whose first bytes are there, and for an answer that a sender does not read.
PDU_SECONDS = 30
#: Bytes of a command without its data set.
_MAX_COMMAND = 64 << 10
#: Times MAX_BYTES at which a data set that was refused is not listened to any more.
_ENDLESS = 4
#: DICOM PS3.4, B.2.3 and PS3.7, annex C.
OUT_OF_RESOURCES, CANNOT_UNDERSTAND = 0xA700, 0xC000
#: DICOM PS3.5, 9.1, but for leading zeros, which devices write.
_UID = re.compile(r"[0-9]+(\.[0-9]+)+")


class Refusal(Exception):
    """An image that is not taken: the status for its sender, and a comment of at most 64 characters."""

    def __init__(self, status: int, comment: str) -> None:
        """Keep what the sender is told."""
        super().__init__(comment)
        self.status, self.comment = status, comment[:64]

    @classmethod
    def of(cls, error: OSError) -> Refusal:
        """Return the refusal for a full or failing disk: the sender keeps the image and tries again."""
        return cls(OUT_OF_RESOURCES, os.strerror(error.errno) if error.errno else type(error).__name__)


class Spool(io.BytesIO):
    """A data set under way, in a file of the node's own; it takes the place of the buffer that pynetdicom fills.

    What stands in the way is kept in `refusal`, and the rest is passed over, so that the sender can be told why; not without end.

    Args:
        folder: Where the file lies; it is made at the first byte.
        head: Returns what stands before the data set in the file; it may raise Refusal.
    """

    def __init__(self, folder: Path, head: Callable[[], bytes]) -> None:
        """Nothing is written yet."""
        super().__init__()
        self.path = folder / f"{secrets.token_hex(8)}.dcm"
        self.refusal: Refusal | None = None
        self.size = 0
        self._file: io.BufferedWriter | None = None
        self._head, self._digest = head, hashlib.sha256()

    def write(self, data: object) -> int:
        """Take the next fragment."""
        fragment = bytes(data)  # type: ignore[call-overload]
        self.size += len(fragment)
        if self.size > _ENDLESS * MAX_BYTES:
            raise ValueError("a data set without end")
        if self.refusal is None:
            try:
                if self._file is None:
                    head = self._head()
                    self.path.parent.mkdir(parents=True, exist_ok=True)
                    self._file = self.path.open("xb")
                    self._take(head)
                self._take(fragment)
            except Refusal as refusal:
                self.refuse(refusal)
            except OSError as error:
                self.refuse(Refusal.of(error))
        return len(fragment)

    def refuse(self, refusal: Refusal) -> None:
        """Give up, and give the room on the disk back."""
        self.discard()
        self.refusal = refusal

    def finish(self) -> str:
        """Return the file's SHA-256 when it is whole and on the disk; Refusal where it cannot be."""
        if self.refusal is not None:
            raise self.refusal
        if self._file is None:
            raise Refusal(CANNOT_UNDERSTAND, "A data set is required")
        try:
            with self._file as file:
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise Refusal.of(error) from None
        return self._digest.hexdigest()

    def discard(self) -> None:
        """Take the file away; nothing happens where it was moved."""
        if self._file is not None:
            with suppress(OSError):  # what it still held may find no room
                self._file.close()
            with suppress(OSError):  # what stays is swept at the next start
                self.path.unlink(missing_ok=True)

    def _take(self, data: bytes) -> None:
        assert self._file is not None
        if self.size > MAX_BYTES:
            raise Refusal(CANNOT_UNDERSTAND, f"At most {MAX_BYTES >> 20} MB are taken for one image")
        self._file.write(data)
        self._digest.update(data)


class Intake(DIMSEServiceProvider):
    """The messages of one association, with their data sets in a folder."""

    def __init__(self, association: Association, folder: Path) -> None:
        """Nothing has arrived yet."""
        super().__init__(association)
        self._folder = folder
        self._spools: list[Spool] = []
        self._handling = False
        #: By the monotonic clock: when something was last done for the sender.
        self.moved = time.monotonic()

    @property
    def busy(self) -> bool:
        """Whether something that arrived whole is not answered yet."""
        return self._handling or not self.msg_queue.empty()

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take the next fragments; called by pynetdicom."""
        if self.message is None:
            self.message = DIMSEMessage()
            self.message.data_set = Spool(self._folder, self._head)
            self._spools.append(self.message.data_set)
        message = self.message
        try:
            super().receive_primitive(primitive)
            if message.encoded_command_set.tell() > _MAX_COMMAND:
                raise ValueError("a command without end")
        except Exception:  # whatever a message that is none makes of pydicom and pynetdicom
            self.message = None
            self.dul.event_queue.put("Evt19")  # an invalid PDU: the association is aborted (DICOM PS3.8, 9.2.3)
            return
        if self.message is None and not isinstance(message, C_STORE_RQ):  # nothing else that is served has a data set
            self._spools.pop().discard()

    @contextmanager
    def handling(self, spool: Spool) -> Iterator[None]:
        """Hold the association while an image is put away; its file is gone from the folder afterwards."""
        self._handling = True
        try:
            yield
        finally:
            spool.discard()
            self._spools = [one for one in self._spools if one is not spool]
            self.moved, self._handling = time.monotonic(), False

    def discard(self) -> None:
        """Take away what an association that ended had not brought to its end."""
        for spool in self._spools:
            spool.discard()

    def _head(self) -> bytes:
        """Return preamble and file meta information (DICOM PS3.10, 7.1) of the message under way."""
        message = self.message
        assert message is not None
        command: Dataset = message.command_set
        uid = str(command.get("AffectedSOPInstanceUID", ""))
        if not is_uid(uid) or not is_uid(str(command.get("AffectedSOPClassUID", ""))):
            raise Refusal(CANNOT_UNDERSTAND, "An Affected SOP Instance UID that is a UID is required")
        (syntax,) = [
            context.transfer_syntax[0]
            for context in self.assoc.accepted_contexts
            if context.context_id == message.context_id
        ]
        meta = create_file_meta(
            sop_class_uid=command.AffectedSOPClassUID, sop_instance_uid=UID(uid), transfer_syntax=syntax
        )
        stream = DicomBytesIO()
        stream.write(bytes(128) + b"DICM")
        write_file_meta_info(stream, meta)
        return stream.getvalue()


class CallerSocket(AssociationSocket):
    """The socket of a caller: no PDU longer than MAX_PDU is read, and none is waited for longer than PDU_SECONDS.

    Args:
        association: Whose socket it is.
        connection: The connection.
        begun: What was read of it already.
    """

    def __init__(self, association: Association, connection: socket.socket, begun: bytes) -> None:
        """Take the connection over."""
        connection.settimeout(PDU_SECONDS)
        super().__init__(association, client_socket=connection)
        self._begun = begun
        #: By the monotonic clock: when the last whole piece arrived.
        self.moved = time.monotonic()

    @property
    def ready(self) -> bool:
        """Whether there is something to read."""
        return bool(self._begun) or super().ready

    def recv(self, nr_bytes: int) -> bytearray:
        """Return that many bytes, fewer where the caller hung up; OSError where there are too many or they do not come."""
        if nr_bytes > MAX_PDU:
            raise OSError("a PDU longer than any that was agreed on")
        taken = bytearray(self._begun[:nr_bytes])
        self._begun = self._begun[nr_bytes:]
        end = time.monotonic() + PDU_SECONDS
        while len(taken) < nr_bytes and self.socket is not None:
            piece = self.socket.recv(nr_bytes - len(taken))
            if not piece:
                break
            taken += piece
            if time.monotonic() > end:
                raise TimeoutError("a PDU that does not end")
        if len(taken) == nr_bytes:
            self.moved = time.monotonic()
        return taken

    def hang_up(self) -> None:
        """End the connection from another thread; whoever reads from it sees its end."""
        with suppress(OSError, AttributeError):  # it ended by itself
            self.socket.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]


def is_uid(text: str) -> bool:
    """Whether a text is a DICOM identifier, and so may become a file name."""
    return len(text) <= 64 and _UID.fullmatch(text) is not None
