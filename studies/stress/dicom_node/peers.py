"""The node's peers: DCMTK's storescu as a detector, its storescp and two of pynetdicom as archives, and the node's own process."""

from __future__ import annotations

import logging
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydicom
from pydicom.uid import ComprehensiveSRStorage, SecondaryCaptureImageStorage
from pynetdicom import AE, evt

from freezenet.edge_runtime.system.child import module_command
from studies.tools import executable

#: The patient that the archive PICKY refuses, with "not authorized" (DICOM PS3.7, annex C).
REFUSED, NOT_AUTHORIZED = "P0", 0x0124
#: DCMTK's programs; pynetdicom brings programs of the same names.
_DCMTK = "/usr/bin"


@dataclass
class ScriptedArchive:
    """An archive in this process: what it accepts and refuses is known, and what it stored is counted."""

    title: str
    classes: tuple[str, ...]
    refuses: str | None = None
    stored: list[tuple[str, str]] = field(default_factory=list)
    tries: int = 0
    node: Any = None
    port: int = 0

    def start(self) -> None:
        """Listen on a free port."""
        self.node = AE(ae_title=self.title)
        for one in self.classes:
            self.node.add_supported_context(one)
        server = self.node.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)])
        self.port = server.server_address[1]

    def stop(self) -> None:
        """Stop listening."""
        self.node.shutdown()

    def _store(self, event: evt.Event) -> int:
        self.tries += 1
        result = event.dataset
        if result.PatientID == self.refuses:
            return NOT_AUTHORIZED
        self.stored.append((str(result.SOPClassUID), str(result.SOPInstanceUID)))
        return 0x0000


class FileArchive:
    """DCMTK's storescp, which writes what it gets into a folder."""

    def __init__(self, folder: Path) -> None:
        """Choose a port; nothing listens there before `start`."""
        self.folder, self.port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Come back."""
        self.folder.mkdir()
        program = executable([f"{_DCMTK}/storescp"], "dcmtk")
        self._process = subprocess.Popen([program, "--fork", "-aet", "ALL", "-od", str(self.folder), str(self.port)])

    def stop(self) -> None:
        """Go."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)

    def stored(self) -> list[tuple[str, str]]:
        """Return class and UID of each result."""
        found = [pydicom.dcmread(path, stop_before_pixels=True) for path in self.folder.iterdir()]
        return [(str(one.SOPClassUID), str(one.SOPInstanceUID)) for one in found]


class Node:
    """The process of `freezenet dicom-node`, which can be killed and started again."""

    def __init__(self, model: Path, folder: Path, archives: list[str]) -> None:
        """Choose a port; nothing runs before `start`."""
        self.folder, self.port, self.log = folder, free_port(), folder.with_suffix(".log")
        sending = [argument for archive in archives for argument in ("--send-to", archive)]
        self._command = module_command("freezenet", "dicom-node", str(model), "--aet", "FREEZENET", "--port", str(self.port),
                                       "--out", str(folder), "--json", *sending)  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it listens."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=log)
        while not self.listens():
            if self._process.poll() is not None:
                raise RuntimeError(self.log.read_text())
            time.sleep(0.05)

    def listens(self) -> bool:
        """Whether somebody takes connections on its port."""
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """Let it end in the middle of whatever it does."""
        self._end(signal.SIGKILL)

    def stop(self) -> float:
        """Ask it to end; return the seconds that it took."""
        begun = time.perf_counter()
        self._end(signal.SIGTERM)
        return time.perf_counter() - begun

    def memory(self) -> int:
        """Return its largest resident memory so far in MB."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) >> 10

    def _end(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(60)


def send(port: int, image: Path) -> bool:
    """Send a file by DCMTK's storescu; return whether the node acknowledged it."""
    program = executable([f"{_DCMTK}/storescu"], "dcmtk")
    command = [program, "-R", "-aec", "FREEZENET", "-to", "30", "127.0.0.1", str(port), str(image)]
    return subprocess.run(command, capture_output=True, check=False, timeout=300).returncode == 0


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def captures_only() -> ScriptedArchive:
    """Return an archive that accepts Secondary Capture and nothing else."""
    return ScriptedArchive("CAPTURES", (str(SecondaryCaptureImageStorage),))


def picky() -> ScriptedArchive:
    """Return an archive that takes nothing of one patient."""
    return ScriptedArchive("PICKY", (str(ComprehensiveSRStorage), str(SecondaryCaptureImageStorage)), REFUSED)


def silence() -> None:
    """Keep pynetdicom, which logs each refused connection, quiet."""
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
