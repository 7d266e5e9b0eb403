"""Workers and queue: full is said, a bad image kills nobody, a client that leaves frees its place."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.server.errors import BusyError, RequestError
from freezenet.edge_runtime.server.workers import Workers

PREDICT = "/v1/predict"


def test_a_full_queue_says_when_to_come_again(start, hold, xray, until):
    server = start(count=1, queue=2)
    with ThreadPoolExecutor(3) as pool:
        sent = [pool.submit(server.client.post, PREDICT, content=xray) for _ in range(3)]
        until(lambda: server.workers.waiting == 2)
        server.workers._lane.service_seconds = 2.5
        refused = server.client.post(PREDICT, content=xray)
        # Three images at 2.5 seconds each with one worker.
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "8")
        assert "queue" in refused.json()["error"]
        text = server.client.get("/metrics").text
        assert "freezenet_queue_length 2.0" in text and "freezenet_in_flight 1.0" in text
        hold.set()
        assert [one.result().status_code for one in sent] == [200, 200, 200]
    until(lambda: server.workers.waiting == server.workers.in_flight == 0)
    assert server.client.post(PREDICT, content=xray).status_code == 200


def test_no_worker_dies_of_a_bad_image(start, xray, jpeg, monkeypatch):
    server = start(count=2, queue=30)
    bad = [b"", b"text", jpeg[:200], xray[:-30], b"\xff\xd8" + b"\xff\xe1\0\2" * 20_000, b"BM" + bytes(60)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda body: server.client.post(PREDICT, content=body).status_code, bad * 4))
        assert set(found) == {422}
        assert {one.status_code for one in pool.map(lambda _: server.client.post(PREDICT, content=xray), range(8))} == {
            200
        }
    assert server.workers._idle.qsize() == 2


def test_a_failure_nobody_foresaw_is_one_sentence(start, xray, monkeypatch, capsys):
    server = start()
    sound = server.workers._classifiers[0].predict

    def broken(*arguments, **options):
        raise RuntimeError("patient Smith")

    monkeypatch.setattr(server.workers._classifiers[0], "predict", broken)
    found = server.client.post(PREDICT, content=xray)
    assert (found.status_code, set(found.json())) == (500, {"error", "request_id"})
    assert "RuntimeError in test_workers.py" in found.json()["error"]
    assert "Smith" not in found.text + "".join(capsys.readouterr())
    monkeypatch.setattr(server.workers._classifiers[0], "predict", sound)
    assert server.client.post(PREDICT, content=xray).status_code == 200


def test_an_image_with_too_many_pixels_is_not_decoded(start, jpeg, monkeypatch):
    server = start(max_pixels=300 * 200 - 1)
    monkeypatch.setattr(server.workers._classifiers[0], "predict", None)
    refused = server.client.post(PREDICT, content=jpeg)
    assert (refused.status_code, "300 x 200" in refused.json()["error"]) == (413, True)


def test_an_answer_that_takes_too_long(start, hold, xray, until):
    server = start(answer_seconds=0.1)
    found = server.client.post(PREDICT, content=xray)
    assert (found.status_code, "within 0.1 seconds" in found.json()["error"]) == (504, True)
    hold.set()
    until(lambda: server.workers.in_flight == 0)


async def ask(app, body: bytes, leaves: asyncio.Event) -> int:
    """Send a request to the app itself; the client goes away when the event is set. Return the status."""
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])
    status = []

    async def receive():
        for message in messages:
            return message
        await leaves.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        status.append(message.get("status"))

    scope = {"type": "http", "method": "POST", "path": PREDICT, "raw_path": b"", "query_string": b"", "headers":
             [(b"host", b"127.0.0.1")], "http_version": "1.1", "scheme": "http", "root_path": ""}  # fmt: skip
    await app(scope, receive, send)
    return status[0]


def test_a_client_that_leaves_gives_its_place_back(start, hold, xray):
    server = start(count=1, queue=1)

    async def leave() -> list[int]:
        gone, stays = asyncio.Event(), asyncio.Event()
        first = asyncio.create_task(ask(server.app, xray, stays))
        while server.workers.in_flight < 1:
            await asyncio.sleep(0.01)
        second = asyncio.create_task(ask(server.app, xray, gone))
        while server.workers.waiting < 1:
            await asyncio.sleep(0.01)
        gone.set()
        left = await second
        # The place in the queue is free again, while the first still works.
        assert (server.workers.waiting, server.workers.in_flight) == (0, 1)
        assert server.app.state.intake.held_bytes == len(xray)
        hold.set()
        return [left, await first]

    assert asyncio.run(leave()) == [499, 200]
    assert server.app.state.intake.held_bytes == 0


def test_the_answers_of_many_workers_are_those_of_one(models, phantoms):

    files = [path.read_bytes() for path in sorted(phantoms.parent.rglob("*.png"))[:24]]
    classifier = Classifier(models / "float32.tflite")
    expected = [classifier.predict(one).probabilities for one in files]
    workers = Workers(Classifier(models / "float32.tflite"), 4, queue=len(files), max_pixels=10**8)
    workers.warm_up()
    found = [future.result().prediction.probabilities for future in [workers.submit(one) for one in files]]
    workers.stop()
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, abs=1e-6)


def test_stopping_finishes_what_is_at_work_and_refuses_more(models, hold, xray, until):
    workers = Workers(Classifier(models / "int8.tflite"), 1, queue=4, max_pixels=10**8)
    workers.warm_up()
    at_work, waits = workers.submit(xray), workers.submit(xray)
    until(at_work.running)
    stopping = threading.Thread(target=workers.stop)
    stopping.start()
    until(waits.cancelled)
    with pytest.raises(BusyError):
        workers.submit(xray)
    hold.set()
    stopping.join(20)
    assert at_work.result().prediction.probabilities


def test_retry_after_follows_the_service_time(models, xray, until):
    workers = Workers(Classifier(models / "int8.tflite"), 1, queue=4, max_pixels=10**8)
    workers.warm_up()
    workers._lane.service_seconds = 100.0
    for _ in range(60):
        workers.submit(xray).result()
    # An exponential mean of 60 short answers: 100 x .9^60 is .18 seconds.
    until(lambda: workers._lane.service_seconds < 0.5)
    assert workers.retry_after() == 1
    workers.stop()


def test_the_error_of_a_worker_is_the_classifiers(models):
    workers = Workers(Classifier(models / "int8.tflite"), 1, queue=4, max_pixels=10**8)
    workers.warm_up()
    with pytest.raises(FreezenetError, match="empty file"):
        workers.submit(b"").result()
    assert not isinstance(workers.submit(b"").exception(), RequestError)
    workers.stop()


def test_a_large_picture_is_scaled_for_the_browser():
    import cv2

    from freezenet.edge_runtime.server.workers import preview_jpeg

    shown = cv2.imdecode(
        np.frombuffer(preview_jpeg(np.full((1280, 2560), 77, np.uint8)), np.uint8), cv2.IMREAD_UNCHANGED
    )
    assert shown.shape == (320, 640) and abs(float(shown.mean()) - 77) < 1


def heavy_file() -> bytes:
    """Return a file that only a process may decode: a fax, of which no header says how long it takes."""
    import cv2

    return cv2.imencode(".tif", np.eye(304, 200, dtype=np.uint8) * 200, [cv2.IMWRITE_TIFF_COMPRESSION, 7])[1].tobytes()


def test_images_for_a_process_keep_no_worker(models, xray, monkeypatch):
    workers = Workers(Classifier(models / "int8.tflite"), 1, queue=2, max_pixels=10**8)
    workers.warm_up()
    gate, decode = threading.Event(), workers._apart.gray

    def held(*arguments, **options):
        assert gate.wait(30)
        return decode(*arguments, **options)

    monkeypatch.setattr(workers._apart, "gray", held)
    heavy = [workers.submit(heavy_file(), preview=True)]
    # One at work and two waiting are all that there is room for; the rest is told so at once.
    for _ in range(4):
        heavy.append(workers.submit(heavy_file()))
        while workers._lane.accepted:
            threading.Event().wait(0.01)
    assert [workers.submit(xray).result(30).prediction.label is not None for _ in range(5)] == [True] * 5
    assert [one.done() for one in heavy] == [False] * 3 + [True] * 2
    assert isinstance(heavy[4].exception(), BusyError)
    gate.set()
    found = [one.result(60) for one in heavy[:3]]
    expected = workers._classifiers[0].predict(heavy_file())
    assert found[0].prediction.probabilities == expected.probabilities
    assert found[0].preview is not None and found[0].prediction.timings_ms["decode"] > 0
    assert workers.stop()


def test_nobody_waits_for_it_any_more(models, monkeypatch):
    workers = Workers(Classifier(models / "int8.tflite"), 1, queue=4, max_pixels=10**8)
    workers.warm_up()
    gate = threading.Event()

    def held(*arguments, **options):
        assert gate.wait(30)
        raise FreezenetError("decoded")

    monkeypatch.setattr(workers._apart, "gray", held)
    first, second = workers.submit(heavy_file()), workers.submit(heavy_file())
    while workers._heavy.accepted < 2:
        threading.Event().wait(0.01)
    second.is_abandoned = True
    gate.set()
    assert str(first.exception(30)) == "decoded"
    assert isinstance(second.exception(30), RequestError)
    workers.stop()


def test_stuck_workers_are_told(start, hold, xray, until, monkeypatch):
    from freezenet.edge_runtime.server import workers as module

    server = start(count=1, queue=2)
    assert server.client.get("/readyz").status_code == 200
    server.workers.submit(xray)
    until(lambda: server.workers.in_flight == 1)
    assert server.client.get("/readyz").status_code == 200
    monkeypatch.setattr(module, "STUCK_SECONDS", 0.0)
    until(lambda: server.workers.stuck == 1)
    found = server.client.get("/readyz")
    assert (found.status_code, "1 workers that are stuck" in found.json()["error"]) == (503, True)
    assert "freezenet_stuck_workers 1.0" in server.client.get("/metrics").text
    hold.set()
    until(lambda: server.workers.stuck == 0)
    assert server.client.get("/readyz").status_code == 200


def test_the_stop_does_not_wait_for_ever(models, hold, xray, until):
    workers = Workers(Classifier(models / "int8.tflite"), 1, queue=4, max_pixels=10**8)
    workers.warm_up()
    work = workers.submit(xray)
    until(work.running)
    assert not workers.stop(0.1)
    hold.set()
    work.result(30)
