"""Processes that decode: the same gray values, and an end for what takes too long."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import cv2
import numpy as np
import pytest

from freezenet.edge_runtime.errors import DataError, TemporaryError
from freezenet.edge_runtime.images.bounds import apart
from freezenet.edge_runtime.images.bounds.apart import Apart, Ended
from freezenet.edge_runtime.images.bounds.cost import Cost
from freezenet.edge_runtime.images.reader import read_gray, read_here
from freezenet.edge_runtime.system.child import module_command

COST = Cost(float("inf"), 100 << 20)
GRAY = (np.add.outer(np.arange(300), np.arange(200)) // 2).astype(np.uint8)


@pytest.fixture
def processes():
    found = Apart(2)
    yield found
    found.end()


@pytest.mark.parametrize("kind", [".png", ".jpg", ".bmp", ".tif", ".webp"])
@pytest.mark.parametrize("shrink_to", [None, (20, 30)])
def test_a_process_reads_what_a_thread_reads(processes, kind, shrink_to):
    data = cv2.imencode(kind, GRAY)[1].tobytes()
    expected = read_here(data, shrink_to)
    assert np.array_equal(processes.gray(data, COST, shrink_to, trust_tags=True), expected)


def test_a_sentence_is_the_same_and_the_process_stays(processes):
    with pytest.raises(DataError) as here:
        read_here(b"\x89PNG\r\n\x1a\nnothing")
    for _ in range(2):
        with pytest.raises(DataError) as there:
            processes.gray(b"\x89PNG\r\n\x1a\nnothing", COST, None, trust_tags=True)
        assert str(there.value) == str(here.value)
    assert len(processes._idle) == 1


@pytest.mark.parametrize("program", ["import time; time.sleep(600)", "while True: pass"])
def test_one_that_takes_for_ever_is_ended_and_the_next_goes_on(processes, monkeypatch, program):
    started: list[str] = []

    def command(*arguments: str) -> list[str]:
        started.append("once")
        return [sys.executable, "-c", program] if len(started) == 1 else module_command(*arguments)

    monkeypatch.setattr(apart, "module_command", command)
    monkeypatch.setattr(apart, "SECONDS", 1)
    data = cv2.imencode(".png", GRAY)[1].tobytes()
    with pytest.raises(TemporaryError, match=r"decoded within 15 seconds is required\. Got: one that takes longer"):
        processes.gray(data, COST, None, trust_tags=True)
    monkeypatch.setattr(apart, "SECONDS", 60)
    assert np.array_equal(processes.gray(data, COST, None, trust_tags=True), GRAY)
    assert len(started) == 2


@pytest.mark.skipif(not hasattr(signal, "SIGXCPU"), reason="the system has no limit of processor time")
def test_processor_time_is_limited_where_the_clock_is_not(processes, monkeypatch):
    # A program that sets the limit as the process does, and then works for ever.
    program = "from freezenet.edge_runtime.images.bounds.process import limit\nlimit(1 << 30, 1)\nwhile True: pass"
    monkeypatch.setattr(apart, "module_command", lambda *_: [sys.executable, "-c", program])
    with pytest.raises(TemporaryError, match="one that takes longer"):
        processes.gray(b"data", COST, None, trust_tags=True)


def test_one_that_was_ended_from_outside_is_tried_again(processes):
    data = cv2.imencode(".png", GRAY)[1].tobytes()
    processes.gray(data, COST, None, trust_tags=True)
    os.kill(processes._idle[0]._process.pid, signal.SIGKILL)
    assert np.array_equal(processes.gray(data, COST, None, trust_tags=True), GRAY)


def test_one_that_ends_its_process_each_time_is_refused(processes, monkeypatch):
    program = "import os; os.kill(os.getpid(), 11)"
    monkeypatch.setattr(apart, "module_command", lambda *_: [sys.executable, "-c", program])
    with pytest.raises(DataError, match=r"ended twice \(SIGSEGV\)") as caught:
        processes.gray(b"data", COST, None, trust_tags=True)
    assert not isinstance(caught.value, TemporaryError)
    assert not processes._idle and not processes._busy


def test_one_that_is_killed_twice_may_be_tried_later(processes, monkeypatch):
    program = "import os; os.kill(os.getpid(), 9)"
    monkeypatch.setattr(apart, "module_command", lambda *_: [sys.executable, "-c", program])
    with pytest.raises(TemporaryError, match=r"ended twice \(SIGKILL\)"):
        processes.gray(b"data", COST, None, trust_tags=True)


def test_patience_is_more_time(processes, monkeypatch):
    monkeypatch.setattr(apart, "SECONDS", 0.01)
    processes.patience = 6000
    data = cv2.imencode(".png", GRAY)[1].tobytes()
    assert np.array_equal(processes.gray(data, COST, None, trust_tags=True), GRAY)


def test_more_memory_than_it_may_have_is_a_sentence(processes):
    data = cv2.imencode(".png", np.zeros((9000, 9000), np.uint16))[1].tobytes()
    with pytest.raises(DataError):  # 162 MB and as much again for gray, in the slack of 256 MB
        processes.gray(data, Cost(float("inf"), 0), None, trust_tags=True)
    assert processes.gray(data, Cost(float("inf"), 400 << 20), None, trust_tags=True).shape == (9000, 9000)


def test_the_end_does_not_wait_for_the_busy(processes, monkeypatch):
    monkeypatch.setattr(apart, "module_command", lambda *_: [sys.executable, "-c", "import time; time.sleep(600)"])
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            processes.gray(b"data", COST, None, trust_tags=True)
        except Ended as error:
            raised.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    while not processes._busy:
        time.sleep(0.01)
    processes.end()
    thread.join(20)
    assert not thread.is_alive() and len(raised) == 1
    with pytest.raises(Ended):
        processes.gray(b"data", COST, None, trust_tags=True)


def test_read_gray_asks_a_process_by_itself(monkeypatch):
    asked: list[Cost] = []
    own = apart.APART.gray

    def gray(data, cost, shrink_to, *, trust_tags):
        asked.append(cost)
        return own(data, cost, shrink_to, trust_tags=trust_tags)

    monkeypatch.setattr(apart.APART, "gray", gray)
    large = np.zeros((9000, 9000), np.uint8)
    large[::7] = 200
    assert np.array_equal(read_gray(cv2.imencode(".png", large)[1].tobytes()), large)
    fax = cv2.imencode(".tif", GRAY, [cv2.IMWRITE_TIFF_COMPRESSION, 7])[1].tobytes()
    assert read_gray(fax).shape == GRAY.shape
    assert [cost.seconds == float("inf") for cost in asked] == [False, True]
