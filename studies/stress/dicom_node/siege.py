"""Callers that mean no good around the node, and how a good sender fares among them."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from pynetdicom import AE

from studies.stress.dicom_node.peers import Node, send

_DECLARED = 3 << 30
_ECHO = "1.2.840.10008.1.1"


@dataclass(frozen=True)
class Siege:
    """What was found.

    idle_sockets: connections that say nothing. silent_associations: associations that say nothing more. declared_gb: of a PDU, of which 700 MB are
    sent as far as they are taken. good: images sent meanwhile; good_acknowledged: of them. slowest_seconds: of a good one. memory_mb: the
    node's largest, before and with it. log_lines: that it added. stop_seconds: from SIGTERM to its end, amid all of them.
    """

    idle_sockets: int
    silent_associations: int
    declared_gb: int
    good: int
    good_acknowledged: int
    slowest_seconds: float
    memory_mb_before: int
    memory_mb: int
    log_lines: int
    stop_seconds: float

    @property
    def passed(self) -> bool:
        """Whether the good sender was served and the node kept its measure."""
        return self.good == self.good_acknowledged and self.log_lines < 100 and self.stop_seconds < 30


def besiege(model: Path, folder: Path, images: list[Path], *, idle: int = 1250, silent: int = 30) -> Siege:
    """Besiege a node of its own."""
    node = Node(model, folder / "besieged", [])
    node.start()
    with ExitStack() as stack:
        stack.callback(node.kill)
        # What the first answer loads is no siege's doing.
        send(node.port, images[0])
        while not list((node.folder / "answers" / "processed").glob("*")):
            time.sleep(0.1)
        before, lines = node.memory(), _lines(node)
        for _ in range(idle):
            stack.enter_context(socket.create_connection(("127.0.0.1", node.port), timeout=60))
        associations = [threading.Thread(target=_stay, args=(node.port,), daemon=True) for _ in range(silent)]
        pdus = [threading.Thread(target=_declare, args=(node.port, kind), daemon=True) for kind in (0x01, 0x04)]
        for thread in (*associations, *pdus):
            thread.start()
        seconds, acknowledged = [], 0
        for image in images[1:]:
            begun = time.perf_counter()
            acknowledged += send(node.port, image)
            seconds.append(time.perf_counter() - begun)
        memory = node.memory()
        stopped = node.stop()
        return Siege(idle, silent, _DECLARED >> 30, len(images) - 1, acknowledged, round(max(seconds), 2), before, memory,
                     _lines(node) - lines, round(stopped, 1))  # fmt: skip


def _stay(port: int) -> None:
    """Make an association and say nothing, and again when it is ended."""
    node = AE(ae_title="SILENT")
    node.add_requested_context(_ECHO)
    while True:
        association = node.associate("127.0.0.1", port, ae_title="FREEZENET")
        while association.is_established:
            time.sleep(0.2)
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)):
                return


def _declare(port: int, kind: int) -> None:
    """Declare a PDU of 3 GB and send 700 MB of it."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=60) as caller:
        caller.sendall(struct.pack(">BxL", kind, _DECLARED))
        for _ in range(700):
            caller.sendall(bytes(1 << 20))


def _lines(node: Node) -> int:
    return len(node.log.read_text().splitlines())
