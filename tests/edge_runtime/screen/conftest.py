"""An archive of some formats, with damaged files and duplicates, and its screening; both are made once and changed by nobody."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pq = pytest.importorskip("pyarrow.parquet", reason="the extra [screen] is not installed")

from freezenet.edge_runtime.classifier import Classifier  # noqa: E402
from freezenet.edge_runtime.errors import FreezenetError  # noqa: E402
from freezenet.edge_runtime.screen.engines.answers import Answering  # noqa: E402
from freezenet.edge_runtime.screen.engines.local import LocalEngine  # noqa: E402
from freezenet.edge_runtime.screen.inputs.source import named_source  # noqa: E402
from freezenet.edge_runtime.screen.job import Engine, Outcome, Screening  # noqa: E402
from freezenet.edge_runtime.screen.settings import ScreenSettings  # noqa: E402

#: Columns that two screenings of the same inputs need not share.
OWN = ("ms_fetch", "ms_decode", "ms_preprocess", "ms_invoke")


def distinct(data: bytes, number: int) -> bytes:
    """The same image with bytes of its own behind its end."""
    return data + f"\0number {number}\0".encode()


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def archive(fill, made_once) -> Path:
    """A folder of 40 files."""
    return made_once("screen-archive", lambda folder: fill(folder / "archive", 40)) / "archive"


@pytest.fixture
def own_archive(archive, tmp_path) -> Path:
    """A copy of it that a test may change."""
    return Path(shutil.copytree(archive, tmp_path / "archive"))


def run_screening(
    model: Path,
    source: object,
    out: Path,
    engine: Callable[[Answering], Engine] | None = None,
    *,
    stop: threading.Event | None = None,
    retry: bool = False,
    **settings: Any,
) -> Outcome:
    """Screen in this process, but for those that answer: one, where no engine is given."""
    classifier = Classifier(model)
    given = ScreenSettings(**settings)
    screening = Screening(classifier, named_source(str(source)), out, given)
    contents = screening.folder.contents_index
    answering = Answering(classifier, given.cam, given.only, given.plain_uids, contents)
    try:
        made = (engine or (lambda one: LocalEngine(one, 1)))(answering)
        return screening.run(made, stop or threading.Event(), retry=retry)
    finally:
        screening.close()


@pytest.fixture(scope="session")
def screen() -> Callable[..., Outcome]:
    """`run_screening`, for tests."""
    return run_screening


@pytest.fixture(scope="session")
def screened_once(models, archive, made_once) -> Path:
    """The archive's screening with shards of 10, by one process, which answers in the order of the names."""
    return (
        made_once("screen-out", lambda home: run_screening(models / "int8.tflite", archive, home / "out", shard=10))
        / "out"
    )


@pytest.fixture
def out(screened_once, tmp_path) -> Path:
    """A copy of it that a test may change."""
    return Path(shutil.copytree(screened_once, tmp_path / "out"))


@pytest.fixture
def screened(command) -> Callable[..., dict[str, Any]]:
    """A function that runs `freezenet screen MODEL IN --out OUT ... --json` and returns what it printed."""

    def run(model: Path, source: object, out: Path, *more: object, code: int = 0) -> dict[str, Any]:
        found, printed, said = command("screen", model, source, "--out", out, "--json", *more)
        assert found == code, said
        return {**(json.loads(printed) if printed else {}), "stderr": said}

    return run


@pytest.fixture
def serve():
    """A function that starts a web server whose answers a function of the path gives, None for 503, and returns its address."""
    pytest.importorskip("aiohttp", reason="without it, fsspec reads no http://")
    servers = []

    def start(content) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self):
                self.do_GET()

            def do_GET(self):
                data = content(self.path)
                self.send_response(503 if data is None else 200)
                self.send_header("Content-Length", str(len(data or b"")))
                self.end_headers()
                if data and self.command == "GET":
                    self.wfile.write(data)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for one in servers:
        one.shutdown()
        one.server_close()


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
