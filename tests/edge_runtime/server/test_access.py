"""The token, and which names mean this machine."""

from __future__ import annotations

import hmac

import pytest

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.server import access

TOKEN = "0123456789abcdef"


@pytest.fixture(autouse=True)
def _no_token_of_the_user(monkeypatch):
    monkeypatch.delenv(access.TOKEN_VARIABLE, raising=False)


def test_a_token_comes_from_a_file_or_the_environment(tmp_path, monkeypatch):
    assert access.read_token(None) is None
    monkeypatch.setenv(access.TOKEN_VARIABLE, "from-the-environment")
    assert access.read_token(None) == "from-the-environment"
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    assert access.read_token(tmp_path / "token") == TOKEN


@pytest.mark.parametrize(
    "content", [b"", b"short", b"\xff\xfe" * 20, "ü".encode() * 20, b"two words of a length", b"\n" * 30]
)
def test_a_weak_token_is_refused_and_not_repeated(tmp_path, content):
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(FreezenetError, match="at least 16 ASCII characters") as refused:
        access.read_token(tmp_path / "token")
    assert "short" not in str(refused.value)


def test_tokens_are_compared_in_constant_time(monkeypatch):
    compared = []
    monkeypatch.setattr(hmac, "compare_digest", lambda *pair: compared.append(pair) or True)
    assert access.same_token("one", "oth\u00e9r")
    assert compared == [(b"one", "oth\u00e9r".encode())]


@pytest.mark.parametrize(
    "given", [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"]
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/predict"), ("GET", "/v1/model"), ("GET", "/metrics")])
def test_without_the_token_nothing_is_told(start, given, method, path, xray):
    client = start(token=TOKEN).client
    headers = {} if given is None else {"Authorization": given}
    found = client.request(method, path, content=xray, headers=headers)
    assert (found.status_code, found.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert TOKEN not in found.text


def test_with_the_token_all_is_told(start, xray):
    client = start(token=TOKEN).client
    own = {"Authorization": f"Bearer {TOKEN}"}
    assert client.post("/v1/predict", content=xray, headers=own).status_code == 200
    assert client.get("/metrics", headers=own).status_code == 200
    for path in ("/", "/healthz", "/readyz", "/openapi.json"):
        assert client.get(path).status_code == 200


@pytest.mark.parametrize(
    ("header", "hosts", "allowed"),
    [
        ("127.0.0.1:8000", frozenset(), True),
        ("localhost", frozenset(), True),
        ("LOCALHOST:1", frozenset(), True),
        ("[::1]:8000", frozenset(), True),
        ("127.1.2.3", frozenset(), True),
        ("evil.example", frozenset(), False),
        ("127.0.0.1.evil.example:8000", frozenset(), False),
        ("10.0.0.1", frozenset(), False),
        ("", frozenset(), False),
        ("[::1", frozenset(), False),
        ("xray.clinic", frozenset({"xray.clinic"}), True),
        ("XRAY.clinic:443", frozenset({"xray.clinic"}), True),
        ("other.clinic", frozenset({"xray.clinic"}), False),
        ("evil.example", None, True),
    ],
)  # fmt: skip
def test_which_names_mean_this_server(header, hosts, allowed):
    assert access.host_allowed(header, hosts) is allowed


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000", True),
        ("https://xray.clinic", "xray.clinic", True),
        ("http://127.0.0.1:9000", "127.0.0.1:8000", False),
        ("http://evil.example", "127.0.0.1:8000", False),
        ("null", "127.0.0.1:8000", False),
        ("null", "", False),
        ("http://[", "127.0.0.1", False),
    ],
)
def test_which_origin_is_the_servers_own(origin, host, same):
    assert access.same_origin(origin, host) is same


@pytest.mark.parametrize(("host", "loopback"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False), ("192.168.1.4", False), ("clinic", False)])  # fmt: skip
def test_what_only_this_machine_reaches(host, loopback):
    assert access.is_loopback(host) is loopback
