"""Model files with a changed card."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def with_card(tmp_path) -> Callable[..., Path]:
    """A function that copies a model with its card changed in place: the flatbuffer, then a new archive."""

    def copy(model: Path, change: Callable[[dict], object], leave_out: str = "") -> Path:
        data = model.read_bytes()
        with zipfile.ZipFile(model) as archive:
            files = {one.filename: archive.read(one) for one in archive.infolist()}
            start = min(one.header_offset for one in archive.infolist())
        card = json.loads(files["card.json"])
        change(card)
        files["card.json"] = json.dumps(card).encode()
        stream = io.BytesIO(data[:start])
        with zipfile.ZipFile(stream, "a", zipfile.ZIP_STORED) as archive:
            for name, content in files.items():
                if name != leave_out:
                    archive.writestr(name, content)
        target = tmp_path / f"changed-{model.name}"
        target.write_bytes(stream.getvalue())
        return target

    return copy


@pytest.fixture
def bare(models, tmp_path) -> Path:
    """The int8 model without the archive behind the flatbuffer."""
    source = models / "int8.tflite"
    with zipfile.ZipFile(source) as archive:
        start = min(one.header_offset for one in archive.infolist())
    target = tmp_path / "bare.tflite"
    target.write_bytes(source.read_bytes()[:start])
    return target
