"""Bodies: limits of bytes and time, nothing on the disk unless it was asked for, then whole and by its hash."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import tempfile
from pathlib import Path

import pytest

from freezenet.edge_runtime.server.errors import RequestError
from freezenet.edge_runtime.server.intake import Intake, keep
from freezenet.edge_runtime.server.settings import ServerSettings

PREDICT = "/v1/predict"


class Body:
    """A request as far as the intake reads it: chunks, and how many were taken."""

    def __init__(self, chunks, pause=0.0, **headers):
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.taken = 0
        self._chunks = chunks
        self._pause = pause

    async def stream(self):
        for chunk in self._chunks:
            await asyncio.sleep(self._pause)
            self.taken += 1
            yield chunk


def received(intake, body):
    async def receive():
        async with intake.image(body) as image:
            return image, intake.held_bytes

    return asyncio.run(receive())


@pytest.fixture
def intake():
    return Intake(ServerSettings(max_bytes=1000, upload_seconds=0.3), lambda: 7)


def test_bytes_count_as_held_until_the_end(intake):
    assert received(intake, Body([b"a" * 400, b"b" * 600])) == (b"a" * 400 + b"b" * 600, 1000)
    assert intake.held_bytes == 0


def test_a_declared_size_far_too_large_is_refused_before_anything_is_read(intake):
    body = Body([b"a"] * 9000, content_length="9000")
    with pytest.raises(RequestError) as refused:
        received(intake, body)
    assert (refused.value.status, body.taken) == (413, 0)


def test_an_undeclared_size_is_stopped_while_it_streams(intake):
    body = Body([b"a" * 100] * 10_000)
    with pytest.raises(RequestError) as refused:
        received(intake, body)
    # Twice the limit is taken, so that a client a little above it gets to read the answer; no more.
    assert (refused.value.status, body.taken) == (413, 21)
    assert intake.held_bytes == 0


def test_a_lie_about_the_size_changes_nothing(intake):
    for declared in ("10", "-1", "many", ""):
        with pytest.raises(RequestError) as refused:
            received(intake, Body([b"a" * 600] * 2, content_length=declared))
        assert refused.value.status == 413


def test_a_slow_body_is_given_up(intake):
    with pytest.raises(RequestError) as refused:
        received(intake, Body([b"a"] * 100, pause=0.05))
    assert (refused.value.status, intake.held_bytes) == (408, 0)


def test_all_bodies_together_have_a_limit(intake):
    intake.held_bytes = 3500
    with pytest.raises(RequestError) as refused:
        received(intake, Body([b"a" * 400, b"b" * 400]))
    assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "7"})
    assert intake.held_bytes == 3500


def test_the_limit_of_a_file_in_a_form_is_that_of_the_file(start, xray):
    client = start(max_bytes=len(xray)).client
    assert client.post(PREDICT, files={"file": ("a.png", xray)}).status_code == 200
    assert client.post(PREDICT, content=xray).status_code == 200
    assert client.post(PREDICT, files={"file": ("a.png", xray + b"0")}).status_code == 413
    assert client.post(PREDICT, content=xray + b"0").status_code == 413


def test_no_temporary_file_is_made(start, monkeypatch):
    """A form of more than a megabyte goes to a temporary file in most servers."""
    client = start().client

    def no_file(*arguments, **options):
        raise AssertionError("a temporary file was opened")

    for name in ("TemporaryFile", "NamedTemporaryFile", "mkstemp", "_mkstemp_inner"):
        monkeypatch.setattr(tempfile, name, no_file)
    found = client.post(PREDICT, files={"file": ("a.png", bytes(5_000_000))})
    assert (found.status_code, "decoded" in found.json()["error"]) == (422, True)


# ---- images that are kept


def test_nothing_is_kept_unasked(start, xray, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    start().client.post(PREDICT, content=xray)
    assert not list(tmp_path.iterdir())


def test_each_classified_image_is_kept_as_it_came(start, xray, jpeg, tmp_path):
    client = start(store=tmp_path / "kept").client
    assert client.get("/v1/model").json()["stores_images"] is True
    for image, suffix in ((xray, ".png"), (jpeg, ".jpg")):
        answer = client.post(PREDICT, files={"file": ("Smith.png", image)}).json()
        kept = tmp_path / "kept" / f"{answer['request_id']}-{hashlib.sha256(image).hexdigest()}{suffix}"
        assert kept.read_bytes() == image
    client.post(PREDICT, content=b"no image")
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_a_full_disk_is_said_and_leaves_nothing_half(start, xray, tmp_path, monkeypatch):
    server = start(store=tmp_path)

    def full(self, content):
        with self.open("wb") as file:
            file.write(content[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    refused = server.client.post(PREDICT, content=xray)
    assert (refused.status_code, "No space left" in refused.json()["error"]) == (507, True)
    assert not list(tmp_path.iterdir())
    assert "freezenet_store_failures_total 1.0" in server.client.get("/metrics").text


@pytest.mark.parametrize(
    ("start_of_file", "suffix"), [(b"RIFF\0\0\0\0WEBP", ".webp"), (b"II*\0", ".tif"), (bytes(128) + b"DICM", ".dcm")]
)
def test_the_suffix_follows_the_content(tmp_path, start_of_file, suffix):
    assert keep(tmp_path, "id", start_of_file).suffix == suffix
