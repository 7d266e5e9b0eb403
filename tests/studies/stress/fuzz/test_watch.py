"""A worker that dies, hangs, prints, eats memory or raises is a finding, and the next input is answered again."""

from __future__ import annotations

import subprocess
import sys

import pytest

from studies.stress.fuzz import watch
from studies.stress.fuzz.memory import MEMORY_BOUND
from studies.stress.fuzz.watch import Watch, is_sentence, judged, masked

#: Does what the input says.
WORKER = """
import json, os, signal, sys, time
print("ready", flush=True)
for line in sys.stdin:
    said = open(json.loads(line)["path"], "rb").read().decode()
    if said == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if said == "exit":
        sys.exit(7)
    if said == "hang":
        time.sleep(600)
    print(json.dumps({"answer": said, "seconds": 0.1, "peak_bytes": 0, "noise": ""}), flush=True)
"""


@pytest.fixture
def watched(monkeypatch, tmp_path):
    monkeypatch.setattr(watch, "_PATIENCE", 1.0)

    def start(model):
        return subprocess.Popen(
            [sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    with Watch(tmp_path / "none.tflite", start) as one:
        yield one


@pytest.mark.parametrize(
    ("said", "finding"),
    [
        ("crash", "the process was ended by SIGSEGV"),
        ("exit", "the process ended with code 7"),
        ("hang", "no answer within 1 seconds"),
    ],
)
def test_the_end_of_a_worker_is_a_finding_and_the_next_input_has_another(watched, said, finding):
    assert watched.run("png", said.encode()).finding == finding
    outcome = watched.run("png", b"fine")
    assert (outcome.answer, outcome.finding) == ("fine", None)


def reply(**values):
    return {"answer": "Normal", "seconds": 0.1, "peak_bytes": 0, "noise": "", **values}


def test_what_breaks_the_promise_is_a_finding():
    assert judged(reply()).finding is None
    assert judged(reply(noise="libpng warning")).finding == "printed: libpng warning"
    assert judged(reply(raised="KeyError: 'x'")).finding == "KeyError: 'x'"
    assert judged(reply(seconds=5.1)).finding == "5.1 seconds"
    assert judged(reply(peak_bytes=MEMORY_BOUND + 1)).finding == f"{MEMORY_BOUND >> 20} MiB"
    assert judged(reply(sentence="two\nlines. Got: one.")).finding.startswith("no sentence")


def test_a_sentence_says_what_came_in_one_printable_line():
    assert is_sentence("An image file is required. Got: no such file.")
    for text in (
        "",
        "An image is required.",
        "Required. Got: \x00.",
        "Required. Got: " + "x" * 500 + ".",
        "Got: a\nb.",
    ):
        assert not is_sentence(text)


def test_equal_kinds_of_text_are_equal_when_masked():
    assert masked("Got: 31 x 7 of 'a'.") == masked("Got: 9000 x 1.5 of 'bcd'.") == "Got: N x N of '...'."
