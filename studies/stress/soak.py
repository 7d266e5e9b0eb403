"""The server under load for long: wrong answers, failures, latency, memory.

    python -m studies.stress.soak MODEL IMAGE... [--requests 20000] [--clients 8] [--bad 0.05] [--json]

A server of its own is started on a free port. Each client keeps one connection and sends one request after another: an
image, whose answer must be the one that this process computes, or now and then something that is no usable image and
must be refused. Resident memory is read from /proc, so Linux is required.
"""

from __future__ import annotations

import http.client
import json
import math
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from freezenet.edge_runtime.errors import ModelError, one_line
from freezenet.edge_runtime.system.child import module_command
from studies.command import StudyCommand, hand_over, images_argument, model_argument, result_options
from studies.tools import MissingToolError

#: Requests after which the server counts as warm: all buffers have seen all images.
WARM = 500
#: Kinds of bad requests -> the statuses that say so.
REFUSALS = {
    "empty": {422},
    "text": {415},
    "truncated": {422},
    "huge header": {413},
    "too large": {413},
}
#: Longest wait for one answer in seconds, and most tries where the server is busy.
_TIMEOUT, _TRIES = 60, 100
#: What must be equal to the answer of this process.
_COMPARED = ("label", "probabilities", "chest_xray", "abstained", "reason", "model", "model_sha256", "card_sha256",
             "runtime")  # fmt: skip


@dataclass
class Tally:
    """What the clients saw; changed under `lock`."""

    milliseconds: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    busy: int = 0
    failures: list[str] = field(default_factory=list)
    finished: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class Request:
    """A body, its media type, and what must come: an answer's keys, or one of these statuses."""

    kind: str
    body: bytes
    media_type: str = "application/octet-stream"
    answer: dict[str, Any] | None = None


