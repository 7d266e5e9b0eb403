"""Images are kept only where that was asked for, whole and by their hash."""

from __future__ import annotations

import errno
import hashlib

import pytest

PREDICT = "/v1/predict"


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
    from pathlib import Path

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
    ("start_of_file", "suffix"), [(b"RIFF", ".webp"), (b"II*\0", ".tif"), (bytes(128) + b"DICM", ".dcm")]
)
def test_the_suffix_follows_the_content(tmp_path, start_of_file, suffix):
    from freezenet.edge_runtime.server.store import keep

    assert keep(tmp_path, "id", start_of_file).suffix == suffix
