"""A classifier without a model, and folders for a watcher."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from freezenet.edge_runtime.classifier import Prediction
from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.watch import examine
from freezenet.edge_runtime.watch.listener import Listener
from freezenet.edge_runtime.watch.settings import WatchSettings
from freezenet.edge_runtime.watch.watcher import Watcher


class StubClassifier:
    """Answers with the first letter of the content; refuses what begins with "bad"."""

    path = Path("stub.tflite")
    identity = {"model": "stub.tflite", "model_sha256": "00", "card_sha256": "11", "runtime": "none 0"}  # noqa: RUF012
    # What the trace of an answer reads.
    rule = SimpleNamespace(
        gate=None, thresholds=None, temperature=1.0, abstain_below=0.0, class_abstain_below=None, bias=None
    )
    card = SimpleNamespace(content={})
    trust_tags = True

    def __init__(self, hook=lambda content: None) -> None:
        self.seen: list[bytes] = []
        self.hook = hook

    def require_cam(self) -> None:
        """It has some."""

    def predict(self, content: bytes, overlay: bool = False) -> Prediction:
        self.seen.append(content)
        self.hook(content)
        if content.startswith(b"bad"):
            raise FreezenetError("A good file is required. Got: a bad one.")
        return Prediction(chr(content[0]), {chr(content[0]): 1.0}, {}, overlay=b"picture" if overlay else None)


class Recorder(Listener):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.said, self.outcomes = [], []

    def done(self, outcome) -> None:
        self.outcomes.append(outcome)

    def say(self, sentence: str) -> None:
        self.said.append(sentence)


@pytest.fixture
def make_watcher(tmp_path, monkeypatch):
    """Make a watcher on tmp_path/in and tmp_path/out that takes files at once; the one before lets go of the outbox."""
    made = []
    (tmp_path / "in").mkdir()
    # There is no model that a process of its own could load.
    monkeypatch.setattr(examine, "survives", lambda *given: True)

    def make(hook=lambda content: None, deliver=None, **settings) -> Watcher:
        for watcher in made:
            watcher.close()
        told = Recorder()
        watcher = Watcher(
            StubClassifier(hook),
            tmp_path / "in",
            tmp_path / "out",
            WatchSettings(**{"settle": 0, "interval": 0.01, **settings}),
            deliver=deliver,
            listener=told,
        )
        watcher.said, watcher.done = told.said, told.outcomes
        made.append(watcher)
        return watcher

    yield make
    for watcher in made:
        watcher.close()


@pytest.fixture
def in_background():
    """Run a watcher in a thread; return a function that stops it."""
    running = []

    def start(watcher: Watcher):
        stop = threading.Event()
        thread = threading.Thread(target=watcher.run, args=(stop,))
        thread.start()

        def end() -> None:
            stop.set()
            thread.join(10)
            assert not thread.is_alive()

        running.append(end)
        return end

    yield start
    for end in running:
        end()
