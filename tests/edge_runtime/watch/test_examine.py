"""Which file is rejected, and with what sentence."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.system.child import module_command
from freezenet.edge_runtime.watch import examine as module
from freezenet.edge_runtime.watch.arrivals import Arrival
from freezenet.edge_runtime.watch.examine import MAX_ATTEMPTS, examine, outlives, survives


class Raising:
    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error

    def predict(self, content: bytes, overlay: bool) -> tuple[bytes, bool]:
        if self.error is not None:
            raise self.error
        return content, overlay


def arrival(content: bytes | None = b"content") -> Arrival:
    return Arrival("a", Path("a"), "00", 300 << 20, (0, 0), 0, content)


def test_the_content_is_what_the_classifier_gets():
    assert examine(Raising(), arrival(), 0, True) == (b"content", True)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FreezenetError("A sentence."), r"^A sentence\.$"),
        (ValueError("two\nlines"), "Got: ValueError: two lines"),
        (OSError(5, "Input/output error"), "Got: OSError"),
        (MemoryError(), "memory suffices"),
        (RecursionError(), "Got: RecursionError"),
    ],
)
def test_whatever_is_raised_becomes_one_sentence(error, said):
    with pytest.raises(FreezenetError, match=said):
        examine(Raising(error), arrival(), 0, False)


def test_who_ends_the_process_is_not_held_up():
    with pytest.raises(KeyboardInterrupt):
        examine(Raising(KeyboardInterrupt()), arrival(), 0, False)


def test_a_file_too_large_is_not_read():
    with pytest.raises(FreezenetError, match=r"at most 256 MB is required\. Got: 300 MB"):
        examine(Raising(AssertionError()), arrival(None), 0, False)


@pytest.mark.parametrize(
    ("attempts", "probes", "said"),
    [
        (1, [False, False], "ended three times"),
        (MAX_ATTEMPTS, [True], "ended ten times"),
        (9, [False, True], None),
        (0, [], None),
    ],
)
def test_a_file_at_which_the_watcher_ended_is_probed_first(monkeypatch, attempts, probes, said):
    left = list(probes)

    def survives(classifier, content, overlay):
        assert (content, overlay) == (b"content", True)
        return left.pop(0)

    monkeypatch.setattr(module, "survives", survives)
    if said is None:
        assert examine(Raising(), arrival(), attempts, True)
    else:
        with pytest.raises(FreezenetError, match=said):
            examine(Raising(AssertionError()), arrival(), attempts, True)
    assert not left


# ---- whether a process outlives a file


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("import sys; assert sys.stdin.buffer.read() == b'content'; sys.exit(0)", True),
        ("raise SystemExit(1)", True),
        ("import os; os.abort()", False),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", False),
        ("import time; time.sleep(60)", False),
    ],
)
def test_only_an_end_by_a_signal_or_none_at_all_counts(program, expected):
    assert outlives([sys.executable, "-c", program], b"content", seconds=1 if "sleep" in program else 60) is expected


def test_good_and_bad_images_are_outlived(models, phantoms, monkeypatch):
    classifier = Classifier(models / "int8.tflite")
    assert survives(classifier, next(phantoms.parent.rglob("*.png")).read_bytes(), True)
    assert survives(classifier, b"no image", False)
    seen = []
    monkeypatch.setattr(module, "outlives", lambda *given: seen.append(given) or True)
    survives(classifier, b"image", True)
    model = classifier.file.content
    expected = module_command("freezenet.edge_runtime.watch.examine", str(classifier.path), "ai-edge-litert", "1", "1")
    assert seen == [(expected, len(model).to_bytes(8, "little") + model + b"image")]


def test_a_file_that_takes_for_ever_is_rejected_and_the_next_goes_on(models, phantoms, tmp_path, monkeypatch):
    import json
    import threading

    import cv2
    import numpy as np

    from freezenet.edge_runtime.images.bounds import apart
    from freezenet.edge_runtime.watch.settings import WatchSettings
    from freezenet.edge_runtime.watch.watcher import Watcher

    started: list[str] = []

    def command(*_: str) -> list[str]:
        started.append("once")
        return [sys.executable, "-c", "while True: pass"]

    # A decoder that hangs, for a file that only a process may decode.
    monkeypatch.setattr(apart, "module_command", command)
    monkeypatch.setattr(apart, "APART", apart.Apart(1))
    monkeypatch.setattr(apart, "SECONDS", 1)
    inbox, outbox = tmp_path / "inbox", tmp_path / "outbox"
    inbox.mkdir()
    fax = cv2.imencode(".tif", np.eye(304, 200, dtype=np.uint8) * 200, [cv2.IMWRITE_TIFF_COMPRESSION, 7])[1].tobytes()
    (inbox / "a-slow.tif").write_bytes(fax)
    good = next(iter(sorted(phantoms.parent.rglob("*.png"))))
    (inbox / "b-good.png").write_bytes(good.read_bytes())
    watcher = Watcher(Classifier(models / "int8.tflite"), inbox, outbox, WatchSettings(settle=0, interval=0.01))
    assert watcher.run_out(threading.Event()) == 0
    assert started == ["once"]
    reason = json.loads((outbox / "rejected" / "a-slow.tif.json").read_text())
    assert "decoded within 15 seconds is required. Got: one that takes longer" in reason["error"]
    assert (outbox / "b-good.png.json").is_file() and (outbox / "processed" / "b-good.png").is_file()
