"""What surrounds each request: other sites, headers, the log."""

from __future__ import annotations

import json

import pytest

from freezenet.edge_runtime.server.guard import SECURITY_HEADERS

PREDICT = "/v1/predict"


def test_another_site_can_neither_send_nor_read(start, xray):
    client = start().client
    foreign = client.post(PREDICT, files={"file": ("a.png", xray)}, headers={"Origin": "http://evil.example"})
    assert foreign.status_code == 403
    own = client.post(PREDICT, content=xray, headers={"Origin": "http://127.0.0.1:8000"})
    assert own.status_code == 200
    asked = client.options(PREDICT, headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"})
    for answer in (foreign, own, asked):
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_a_name_that_was_pointed_here_is_refused(start, xray):
    refused = start().client.post(PREDICT, content=xray, headers={"Host": "evil.example:8000"})
    assert (refused.status_code, "another host name" in refused.json()["error"]) == (421, True)


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/v1/model"), ("GET", "/nowhere"), ("POST", PREDICT), ("GET", "/metrics"), ("GET", "/page.js")])  # fmt: skip
def test_security_headers_on_every_answer(start, method, path):
    found = start().client.request(method, path)
    assert {name: found.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert len(found.headers["X-Request-ID"]) == 32
    assert "server" not in found.headers


def test_the_policy_names_no_other_site():
    policy = SECURITY_HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert not {"http", "*", "unsafe", "data:"} & {word for word in ("http", "*", "unsafe", "data:") if word in policy}


def test_the_log_holds_no_word_of_a_client(start, xray, capsys):
    client = start().client
    capsys.readouterr()
    client.post(f"{PREDICT}?patient=Smith", files={"file": ("Smith^John.png", xray)})
    client.get("/Smith/chest.dcm", headers={"X-Request-ID": "Smith", "User-Agent": "Smith"})
    client.request("SMITH", "/")
    client.post(PREDICT, content=b"Smith", headers={"Host": "smith.example"})
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert "smith" not in (out + err).lower()
    assert [(one["method"], one["path"], one["status"]) for one in lines] == [
        ("POST", PREDICT, 200), ("GET", "other", 404), ("other", "/", 405), ("POST", PREDICT, 421),
    ]  # fmt: skip
    assert all(set(one) == {"time", "method", "path", "status", "ms", "request_id"} for one in lines)


def test_the_id_in_the_log_is_that_of_the_answer(start, xray, capsys):
    client = start().client
    capsys.readouterr()
    answer = client.post(PREDICT, content=xray).json()
    assert json.loads(capsys.readouterr().out)["request_id"] == answer["request_id"]


def test_text_for_people_is_one_line(capsys):
    from freezenet.edge_runtime.server.guard import AccessLog

    AccessLog().write(method="GET", path="/", status=200, ms=1.5, request_id="abc")
    line = capsys.readouterr().out
    assert line.count("\n") == 1 and line.endswith("GET  /  200  1.5  abc\n")
