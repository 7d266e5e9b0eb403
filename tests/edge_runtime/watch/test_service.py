"""The datagrams to the service manager."""

from __future__ import annotations

import socket

import pytest

from freezenet.edge_runtime.watch.service import notify


@pytest.mark.parametrize("abstract", [False, True])
def test_the_datagram_arrives(tmp_path, monkeypatch, abstract):
    name = f"freezenet-{tmp_path.name}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}" if abstract else name)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}" if abstract else name)
        assert notify(READY="1", STATUS="watching")
        assert manager.recv(1000) == b"READY=1\nSTATUS=watching"


@pytest.mark.parametrize("address", [None, "", "vsock:2:1", "/nowhere/notify"])
def test_nobody_listening_is_no_failure(monkeypatch, address):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert not notify(WATCHDOG="1")
