"""Sockets: those that do nothing give way, those that are not read are closed, and little is said about either."""

from __future__ import annotations

import http.client
import logging
import socket
import threading
import time

import pytest
import uvicorn

from freezenet.edge_runtime.server import connection
from freezenet.edge_runtime.server.connection import Connection


@pytest.fixture
def serve(monkeypatch):
    """Start an ASGI app on real sockets; returns the address."""
    running = []
    monkeypatch.setattr(connection, "SAYINGS", connection.Sayings())

    def started(app) -> tuple[str, int]:
        door = socket.create_server(("127.0.0.1", 0))
        own = uvicorn.Server(
            uvicorn.Config(app, http=Connection, lifespan="off", log_level="critical", timeout_graceful_shutdown=1)
        )
        thread = threading.Thread(target=own.run, args=([door],), daemon=True)
        thread.start()
        running.append((own, thread))
        return door.getsockname()

    yield started
    for own, thread in running:
        own.should_exit = True
        thread.join(20)


def answers(body: bytes):
    """Return an app that answers every request with these bytes, after its body came."""

    async def app(scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    return app


def asked(address: tuple[str, int]) -> int:
    client = http.client.HTTPConnection(*address, timeout=20)
    client.request("GET", "/")
    status = client.getresponse().status
    client.close()
    return status


def test_idle_sockets_give_way_to_good_clients(serve, monkeypatch, caplog):
    monkeypatch.setattr(connection, "MAX_CONNECTIONS", 20)
    address = serve(answers(b"good"))
    with caplog.at_level(logging.WARNING):
        idle = [socket.create_connection(address, timeout=20) for _ in range(100)]
        assert [asked(address) for _ in range(30)] == [200] * 30
    # The oldest were closed, and this was said once.
    assert idle[0].recv(10) == b""
    idle[-1].sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert len([one for one in caplog.records if "connections" in one.message]) == 1
    for one in idle:
        one.close()


def test_a_body_that_does_not_come_gives_way_after_a_while(serve, monkeypatch):
    monkeypatch.setattr(connection, "MAX_CONNECTIONS", 5)
    monkeypatch.setattr(connection, "_FIRST_BODY_SECONDS", 0.5)
    address = serve(answers(b"good"))
    slow = [socket.create_connection(address, timeout=20) for _ in range(5)]
    for one in slow:
        one.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nx")
    time.sleep(0.2)
    refused = asked(address)
    time.sleep(0.5)
    assert (refused, asked(address)) == (503, 200)
    for one in slow:
        one.close()


def test_connections_at_work_are_not_closed(serve, monkeypatch):
    import asyncio

    monkeypatch.setattr(connection, "MAX_CONNECTIONS", 2)
    monkeypatch.setattr(connection, "_FIRST_BODY_SECONDS", 0)
    begun = threading.Semaphore(0)

    async def works(scope, receive, send):
        await receive()
        begun.release()
        await asyncio.sleep(1.5)
        await answers(b"done")(scope, lambda: asyncio.sleep(0, {"type": "http.request"}), send)

    address = serve(works)
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(asked(address))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert begun.acquire(timeout=20)
    assert asked(address) == 503
    for thread in threads:
        thread.join(20)
    assert found == [200, 200]


def test_a_client_that_does_not_read_is_closed(serve, monkeypatch):
    monkeypatch.setattr(connection, "READ_SECONDS", 0.5)
    address = serve(answers(bytes(30_000_000)))
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.settimeout(20)
    deaf.connect(address)
    deaf.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    time.sleep(1.5)
    received = 0
    with pytest.raises(ConnectionResetError):
        while block := deaf.recv(1 << 20):
            received += len(block)
        raise ConnectionResetError if received < 30_000_000 else AssertionError("it was kept")
    assert asked(address) == 200


def test_a_client_that_reads_in_time_gets_all(serve, monkeypatch):
    monkeypatch.setattr(connection, "READ_SECONDS", 20)
    address = serve(answers(bytes(30_000_000)))
    slow = socket.create_connection(address, timeout=20)
    slow.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    time.sleep(0.5)
    received = 0
    while block := slow.recv(1 << 20):
        received += len(block)
    assert received > 30_000_000


def test_a_sentence_is_said_once_a_minute(caplog):
    sayings = connection.Sayings()
    for _ in range(1000):
        sayings.say("Too many.")
    assert [one.message for one in caplog.records] == ["Too many."]


def test_a_failure_of_the_event_loop_is_one_line(monkeypatch, caplog):
    monkeypatch.setattr(connection, "SAYINGS", connection.Sayings())
    for _ in range(1000):
        connection.said_once(None, {"message": "socket.accept()", "exception": OSError(24, "Too many open files")})
    assert [one.message for one in caplog.records] == ["A connection failed: Too many open files."]
