"""A siege: attackers and good clients at one server, and what the good ones saw."""

from __future__ import annotations

import http.client
import itertools
import json
import resource
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from freezenet.edge_runtime.errors import one_line
from freezenet.edge_runtime.system.environment import environment
from studies.stress.siege.documents import DOCUMENTS
from studies.stress.siege.pictures import PICTURES
from studies.stress.siege.server import Besieged
from studies.stress.soak import Request, good_requests, percentile

#: Promised: seconds for a good answer, bytes of the server and its processes, seconds to the end, lines of log.
SECONDS_BOUND, MEMORY_BOUND, END_BOUND, LINES_BOUND = 5.0, 1 << 30, 30.0, 100
#: Longest wait of an attacker or a client for its answer.
_PATIENCE = 60


@dataclass
class Tally:
    """What clients of one kind saw; changed under `lock`."""

    milliseconds: list[float] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, status: str, milliseconds: float) -> None:
        """Count one answer."""
        with self.lock:
            self.milliseconds.append(milliseconds)
            self.statuses[status] = self.statuses.get(status, 0) + 1

    def told(self) -> dict[str, Any]:
        """Return the figures (JSON types)."""
        seconds = [one / 1e3 for one in self.milliseconds]
        return {
            "answers": len(seconds),
            "statuses": dict(sorted(self.statuses.items())),
            "seconds": {"p50": percentile(seconds, 0.5), "p99": percentile(seconds, 0.99), "most": percentile(seconds, 1)},
            "failures": len(self.failures),
            "first_failures": self.failures[:5],
        }  # fmt: skip


def attacks(size: int) -> dict[str, bytes]:
    """Return name -> malicious file of about so many bytes at most."""
    return {name: make(size) for name, make in {**PICTURES, **DOCUMENTS}.items()}


def siege(
    model: Path,
    images: list[Path],
    files: Mapping[str, bytes],
    *,
    workers: int,
    seconds: float,
    sockets: int,
    clients: int,
) -> dict[str, Any]:
    """Attack a server of its own and return the result (JSON types).

    Args:
        model: The file to serve.
        images: Good requests are made of these.
        files: The attackers send these.
        workers: Of the server; there are two attackers for each.
        seconds: For which files are sent, and for which good clients ask beside the sockets.
        sockets: That are opened and send nothing.
        clients: Good clients.
    """
    good = good_requests(model, images)
    with Besieged(model, workers) as server:
        by_files, attacked = Tally(), Tally()
        with _Attackers(server.port, files, 2 * workers, attacked):
            _ask(server.port, good, clients, seconds, by_files)
        lines, by_sockets = len(server.log().splitlines()), Tally()
        with _Sockets(server.port, sockets), _Unread(server.port, good[0].body, clients):
            _ask(server.port, good, clients, seconds, by_sockets)
        lines = len(server.log().splitlines()) - lines
        with _Attackers(server.port, files, 2 * workers, Tally()):
            time.sleep(min(2.0, seconds))
            server.stop()
        result = {
            "model": model.name,
            "workers": workers,
            "attackers": 2 * workers,
            "clients": clients,
            "files": len(files),
            "sockets": sockets,
            "good_beside_files": by_files.told(),
            "good_beside_sockets": by_sockets.told(),
            "malicious": attacked.told(),
            "memory_mb": {"idle": round(server.idle_bytes / 1e6), "peak": round(server.peak_bytes / 1e6)},
            "log_lines": lines,
            "end_seconds": round(server.seconds_to_end, 1),
            "exit_code": server.exit_code,
            "bounds": {
                "seconds": SECONDS_BOUND, "memory_mb": round(MEMORY_BOUND / 1e6), "end_seconds": END_BOUND, "lines": LINES_BOUND,
            },
            "environment": environment(),
        }  # fmt: skip
    return {**result, "broken": broken(result)}


