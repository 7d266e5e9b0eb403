"""Whether a process outlives a file."""

from __future__ import annotations

import sys

import pytest

from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.system.child import module_command
from freezenet.edge_runtime.watch import probe
from freezenet.edge_runtime.watch.probe import outlives, survives


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
    monkeypatch.setattr(probe, "outlives", lambda *given: seen.append(given) or True)
    survives(classifier, b"", True)
    expected = module_command("freezenet.edge_runtime.watch.probe", str(classifier.path), "ai-edge-litert", "1", "1")
    assert seen == [(expected, b"")]
