"""Send results to the hospital's archive: a storage service class user."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE

from freezenet.edge_runtime.errors import FreezenetError, SettingError

_ADDRESS = re.compile(r"(?P<title>[^@\\]{1,16})@(?P<host>\[[0-9A-Fa-f:]+\]|[^:@\[\]]+):(?P<port>\d{1,5})")
#: Seconds: of reaching the archive, of one answer, of silence.
_TIMEOUTS = {"connection_timeout": 10, "acse_timeout": 30, "dimse_timeout": 60, "network_timeout": 60}


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

    def send(self, results: Sequence[Dataset]) -> None:
        """Store all results; FreezenetError, to be tried again later, where the archive does not take one of them.

        An archive keeps a result that it has already once, because its UID is the same.
        """
        node = AE(ae_title=self.calling)
        for name, seconds in _TIMEOUTS.items():
            setattr(node, name, seconds)
        for kind in {result.SOPClassUID for result in results}:
            node.add_requested_context(kind, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
        association = node.associate(self.host, self.port, ae_title=self.title)
        if not association.is_established:
            why = "it refused the association" if association.is_rejected else "no answer"
            raise FreezenetError(f"An archive that answers is required. Got: {self}: {why}.")
        try:
            for result in results:
                try:
                    status = association.send_c_store(result)
                except (ValueError, RuntimeError) as error:  # no accepted context; the association ended
                    raise FreezenetError(
                        f"An archive that takes {result.SOPClassUID.name} is required. Got: {error}."
                    ) from None
                # Bxxx are warnings: stored, with a remark (DICOM PS3.4, B.2.3).
                code = status.get("Status")
                if code is None or not (code == 0 or 0xB000 <= code <= 0xBFFF):
                    said = "no answer" if code is None else f"status {code:04X}"
                    raise FreezenetError(
                        f"An archive that stores {result.SOPClassUID.name} is required. Got: {self}: {said}."
                    )
        finally:
            if association.is_established:
                association.release()

    def __str__(self) -> str:
        """Return the address as it is written on the command line."""
        return f"{self.title}@{self.host}:{self.port}"
