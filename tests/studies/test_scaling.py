"""The study of cost, on few networks that are there already: the fastest of each counts, and the picture is drawn."""

from __future__ import annotations

import cv2

from studies import scaling


def test_threads_are_measured_in_turns_and_drawn(monkeypatch, tmp_path):
    asked = []

    class Opened:
        def __init__(self, path, threads):
            asked.append((path.name, threads))

        def invoke(self, tensor):
            assert tensor.shape[1:] == (224, 224, 3)

        again = staticmethod(lambda: None)

    monkeypatch.setattr("freezenet.edge_runtime.interpreter.Interpreter", Opened)
    wanted = [(224, 1.0, 1), (224, 1.0, 2)]
    found = scaling.fastest({(224, 1.0): tmp_path / "net.tflite"}, wanted)
    assert asked == [("net.tflite", 1), ("net.tflite", 2)] and list(found) == wanted
    assert all(0 <= ms < 100 for ms in found.values())
    rows = [{"size": size, "width": width, "threads": threads, "ms": 1.0} for size, width, threads in wanted]
    costs = [{"images": 100, "seconds": 0.1}, {"images": 1000, "seconds": 0.2}]
    scaling.draw({"inference": rows, "verdict": costs, "figures": costs}, tmp_path / "scaling.png")
    assert cv2.imread(str(tmp_path / "scaling.png")).shape[1] >= 1000


def test_a_verdict_takes_time():
    assert 0 < scaling.verdict_seconds(200)["seconds"] < 60


def test_figures_take_time_and_memory_of_a_process_of_their_own():
    found = scaling.figures_cost(30_000)
    assert found["seconds"] > 0
    # As floats the draws of 30,000 images alone would be 480 MB.
    assert 0 < found["megabytes"] < 400
