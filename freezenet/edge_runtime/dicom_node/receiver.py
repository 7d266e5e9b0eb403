"""Receive X-rays: a verification and storage service class provider.

Each image is on the disk, whole and under its name, before the sender is told "success": from then on it is ours.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import cast

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
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)
from pynetdicom import AE, _config, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event

from freezenet.edge_runtime.errors import SettingError
from freezenet.edge_runtime.files import write_atomically

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
]  # fmt: skip

_TITLE = re.compile(r"(?=.*[^ ])[ -\[\]-~]{1,16}")
# DICOM PS3.7 annex C and PS3.4 B.2.3.
_SUCCESS, _OUT_OF_RESOURCES, _CANNOT_UNDERSTAND = 0x0000, 0xA700, 0xC000


class Receiver:
    """A DICOM node that writes what it receives into a folder.

    DICOM itself knows no password: who reaches the port and knows the titles may send.

    Args:
        title: This node's AE title, 1 to 16 characters; a caller must call it by that.
        inbox: The folder; an image becomes <SOP Instance UID>.dcm.
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
        self._chunked = _config.STORE_RECV_CHUNKED_DATASET
        self._node = AE(ae_title=title)
        self._node.require_called_aet = True
        self._node.require_calling_aet = sorted(callers)
        self._node.maximum_associations = 10
        self._node.add_supported_context(_VERIFICATION)
        for image in IMAGES:
            self._node.add_supported_context(image, TRANSFER_SYNTAXES)

    def start(self) -> int:
        """Begin to listen in threads of its own; return the port."""
        # A data set goes to the disk piece by piece and not through the memory; pynetdicom asks when one arrives.
        self._chunked, _config.STORE_RECV_CHUNKED_DATASET = _config.STORE_RECV_CHUNKED_DATASET, True
        try:
            server = self._node.start_server(self.address, block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)])
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise SettingError(
                f"A free address is required. Got: {self.address[0]}:{self.address[1]}: {reason}; choose another --host or --port."
            ) from None
        assert server is not None  # it is where it does not block
        return int(server.server_address[1])

    def stop(self) -> None:
        """Stop listening and end what is under way."""
        self._node.shutdown()
        _config.STORE_RECV_CHUNKED_DATASET = self._chunked

    def _store(self, event: Event) -> int:
        uid = str(cast(C_STORE, event.request).AffectedSOPInstanceUID)
        # The UID becomes a file name.
        if not uid or not set(uid) <= set("0123456789.") or len(uid) > 64:
            return _CANNOT_UNDERSTAND
        try:
            self.inbox.mkdir(parents=True, exist_ok=True)
            received = event.dataset_path
            write_atomically(self.inbox / f"{uid}.dcm", lambda path: shutil.copyfile(received, path), durable=True)
        except OSError:  # the sender keeps the image and tries again
            return _OUT_OF_RESOURCES
        return _SUCCESS