class Soak:
    """Clients that ask one server."""

    def __init__(self, port: int, good: list[Request], bad: list[Request], share: float, total: int) -> None:
        """Draw the order of good and bad requests beforehand, the same for the same numbers."""
        rng = random.Random(0)
        self._port = port
        self._requests = [rng.choice(bad) if rng.random() < share else rng.choice(good) for _ in range(total)]
        self._next = iter(self._requests)
        self.tally = Tally()

    def run(self, clients: int, total: int, shown: Any) -> None:
        """Send the next `total` requests from so many threads."""
        left = threading.Semaphore(total)

        def client() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT)
            while left.acquire(blocking=False):
                with self.tally.lock:
                    request = next(self._next)
                self._ask(connection, request)
                with self.tally.lock:
                    self.tally.finished += 1
                    shown.update(1)
            connection.close()

        threads = [threading.Thread(target=client) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _ask(self, connection: http.client.HTTPConnection, request: Request) -> None:
        for _ in range(_TRIES):
            started = time.perf_counter()
            try:
                connection.request("POST", "/v1/predict", request.body, {"Content-Type": request.media_type})
                response = connection.getresponse()
                found = json.loads(response.read())
            except (OSError, http.client.HTTPException, ValueError) as error:
                connection.close()
                self._failed(request, f"{type(error).__name__}: {error}")
                return
            milliseconds = (time.perf_counter() - started) * 1e3
            if response.status != 503:
                self._judge(request, response.status, found, milliseconds)
                return
            with self.tally.lock:
                self.tally.busy += 1
            time.sleep(int(response.headers["Retry-After"]))
        self._failed(request, f"still busy after {_TRIES} tries")

    def _judge(self, request: Request, status: int, found: dict[str, Any], milliseconds: float) -> None:
        if request.answer is None:
            if status in REFUSALS[request.kind] and set(found) == {"error", "request_id"}:
                with self.tally.lock:
                    self.tally.refused[request.kind] += 1
            else:
                self._failed(request, f"status {status}, {found}")
        elif status == 200 and {key: found[key] for key in _COMPARED} == request.answer:
            with self.tally.lock:
                self.tally.milliseconds.append(milliseconds)
        else:
            self._failed(request, f"status {status}, {found}")

    def _failed(self, request: Request, what: str) -> None:
        with self.tally.lock:
            self.tally.failures.append(f"{request.kind}: {one_line(what)}")


def good_requests(model: Path, images: list[Path]) -> list[Request]:
    """Return a request for each image with the answer that this process computes."""
    from freezenet.edge_runtime.classifier import Classifier

    classifier = Classifier(model)
    found = []
    for path in images:
        body = path.read_bytes()
        answer = {**classifier.predict(body).to_dict(), **classifier.identity}
        # As JSON hands it over.
        found.append(Request("good", body, answer=json.loads(json.dumps({key: answer[key] for key in _COMPARED}))))
    return found


def bad_requests(image: bytes, max_bytes: int) -> list[Request]:
    """Return one request of each kind of REFUSALS, made from an image file."""
    # A PNG signature and an IHDR of 60,000 x 60,000 pixels with nothing behind it.
    header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (60_000).to_bytes(4, "big") * 2 + b"\x08\0\0\0\0" + bytes(64)
    return [
        Request("empty", b""),
        Request("text", b"This is no image.\n" * 50, media_type="text/plain"),
        Request("truncated", image[: len(image) // 2]),
        Request("huge header", header),
        Request("too large", bytes(max_bytes + 1)),
    ]


@contextmanager
def server(model: Path, max_bytes: int, workers: int | None) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start `freezenet serve` on a free port; give the process and the port; end it in good order."""
    command = module_command("freezenet", "serve", str(model), "--port", "0", "--max-bytes", str(max_bytes))
    process = subprocess.Popen(
        command + (["--workers", str(workers)] if workers else []),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if ready := re.search(r"http://[^ ]*:(\d+)", line):
            break
    else:
        process.wait()
        raise ModelError(f"A server that starts is required. Got: {' '.join(''.join(said).split())[-300:]}")
    # A full pipe would stop the server.
    threading.Thread(target=process.stderr.read, daemon=True).start()
    try:
        yield process, int(ready[1])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def memory_mb(pid: int) -> dict[str, float]:
    """Return resident memory of a process now and at its peak, in MB (10^6 bytes)."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        raise MissingToolError("A running server and Linux's /proc are required. Got: no such process.") from None
    found = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB$", status, re.M))
    return {"now": int(found["VmRSS"]) * 1024 / 1e6, "peak": int(found["VmHWM"]) * 1024 / 1e6}


def percentile(values: list[float], share: float) -> float | None:
    """Return the smallest value that at least this share of the values does not exceed; None of no values."""
    ordered = sorted(values)
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 2) if ordered else None


def soak(
    model: Path, images: list[Path], *, requests: int, clients: int, bad: float, workers: int | None
) -> dict[str, Any]:
    """Put a server of its own under load and return the result (JSON types).

    Args:
        model: the file to serve.
        images: good requests are made of these, bad ones of the first.
        requests: how many are sent, good and bad together.
        clients: requests at the same time.
        bad: share of bad requests, 0 to 1.
        workers: of the server; None leaves it to the server.
    """
    good = good_requests(model, images)
    max_bytes = max(len(one.body) for one in good) + 65536
    warm = min(WARM, requests // 2)
    with server(model, max_bytes, workers) as (process, port):
        run = Soak(port, good, bad_requests(good[0].body, max_bytes), bad, requests)
        with click.progressbar(length=requests, label="soak", file=sys.stderr) as shown:
            run.run(clients, warm, shown)
            first = memory_mb(process.pid)["now"]
            started = time.perf_counter()
            run.run(clients, requests - warm, shown)
            seconds = time.perf_counter() - started
        last = memory_mb(process.pid)
    tally = run.tally
    return {
        "model": model.name,
        "requests": requests,
        "clients": clients,
        "workers": workers,
        "good": len(tally.milliseconds),
        "refused": dict(sorted(tally.refused.items())),
        "failures": len(tally.failures),
        "first_failures": tally.failures[:5],
        "busy_503": tally.busy,
        "per_second": round((requests - warm) / seconds, 1),
        "milliseconds": {f"p{share}": percentile(tally.milliseconds, share / 100) for share in (50, 95, 99)},
        "memory_mb": {
            "warm": round(first, 1), "end": round(last["now"], 1), "peak": round(last["peak"], 1),
        },
        "memory_growth": round(last["now"] / first - 1, 4),
        "exit_code": process.returncode,
    }  # fmt: skip


@click.command(cls=StudyCommand)
@model_argument
@images_argument
@click.option("--requests", default=20_000, show_default=True, type=click.IntRange(10), help="Good and bad together.")
@click.option("--clients", default=8, show_default=True, type=click.IntRange(1), help="Requests at the same time.")
@click.option("--bad", default=0.05, show_default=True, type=click.FloatRange(0, 1), help="Share of bad requests.")
@click.option("--workers", type=click.IntRange(1), help="Workers of the server; default: its own.")
@result_options
def main(model, images, requests, clients, bad, workers, as_json, out) -> None:
    """Ask a server of its own for long. Exit code 1 where a request failed or resident memory grew by more than 5 %."""
    from freezenet.edge_runtime.system.environment import environment

    result = soak(model, list(images), requests=requests, clients=clients, bad=bad, workers=workers)
    text = "\n".join(f"{key}\t{value}" for key, value in result.items())
    hand_over({**result, "environment": environment()}, f"soak-{model.stem}", text, as_json, out)
    if result["failures"] or result["memory_growth"] > 0.05 or result["exit_code"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
