"""Servers in this process and in one of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient

from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.images.limits import MAX_PIXELS
from freezenet.edge_runtime.server.app import create_app
from freezenet.edge_runtime.server.guard import AccessLog
from freezenet.edge_runtime.server.settings import ServerSettings
from freezenet.edge_runtime.server.workers import Workers

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def until() -> Callable[..., None]:
    """Wait until a function returns something true: until(function, seconds=20)."""

    def wait(true: Callable[[], object], seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, "it did not become true"
            time.sleep(0.01)

    return wait


@pytest.fixture(scope="session")
def xray(phantoms) -> bytes:
    """The bytes of a drawn X-ray."""
    return next(iter(sorted(phantoms.parent.rglob("*.png")))).read_bytes()


@pytest.fixture(scope="session")
def jpeg() -> bytes:
    """A gray JPEG with a pattern, 300 x 200 pixels."""
    return cv2.imencode(".jpg", np.add.outer(np.arange(200), np.arange(300)).astype(np.uint8))[1].tobytes()


@pytest.fixture
def start(models, until) -> Iterator[Callable[..., SimpleNamespace]]:
    """Start a server in this process: start(queue=..., model=..., <settings>); returns client, app, workers."""
    with ExitStack() as stack:

        def started(model: Path | None = None, count: int = 1, queue: int = 8, **settings) -> SimpleNamespace:
            workers = Workers(
                Classifier(model or models / "int8.tflite"),
                count,
                queue=queue,
                max_pixels=settings.get("max_pixels", MAX_PIXELS),
            )
            app = create_app(workers, ServerSettings(**settings), log=AccessLog(as_json=True))
            client = stack.enter_context(
                TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False)
            )
            until(lambda: workers.ready)
            return SimpleNamespace(client=client, app=app, workers=workers)

        yield started


@pytest.fixture
def hold(monkeypatch) -> threading.Event:
    """Let each worker stop before its work until the event is set."""
    gate = threading.Event()
    work = Workers._answer

    def held(self, *arguments):
        assert gate.wait(30)
        return work(self, *arguments)

    monkeypatch.setattr(Workers, "_answer", held)
    yield gate
    gate.set()


@pytest.fixture
def process() -> Iterator[Callable[..., SimpleNamespace]]:
    """Start `freezenet serve` on a free port: process(model, *options, **environment); returns process, url, port."""
    yield from _processes()


@pytest.fixture(scope="module")
def module_process() -> Iterator[Callable[..., SimpleNamespace]]:
    """As `process`, for a server that a module's tests share."""
    yield from _processes()


def _processes() -> Iterator[Callable[..., SimpleNamespace]]:
    started: list[subprocess.Popen] = []

    def serve(model: Path, *options: str, **environment: str) -> SimpleNamespace:
        command = [sys.executable, "-m", "freezenet", "serve", str(model), "--port", "0", *options]
        found = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(found)
        for line in found.stderr:
            if ready := re.search(r"Ready: (http://\S+) answers", line):
                return SimpleNamespace(process=found, url=ready[1], port=int(ready[1].rpartition(":")[2]))
        raise AssertionError("the server did not start")

    yield serve
    for one in started:
        one.kill()
        one.communicate()
