"""Receive X-rays: a verification and storage service class provider.

Each image is on the disk, whole and under its name, before the sender is told "success": from then on it is ours. The name has digits of the
content's SHA-256, because senders give the same identifier to different images.
"""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Collection
from pathlib import Path
from typing import cast

from pydicom import Dataset, dcmread
from pydicom.uid import (
    JPEG2000,
    UID,
    ComputedRadiographyImageStorage,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event

from freezenet.edge_runtime.dicom_node.callers import ASSOCIATIONS, Callers
from freezenet.edge_runtime.dicom_node.transfer import CANNOT_UNDERSTAND, TOLD_PDU, Intake, Refusal, Spool, is_uid
from freezenet.edge_runtime.errors import SettingError
from freezenet.edge_runtime.files import move_new, to_disk
from freezenet.edge_runtime.integrity.hashes import sha256_file
from freezenet.edge_runtime.system.chatter import without_pydicom_warnings

#: What is taken; film scanners send X-rays as secondary captures. Images "for processing" are raw detector data, which
#: no network here has seen.
IMAGES = (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    SecondaryCaptureImageStorage,
)
#: C-ECHO: PS3.6, table A-1.
_VERIFICATION = UID("1.2.840.10008.1.1")
#: In the order of preference: what needs no decoder first.
TRANSFER_SYNTAXES = [
    ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, RLELossless,
    JPEGLossless, JPEGLosslessSV1, JPEGLSLossless, JPEGLSNearLossless, JPEG2000Lossless, JPEG2000, JPEGBaseline8Bit,
    JPEGExtended12Bit,
]  # fmt: skip

#: Folder in the inbox for what is under way; the watcher passes over names with a dot in front.
UNDER_WAY = ".receiving"
#: Bytes at the beginning of an image in which its identifiers are looked for.
_HEAD = 256 << 10
_IDENTIFIERS = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_TITLE = re.compile(r"(?=.*[^ ])[ -\[\]-~]{1,16}")


class Receiver:
    """A DICOM node that writes what it receives into a folder.

    DICOM itself knows no password: who reaches the port and knows the titles may send.

    Args:
        title: This node's AE title, 1 to 16 characters; a caller must call it by that.
        inbox: The folder; an image becomes <SOP Instance UID>-<first 12 digits of its SHA-256>.dcm.
        host: Address to listen on.
        port: Port to listen on; 0: a free one.
        callers: AE titles that may call, or empty for any.

    Raises:
        SettingError: A title is none, or, by `start`, the address cannot be used.
    """

    def __init__(
        self, title: str, inbox: Path, *, host: str = "127.0.0.1", port: int = 0, callers: Collection[str] = ()
    ) -> None:
        """Prepare the node; nothing is received before `start`."""
        for one in (title, *callers):
            if not _TITLE.fullmatch(one):
                raise SettingError(
                    f"An AE title of 1 to 16 ASCII characters without backslash is required. Got: {one!r}."
                )
        self.inbox = inbox
        self.address = (host, port)
        self._server: Callers | None = None
        self._node = AE(ae_title=title)
        self._node.require_called_aet = True
        self._node.require_calling_aet = sorted(callers)
        self._node.maximum_pdu_size = TOLD_PDU
        # Callers keeps the limit; associations that just ended must not count.
        self._node.maximum_associations = 4 * ASSOCIATIONS
        self._node.add_supported_context(_VERIFICATION)
        for image in IMAGES:
            self._node.add_supported_context(image, TRANSFER_SYNTAXES)

    def start(self) -> int:
        """Begin to listen in threads of its own; return the port. What a kill left half-received is taken away."""
        for left in (self.inbox / UNDER_WAY).glob("*.dcm"):
            left.unlink(missing_ok=True)
        try:
            server = self._node.make_server(
                self.address,
                server_class=Callers,  # type: ignore[arg-type]  # any server of associations will do
                evt_handlers=[(evt.EVT_C_STORE, self._store)],
                folder=self.inbox / UNDER_WAY,
            )
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise SettingError(
                f"A free address is required. Got: {self.address[0]}:{self.address[1]}: {reason}; choose another --host or --port."
            ) from None
        self._server = cast(Callers, server)
        threading.Thread(target=self._server.serve_forever, name="callers", daemon=True).start()
        return int(self._server.server_address[1])

    def stop(self) -> None:
        """Stop listening and end what is under way."""
        if self._server is not None:
            self._server.shutdown()
            self._server = None

    def _store(self, event: Event) -> int | Dataset:
        request = cast(C_STORE, event.request)
        spool = cast(Spool, request.DataSet)
        with cast(Intake, event.assoc.dimse).handling(spool):
            try:
                sha256 = spool.finish()
                _require_identifiers(spool.path, event.context.transfer_syntax)
                self._keep(spool.path, str(request.AffectedSOPInstanceUID), sha256)
            except OSError as error:
                return _told(Refusal.of(error))
            except Refusal as refusal:
                return _told(refusal)
        return 0x0000

    def _keep(self, received: Path, uid: str, sha256: str) -> None:
        """Give an image its name in the inbox, unless it is there already; OSError where it cannot be."""
        for name in (f"{uid}-{sha256[:12]}.dcm", f"{uid}-{sha256}.dcm"):
            target = self.inbox / name
            while True:
                try:
                    move_new(received, target)
                except FileExistsError:
                    try:
                        same = sha256_file(target) == sha256
                    except FileNotFoundError:  # answered and moved in this moment
                        continue
                    if not same:  # two images made to have the same digits
                        break
                to_disk(self.inbox)
                return
        raise FileExistsError


def _require_identifiers(image: Path, syntax: str) -> None:
    """Refuse an image whose own identifiers are none: results could not name it. What is missing or not to be read is for the reader to judge."""
    if syntax == DeflatedExplicitVRLittleEndian:  # how much it unpacks to is not known before
        return
    with image.open("rb") as file:
        head = io.BytesIO(file.read(_HEAD))
    try:
        with without_pydicom_warnings():
            found = dcmread(head, stop_before_pixels=True, specific_tags=list(_IDENTIFIERS))
            values = {keyword: str(found.get(keyword) or "") for keyword in _IDENTIFIERS}
    except Exception:  # whatever a damaged file makes of pydicom
        return
    for keyword, value in values.items():
        if value and not is_uid(value):
            raise Refusal(CANNOT_UNDERSTAND, f"{keyword} is no UID")


def _told(refusal: Refusal) -> Dataset:
    """Return the status that a sender is given, with the reason."""
    status = Dataset()
    status.Status, status.ErrorComment = refusal.status, refusal.comment
    return status
