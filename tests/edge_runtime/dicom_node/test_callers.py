"""Callers that say nothing, too much, or never come to an end; a good sender (DCMTK) beside them is served."""

from __future__ import annotations

import resource
import socket
import struct
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from pydicom.uid import ComputedRadiographyImageStorage
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from freezenet.edge_runtime.dicom_node import callers, transfer
from freezenet.edge_runtime.dicom_node.callers import ASSOCIATIONS, WAITING
from freezenet.edge_runtime.dicom_node.receiver import Receiver


@pytest.fixture
def receiver(tmp_path):
    one = Receiver("FREEZENET", tmp_path / "inbox", port=0)
    one.port = one.start()
    yield one
    one.stop()
    assert not [thread for thread in threading.enumerate() if "Acceptor" in thread.name]


def associate(port: int):
    node = AE(ae_title="SENDER")
    node.add_requested_context(Verification)
    node.add_requested_context(ComputedRadiographyImageStorage)
    return node.associate("127.0.0.1", port, ae_title="FREEZENET")


def connections(port: int) -> int:
    """The connections that the system knows on the node's side of a port."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "01" for line in lines)


def test_idle_sockets_keep_no_sender_out(receiver, dcmtk, chest_file, until):
    threads = threading.active_count()
    with ExitStack() as opened:
        for _ in range(300):
            opened.enter_context(socket.create_connection(("127.0.0.1", receiver.port), timeout=30))
        assert threading.active_count() == threads  # none of them costs one
        assert dcmtk("storescu", "-aec", "FREEZENET", "127.0.0.1", receiver.port, chest_file()).returncode == 0
        until(lambda: connections(receiver.port) <= WAITING)


def test_a_socket_that_says_nothing_is_closed(receiver, monkeypatch):
    monkeypatch.setattr(callers, "REQUEST_SECONDS", 0.3)
    for begun in (b"", b"\x01\x00\x00\x00\x02\x00half"):
        with socket.create_connection(("127.0.0.1", receiver.port), timeout=30) as caller:
            caller.sendall(begun)
            assert caller.recv(1) == b""


def test_silent_associations_keep_no_sender_out(receiver, dcmtk, chest_file):
    """Twice as many as there may be; each new one takes the place of the most silent."""
    silent = []
    opener = threading.Thread(
        target=lambda: silent.extend(associate(receiver.port) for _ in range(2 * ASSOCIATIONS)), daemon=True
    )
    opener.start()
    opener.join(60)
    assert len(silent) == 2 * ASSOCIATIONS
    assert dcmtk("storescu", "-aec", "FREEZENET", "127.0.0.1", receiver.port, chest_file()).returncode == 0
    assert sum(one.is_established for one in silent) <= ASSOCIATIONS
    for one in silent:
        one.abort()


def test_an_association_that_works_is_not_ended_for_another(receiver, chest, monkeypatch):
    monkeypatch.setattr(callers, "ASSOCIATIONS", 2)
    monkeypatch.setattr(callers, "GRACE", 0.5)
    working = associate(receiver.port)
    others = []
    for number in range(6):
        assert working.send_c_store(chest(number)).Status == 0
        others.append(associate(receiver.port))
        time.sleep(0.2)
    assert working.is_established and working.send_c_store(chest(9)).Status == 0
    for one in (working, *others):
        one.abort()


@pytest.mark.parametrize("kind", [0x01, 0x04])
def test_a_declared_pdu_of_3_gb_takes_no_memory(receiver, dcmtk, chest_file, until, kind):
    """As the first PDU, and within an association; 64 MB of it are sent, if it lets us."""
    head = struct.pack(">BxL", kind, 3 << 30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if kind == 0x01:
        caller = socket.create_connection(("127.0.0.1", receiver.port), timeout=30)
    else:
        association = associate(receiver.port)
        caller = association.dul.socket.socket
    try:
        caller.sendall(head)
        for _ in range(64):
            caller.sendall(bytes(1 << 20))
    except OSError:
        pass
    until(lambda: connections(receiver.port) == 0)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB
    if kind == 0x04:
        association.kill()
    assert dcmtk("storescu", "-aec", "FREEZENET", "127.0.0.1", receiver.port, chest_file()).returncode == 0


def test_a_pdu_that_does_not_end_is_not_waited_for(receiver, until, monkeypatch):
    monkeypatch.setattr(transfer, "PDU_SECONDS", 0.5)
    association = associate(receiver.port)
    association.dul.socket.socket.sendall(struct.pack(">BxL", 0x04, 1000) + bytes(10))
    until(lambda: connections(receiver.port) == 0)
    association.kill()


def test_a_command_without_end_is_broken_off(receiver, until):
    """Fragments of a command, none the last: they would fill the memory."""
    association = associate(receiver.port)
    caller = association.dul.socket.socket
    context = association.accepted_contexts[0].context_id
    fragment = struct.pack(">LBB", 10_002, context, 0x01) + bytes(10_000)
    pdu = struct.pack(">BxL", 0x04, len(fragment)) + fragment
    with pytest.raises(OSError):
        for _ in range(1000):
            caller.sendall(pdu)
            time.sleep(0.001)
    association.kill()


@pytest.mark.parametrize(
    "fragment",
    [
        b"\x00data before a command",
        b"\x03" + bytes(100),
        b"\x03" + struct.pack("<HHLH", 0, 0x0100, 2, 0x4711),
        b"",
    ],
    ids=["data first", "zeros", "unknown command", "empty"],
)
def test_a_message_that_is_none_ends_its_association_alone(receiver, until, recwarn, fragment):
    """Nor does it end a thread with a traceback, which pytest would warn of."""
    association, other = associate(receiver.port), associate(receiver.port)
    context = association.accepted_contexts[0].context_id
    value = struct.pack(">LB", len(fragment) + 1, context) + fragment
    association.dul.socket.socket.sendall(struct.pack(">BxL", 0x04, len(value)) + value)
    if fragment[:1] != b"\x00":
        until(lambda: not association.is_established)
    assert other.send_c_echo().Status == 0
    other.release()
    association.abort()
    until(lambda: not connections(receiver.port))
    assert not [warning for warning in recwarn if "thread" in str(warning.message).lower()]


def test_stopping_does_not_wait_for_who_is_silent(tmp_path):
    one = Receiver("FREEZENET", tmp_path / "inbox")
    port = one.start()
    association, idle = associate(port), socket.create_connection(("127.0.0.1", port))
    association.dul.socket.socket.sendall(struct.pack(">BxL", 0x04, 1000))
    begun = time.monotonic()
    one.stop()
    assert time.monotonic() - begun < 10
    association.kill()
    idle.close()
