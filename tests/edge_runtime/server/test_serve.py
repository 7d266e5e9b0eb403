"""The verb as a process of its own: start, stop, ports, tokens, slow clients."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import stat
import sys
import threading
import time
import urllib.request

import pytest

from freezenet.edge_runtime.images.limits import MAX_PIXELS
from freezenet.edge_runtime.server import cli
from freezenet.edge_runtime.server import connection as listening
from freezenet.edge_runtime.server.settings import ServerSettings


def post(port: int, body: bytes) -> tuple[int, dict]:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    client.request("POST", "/v1/predict", body)
    answer = client.getresponse()
    return answer.status, json.loads(answer.read())


def test_the_limits_of_the_command_are_those_of_the_runtime():
    options = {one.name: one for one in cli.serve.params}
    assert (options["max_pixels"].default, options["max_pixels"].type.max) == (MAX_PIXELS, MAX_PIXELS)
    for name in ("queue", "max_bytes", "max_pixels"):
        rule = ServerSettings.rule(name)
        assert (options[name].default, options[name].help) == (getattr(ServerSettings(), name), rule.help)
        assert (options[name].type.min, options[name].type.max) == (rule.low, rule.high)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_starts_answers_and_ends_with_0(process, models, xray, number):
    server = process(models / "int8.tflite", "--json", "--workers", "2")
    status, answer = post(server.port, xray)
    server.process.send_signal(number)
    out, err = server.process.communicate(timeout=30)
    assert (status, server.process.returncode) == (200, 0)
    assert [json.loads(line)["request_id"] for line in out.splitlines()] == [answer["request_id"]]
    assert err == "Stopped.\n"


def test_what_was_accepted_is_finished_and_more_is_refused(process, models, xray):
    server = process(models / "int8.tflite", "--workers", "1")
    # A body on its way when the signal comes.
    client = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    client.sendall(
        b"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % len(xray) + xray[:50]
    )
    time.sleep(0.3)
    server.process.send_signal(signal.SIGTERM)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
        except ConnectionRefusedError:
            break
        time.sleep(0.05)
    else:
        pytest.fail("new connections were taken after SIGTERM")
    client.sendall(xray[50:])
    answer = b""
    while chunk := client.recv(65536):
        answer += chunk
    assert answer.startswith(b"HTTP/1.1 200 ") and b'"probabilities"' in answer
    assert server.process.wait(30) == 0


def test_slow_clients_hold_nobody(process, models, xray):
    server = process(models / "int8.tflite", "--workers", "1", "--queue", "1")
    slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(30)]
    for one in slow:
        one.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000\r\n\r\nx")
    assert post(server.port, xray)[0] == 200
    for one in slow:
        one.close()
    assert post(server.port, xray)[0] == 200


def test_a_connection_without_a_request_is_closed(models, xray, start, monkeypatch):
    import uvicorn

    monkeypatch.setattr(listening, "HEAD_SECONDS", 0.2)
    server = start()
    door = socket.create_server(("127.0.0.1", 0))
    own = uvicorn.Server(uvicorn.Config(server.app, http=listening.Connection, lifespan="off", log_level="critical"))
    thread = threading.Thread(target=own.run, args=([door],), daemon=True)
    thread.start()
    idle = socket.create_connection(door.getsockname(), timeout=20)
    idle.sendall(b"GET /healthz HTT")
    assert idle.recv(100) == b""
    status, _ = post(door.getsockname()[1], xray)
    assert status == 200
    own.should_exit = True
    thread.join(20)


def test_a_port_in_use(command, models):
    with socket.create_server(("127.0.0.1", 0)) as door:
        code, out, err = command("serve", models / "int8.tflite", "--port", door.getsockname()[1])
    assert (code, out) == (1, "")
    assert err.startswith("Error: An address of this machine with a free port is required.") and err.count("\n") == 1


def test_an_address_of_another_machine(command, models):
    code, _, err = command("serve", models / "int8.tflite", "--host", "192.0.2.1")
    assert (code, "192.0.2.1" in err, err.count("\n")) == (1, True, 1)


@pytest.mark.parametrize("options", [("--host", "0.0.0.0"), ("--allow-host", "xray.clinic")])
def test_others_need_a_token(command, models, options, monkeypatch):
    monkeypatch.delenv("FREEZENET_TOKEN", raising=False)
    code, _, err = command("serve", models / "int8.tflite", "--port", "0", *options)
    assert (code, "--token-file" in err, err.count("\n")) == (1, True, 1)


def test_a_token_for_other_addresses(process, models, tmp_path):
    (tmp_path / "token").write_text("0123456789abcdef0123")
    server = process(models / "int8.tflite", "--host", "0.0.0.0", "--token-file", str(tmp_path / "token"))
    address = f"http://127.0.0.1:{server.port}/v1/model"
    own = urllib.request.Request(
        address, headers={"Authorization": "Bearer 0123456789abcdef0123", "Host": "clinic.lan"}
    )
    with urllib.request.urlopen(own) as answer:
        assert json.load(answer)["model"] == "int8.tflite"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(address)


def test_kept_images_are_for_the_owner_alone(process, models, tmp_path, xray):
    server = process(models / "int8.tflite", "--store", str(tmp_path / "kept"))
    assert post(server.port, xray)[0] == 200
    kept = next((tmp_path / "kept").iterdir())
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("package", cli.PACKAGES)
def test_without_the_extra_one_sentence(command, models, monkeypatch, package):
    monkeypatch.setattr(cli, "find_spec", lambda name: None if name == package else object())
    code, _, err = command("serve", models / "int8.tflite")
    assert (code, err.count("\n")) == (1, 1)
    assert package in err and "pip install 'freezenet[serve]'" in err


def test_a_model_that_is_none(command, tmp_path):
    (tmp_path / "a.tflite").write_bytes(b"text")
    for model in (tmp_path / "a.tflite", tmp_path / "nowhere.tflite"):
        code, out, err = command("serve", model, "--port", "0")
        assert (code, out, err.count("\n")) == (1, "", 1) and err.startswith("Error: A ")


def test_a_reader_of_the_log_that_went_away_stops_nothing(monkeypatch, capsys):
    from freezenet.edge_runtime.server.guard import AccessLog

    class Gone:
        def write(self, text):
            raise BrokenPipeError

        flush = write

    monkeypatch.setattr(sys, "stdout", Gone())
    log = AccessLog()
    log.write(status=200)
    log.write(status=200)


def test_sigterm_ends_a_server_whose_worker_is_stuck(models, xray, tmp_path):
    import re
    import subprocess

    # A worker that never comes back, as a fault in a decoder would be; the promised 30 seconds are 3 here.
    program = (
        "import sys, time\n"
        "from freezenet.edge_runtime.server import listen, workers\n"
        "from freezenet.__main__ import main\n"
        "workers.Workers._answer = lambda *_: time.sleep(3600)\n"
        "listen.GRACE_SECONDS, listen._LAST_SECONDS = 3, 2\n"
        "main()"
    )
    command = [sys.executable, "-c", program, "serve", str(models / "int8.tflite"), "--port", "0", "--workers", "1"]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
    end = time.monotonic() + 60
    while not (ready := re.search(r"Ready: http://[^ ]*:(\d+)", (tmp_path / "log").read_text())):
        assert time.monotonic() < end and server.poll() is None
        time.sleep(0.05)
    client = http.client.HTTPConnection("127.0.0.1", int(ready[1]), timeout=60)
    client.request("POST", "/v1/predict", xray)
    time.sleep(1)
    server.send_signal(signal.SIGTERM)
    assert server.wait(30) == 1
    assert "A worker did not end within" in (tmp_path / "log").read_text()
