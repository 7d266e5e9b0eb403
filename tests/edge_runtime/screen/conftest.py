"""An archive of some formats, with damaged files and duplicates; and what it takes to screen it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pq = pytest.importorskip("pyarrow.parquet", reason="the extra [screen] is not installed")

from freezenet.edge_runtime.classifier import Classifier  # noqa: E402
from freezenet.edge_runtime.errors import FreezenetError  # noqa: E402

#: Columns that two screenings of the same inputs need not share.
OWN = ("ms_fetch", "ms_decode", "ms_preprocess", "ms_invoke")


def distinct(data: bytes, number: int) -> bytes:
    """The same image with bytes of its own behind its end."""
    return data + f"\0number {number}\0".encode()


@pytest.fixture
def fill(phantoms, dicom) -> Callable[..., list[Path]]:
    """A function (folder, count) that fills a folder: PNG, JPEG and DICOM in two sources, every 10th damaged, every 9th a duplicate."""
    pictures = [path.read_bytes() for path in sorted(phantoms.parent.rglob("*.png"))]
    gray = [cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_GRAYSCALE) for one in pictures[:40]]
    jpegs = [cv2.imencode(".jpg", one)[1].tobytes() for one in gray]
    files = [dicom(one, StudyInstanceUID="1.2.3.4", StudyDate="20260203") for one in gray[:10]]

    def made(folder: Path, count: int) -> list[Path]:
        written = []
        for number in range(count):
            kind = number % 3
            data, suffix = ((pictures, ".png"), (jpegs, ".jpg"), (files, ""))[kind]
            content = distinct(data[number % len(data)], number)
            if number % 9 == 8:
                content = written[number // 2].read_bytes()
            elif number % 10 == 9:
                content = content[: len(content) // 3]
            path = folder / ("one" if number % 2 else "two") / f"{number:05d}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            written.append(path)
        return written

    return made


@pytest.fixture
def archive(fill, tmp_path) -> Path:
    """A folder of 40 files."""
    fill(tmp_path / "archive", 40)
    return tmp_path / "archive"


@pytest.fixture
def screened() -> Callable[..., dict[str, Any]]:
    """A function that runs `freezenet screen MODEL IN --out OUT ... --json` in a process of its own and returns what it printed."""

    def run(model: Path, source: object, out: Path, *more: object, code: int = 0) -> dict[str, Any]:
        command = [sys.executable, "-m", "freezenet", "screen", model, source, "--out", out, "--json", *more]
        done = subprocess.run([str(one) for one in command], capture_output=True, text=True, timeout=300)
        assert done.returncode == code, done.stderr
        return {**(json.loads(done.stdout) if done.stdout else {}), "stderr": done.stderr}

    return run


def rows_of(out: Path) -> list[dict[str, Any]]:
    """All rows of a screening."""
    return pq.read_table(out / "rows").sort_by("number").to_pylist()


def compared_rows(out: Path) -> list[dict[str, Any]]:
    """The rows without what another run measures anew."""
    return [{key: value for key, value in row.items() if key not in OWN} for row in rows_of(out)]


def predicted(model: Path, data: bytes) -> dict[str, Any]:
    """What `predict` says about bytes, as columns."""
    try:
        said = Classifier(model).predict(data).to_dict()
    except FreezenetError as error:
        return {"status": "refused", "error": str(error)}
    said.pop("timings_ms"), said.pop("abstained")
    return {
        "status": "answered",
        **{f"p_{name}": value for name, value in (said.pop("probabilities") or {}).items()},
        **said,
    }


@pytest.fixture(scope="session")
def rows() -> Callable[[Path], list[dict[str, Any]]]:
    """`rows_of`, for tests."""
    return rows_of


@pytest.fixture(scope="session")
def comparable() -> Callable[[Path], list[dict[str, Any]]]:
    """`compared_rows`, for tests."""
    return compared_rows


@pytest.fixture(scope="session")
def predict_columns() -> Callable[[Path, bytes], dict[str, Any]]:
    """`predicted`, for tests."""
    return predicted
