"""The paths: what is answered, that the description describes it, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import json
import threading

import cv2
import numpy as np
import pytest
from jsonschema import Draft202012Validator
from starlette.testclient import TestClient

from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.server.app import create_app
from freezenet.edge_runtime.server.settings import ServerSettings
from freezenet.edge_runtime.server.workers import Workers

PREDICT = "/v1/predict"


@pytest.fixture
def client(start):
    return start().client


def image_of(answer, key):
    return cv2.imdecode(np.frombuffer(base64.b64decode(answer[key]), np.uint8), cv2.IMREAD_UNCHANGED)


def test_the_answer_is_that_of_predict_json(client, models, xray, tmp_path, command):
    (tmp_path / "one.png").write_bytes(xray)
    code, out, _ = command("predict", models / "int8.tflite", tmp_path / "one.png", "--json")
    line = json.loads(out)
    found = client.post(PREDICT, content=xray, headers={"Content-Type": "image/png"})
    answer = found.json()
    assert (code, found.status_code) == (0, 200)
    assert set(answer) == set(line) - {"file"} | {"request_id"}
    assert set(answer["timings_ms"]) == set(line["timings_ms"])
    assert {key: answer[key] for key in line if key not in ("file", "timings_ms", "trace")} == {
        key: line[key] for key in line if key not in ("file", "timings_ms", "trace")
    }
    own = {"service": "serve", "input_sha256": hashlib.sha256(xray).hexdigest(), "time": answer["trace"]["time"]}
    assert answer["trace"] == {**line["trace"], **own}
    assert answer["request_id"] == found.headers["X-Request-ID"]


@pytest.mark.parametrize(
    "media_type", ["image/png", "application/dicom", "application/octet-stream", "IMAGE/PNG; a=b", ""]
)
def test_every_way_to_send_an_image_gives_the_same(client, xray, media_type):
    sent = client.post(PREDICT, content=xray, headers={"Content-Type": media_type}).json()
    form = client.post(PREDICT, files={"file": ("chest.png", xray, "image/png")}).json()
    assert sent["probabilities"] == form["probabilities"]


def test_the_heat_map_is_that_of_the_classifier(client, models, xray):
    answer = client.post(PREDICT, params={"cam": "true"}, content=xray).json()
    expected = Classifier(models / "int8.tflite").predict(xray, overlay=True).overlay
    assert base64.b64decode(answer["overlay_png"]) == expected
    assert "overlay" in answer["timings_ms"] and "preview_jpeg" not in answer


def test_the_preview_is_what_was_read(client, jpeg):
    answer = client.post(PREDICT, params={"preview": "true"}, content=jpeg).json()
    shown = image_of(answer, "preview_jpeg")
    original = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert shown.shape == (200, 300)
    assert np.abs(shown.astype(int) - original).mean() < 2


def test_a_model_without_a_class_activation_map_refuses_the_heat_map(start, models, xray):
    server = start(models / "int8-app.tflite")
    assert server.client.get("/v1/model").json()["shows_evidence"] is False
    refused = server.client.post(PREDICT, params={"cam": "true"}, content=xray)
    assert (refused.status_code, "class activation map" in refused.json()["error"]) == (422, True)


def test_an_abstention_is_an_answer(start, with_card, models, xray):
    model = with_card(
        models / "int8.tflite", lambda card: card.update(confidence={"abstain_below": 1.0, "temperature": 9})
    )
    found = start(model).client.post(PREDICT, content=xray)
    assert found.status_code == 200
    assert (found.json()["label"], found.json()["abstained"], found.json()["reason"]) == (None, True, "uncertain")


def test_no_heat_map_of_what_is_no_chest_xray(client):
    flat = cv2.imencode(".png", np.full((64, 64), 90, np.uint8))[1].tobytes()
    answer = client.post(PREDICT, params={"cam": "1"}, content=flat).json()
    assert (answer["reason"], answer["overlay_png"]) == ("not a chest X-ray", None)
    assert (answer["chest_xray"], answer["probabilities"]) == (False, None)


def test_the_model_says_who_it_is(client, models):
    found = client.get("/v1/model").json()
    classifier = Classifier(models / "int8.tflite")
    assert found["card"] == classifier.card.content
    assert {key: found[key] for key in classifier.identity} == classifier.identity
    assert (found["stores_images"], found["limits"]["max_pixels"]) == (False, 100_000_000)


@pytest.mark.parametrize(
    ("status", "sent", "said"),
    [
        (422, {"content": b""}, "empty file"),
        (422, {"content": b"no image at all", "headers": {"Content-Type": "image/png"}}, "cannot be decoded"),
        (422, {"content": b"x", "params": {"cam": "perhaps"}}, "Query parameters"),
        (415, {"content": b"x", "headers": {"Content-Type": "text/plain"}}, "Content-Type"),
        (415, {"data": {"file": "x"}}, "Content-Type"),
        (400, {"files": {"image": ("a.png", b"x")}}, "field 'file'"),
        (400, {"files": [("file", ("a", b"x")), ("file", ("b", b"x"))]}, "one file"),
        (400, {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, "boundary"),
        (400, {"content": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, "multipart"),
    ],
)  # fmt: skip
def test_a_bad_request_gets_one_sentence(client, status, sent, said):
    found = client.post(PREDICT, **sent)
    assert (found.status_code, set(found.json())) == (status, {"error", "request_id"})
    assert said in found.json()["error"] and "\n" not in found.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("GET", PREDICT, 405), ("PUT", "/", 405)]
)
def test_unknown_paths_and_methods(client, method, path, status):
    found = client.request(method, path)
    assert (found.status_code, set(found.json())) == (status, {"error", "request_id"})


def test_ready_only_after_the_warm_up(models, xray, monkeypatch):
    go = threading.Event()
    warm_up = Workers.warm_up
    monkeypatch.setattr(Workers, "warm_up", lambda self: go.wait(30) and warm_up(self))
    said = []
    told = threading.Event()
    workers = Workers(Classifier(models / "int8.tflite"), 2, queue=4, max_pixels=10**8)
    app = create_app(workers, ServerSettings(), when_warm=lambda failure: (said.append(failure), told.set()))
    with TestClient(app, base_url="http://localhost") as client:
        for path, method in (("/readyz", "GET"), (PREDICT, "POST")):
            found = client.request(method, path, content=xray)
            assert (found.status_code, found.headers["Retry-After"]) == (503, "1")
        assert client.get("/healthz").json() == {"status": "ok"}
        go.set()
        assert told.wait(20)
        assert client.get("/readyz").json() == {"status": "ready"}
        assert client.post(PREDICT, content=xray).status_code == 200
    assert said == [None]


@pytest.mark.parametrize(
    "error", [FreezenetError("A model that can answer is required. Got: none."), RuntimeError("a")]
)
def test_a_model_that_cannot_answer_is_reported(models, monkeypatch, error):
    def broken(self):
        raise error

    monkeypatch.setattr(Workers, "warm_up", broken)
    said = []
    told = threading.Event()
    workers = Workers(Classifier(models / "int8.tflite"), 1, queue=4, max_pixels=10**8)
    app = create_app(workers, when_warm=lambda failure: (said.append(failure), told.set()))
    with TestClient(app, base_url="http://localhost"):
        assert told.wait(20)
    assert isinstance(said[0], FreezenetError) and "can answer" in str(said[0])


# ---------------------------------------------------------------- /openapi.json


def described(document, path, method, status):
    """The schema of an answer, with its references inside."""
    schema = document["paths"][path][method]["responses"][str(status)]["content"]["application/json"]["schema"]
    return {**schema, "components": document["components"]}


def test_the_description_describes_what_comes_back(start, xray):
    client = start(max_bytes=100_000, token="a" * 20).client
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    own = {"Authorization": f"Bearer {'a' * 20}"}
    asked = [
        (PREDICT, "post", 200, {"content": xray, "headers": own}),
        (PREDICT, "post", 200, {"content": xray, "params": {"cam": "1", "preview": "1"}, "headers": own}),
        (PREDICT, "post", 400, {"files": {"a": ("a", b"b")}, "headers": own}),
        (PREDICT, "post", 401, {"content": xray}),
        (PREDICT, "post", 413, {"content": bytes(150_000), "headers": own}),
        (PREDICT, "post", 415, {"content": b"a", "headers": {**own, "Content-Type": "text/csv"}}),
        (PREDICT, "post", 422, {"content": b"a", "headers": own}),
        ("/v1/model", "get", 200, {"headers": own}),
        ("/v1/model", "get", 401, {}),
        ("/healthz", "get", 200, {}),
        ("/readyz", "get", 200, {}),
    ]
    for path, method, status, sent in asked:
        found = client.request(method, path, **sent)
        assert found.status_code == status, (path, status, found.text)
        Draft202012Validator(described(document, path, method, status)).validate(found.json())
    for status in (408, 503, 504, 507):
        assert described(document, PREDICT, "post", status)["$ref"].endswith("ErrorAnswer")


def test_the_description_names_bodies_and_the_token(client):
    document = client.get("/openapi.json").json()
    body = document["paths"][PREDICT]["post"]["requestBody"]["content"]
    assert set(body) == {"image/*", "application/dicom", "application/octet-stream", "multipart/form-data"}
    assert document["paths"][PREDICT]["post"]["security"] == [{"HTTPBearer": []}]
    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    assert set(document["paths"]) == {PREDICT, "/v1/model", "/healthz", "/readyz", "/metrics"}


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_no_page_that_loads_from_elsewhere(client, path):
    assert client.get(path).status_code == 404