def broken(result: Mapping[str, Any]) -> list[str]:
    """Return which promises a result breaks, in words."""
    found = []
    for kind in ("good_beside_files", "good_beside_sockets"):
        told = result[kind]
        if told["failures"] or not told["answers"] or told["seconds"]["most"] > SECONDS_BOUND:
            found.append(f"{kind}: {told['failures']} failures, slowest {told['seconds']['most']} s")
    if result["memory_mb"]["peak"] * 1e6 > MEMORY_BOUND:
        found.append(f"memory: {result['memory_mb']['peak']} MB")
    if result["end_seconds"] > END_BOUND or result["exit_code"]:
        found.append(f"end: {result['end_seconds']} s, exit code {result['exit_code']}")
    if result["log_lines"] >= LINES_BOUND:
        found.append(f"log: {result['log_lines']} lines")
    return found


def _ask(port: int, good: list[Request], clients: int, seconds: float, tally: Tally) -> None:
    """Send good requests from so many clients for so long, each over a new connection."""
    end = time.monotonic() + seconds
    order = itertools.cycle(good)

    def client() -> None:
        while time.monotonic() < end:
            with tally.lock:
                request = next(order)
            started = time.perf_counter()
            try:
                status, found = _post(port, request.body)
            except (OSError, http.client.HTTPException, ValueError) as error:
                with tally.lock:
                    tally.failures.append(f"{type(error).__name__}: {error}")
                continue
            tally.count(str(status), (time.perf_counter() - started) * 1e3)
            assert request.answer is not None
            if status != 200 or any(found.get(key) != value for key, value in request.answer.items()):
                with tally.lock:
                    tally.failures.append(one_line(f"{status} {found}", 200))

    _together(client, clients)


def _post(port: int, body: bytes, path: str = "/v1/predict") -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
    try:
        connection.request("POST", path, body)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


class _Attackers:
    """Threads that send one malicious file after the other while the block lasts."""

    def __init__(self, port: int, files: Mapping[str, bytes], count: int, tally: Tally) -> None:
        self._port, self._tally = port, tally
        self._files = itertools.cycle(files.items())
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._attack, daemon=True) for _ in range(count)]

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(2 * _PATIENCE)

    def _attack(self) -> None:
        while not self._over.is_set():
            with self._tally.lock:
                name, body = next(self._files)
            started = time.perf_counter()
            try:
                status, _ = _post(self._port, body)
            except (OSError, http.client.HTTPException, ValueError) as error:
                with self._tally.lock:
                    self._tally.failures.append(f"{name}: {type(error).__name__}")
                self._over.wait(0.1)
                continue
            self._tally.count(str(status), (time.perf_counter() - started) * 1e3)


class _Sockets:
    """Sockets that are opened and send nothing while the block lasts."""

    def __init__(self, port: int, count: int) -> None:
        self._port, self._count = port, count
        self._open: list[socket.socket] = []

    def __enter__(self) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = self._count + 500
        if 0 <= soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard < 0 else min(wanted, hard), hard))
        self._open = [
            socket.create_connection(("127.0.0.1", self._port), timeout=_PATIENCE) for _ in range(self._count)
        ]

    def __exit__(self, *_: object) -> None:
        for one in self._open:
            one.close()


class _Unread:
    """Clients that ask for pictures again and again and read nothing."""

    def __init__(self, port: int, body: bytes, count: int) -> None:
        head = f"POST /v1/predict?preview=true HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
        self._port, self._request, self._count = port, head.encode() + body, count
        self._open: list[socket.socket] = []

    def __enter__(self) -> None:
        for _ in range(self._count):
            one = socket.socket()
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.connect(("127.0.0.1", self._port))
            one.settimeout(1)
            self._open.append(one)
            try:
                for _ in range(20):
                    one.sendall(self._request)
            except OSError:  # the server takes no more before it is read
                pass

    def __exit__(self, *_: object) -> None:
        for one in self._open:
            one.close()


def _together(run: Callable[[], None], count: int) -> None:
    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
