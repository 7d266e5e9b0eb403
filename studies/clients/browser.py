"""LiteRT.js in headless Chromium: the same file inside a web page, from a server on this machine, nothing sent out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from studies.clients.question import Question
from studies.tools import executable, npm_packages

VERSION = "2.5.3"
PAGE = Path(__file__).parent / "page"

#: Longest wait for one model file, seconds.
TIMEOUT = 60

_TYPES = {".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm", ".json": "application/json"}
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    # Whatever the browser would look up elsewhere, it finds nothing.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip


def answers(questions: Sequence[Question], tools: Path) -> dict[str, Any]:
    """Return variant -> answer of LiteRT.js; MissingToolError where Chromium or the npm package is missing."""
    chromium = executable(("chromium", "chromium-browser", "google-chrome"), "chromium")
    packages = [f"@litertjs/{name}@{VERSION}" for name in ("core", "wasm-utils")]
    modules = npm_packages(tools / f"litertjs-{VERSION}", packages)
    site = Site(questions, modules)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        while missing := site.unanswered():
            first = site.variants.index(missing[0])
            _browse(chromium, f"http://127.0.0.1:{server.server_port}/index.html?n={first}", site)
            # A page that gave no answer would give none again.
            site.answers.setdefault(missing[0], {"cannot": f"no answer within {TIMEOUT} seconds"})
    finally:
        server.shutdown()
        server.server_close()
    return site.answers


class Site:
    """What the server serves and what the page has answered so far."""

    def __init__(self, questions: Sequence[Question], modules: Path) -> None:
        """Keep the questions; `modules` is the node_modules folder."""
        self.variants = [question.variant for question in questions]
        self.answers: dict[str, Any] = {}
        self.arrived = threading.Event()
        self.modules = modules
        self.contents: dict[str, bytes | Path] = {f"/{path.name}": path for path in PAGE.iterdir()}
        listed = []
        for question in questions:
            urls = {"model": f"/models/{question.variant}.tflite", "tensors": f"/tensors/{question.variant}"}
            self.contents[urls["model"]] = question.model
            self.contents[urls["tensors"]] = question.tensors.tobytes()
            shape = [1, *question.tensors.shape[1:]]
            listed.append({"variant": question.variant, **urls, "dtype": question.tensors.dtype.name, "shape": shape})
        self.contents["/questions.json"] = json.dumps(listed).encode()

    def unanswered(self) -> list[str]:
        """Return the variants without an answer."""
        return [variant for variant in self.variants if variant not in self.answers]

    def read(self, path: str) -> bytes | None:
        """Return what lies under a path of the site."""
        if path.startswith("/npm/"):
            file = (self.modules / path.removeprefix("/npm/")).resolve()
            return file.read_bytes() if file.is_file() and file.is_relative_to(self.modules.resolve()) else None
        content = self.contents.get(path)
        return content.read_bytes() if isinstance(content, Path) else content


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, site: Site, *arguments: Any) -> None:
        self.site = site
        super().__init__(*arguments)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        content = self.site.read(path)
        self.send_response(404 if content is None else 200)
        # Threads in WebAssembly need a page that shares its memory with no other.
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.send_header("Content-Type", _TYPES.get(Path(path).suffix, "application/octet-stream"))
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def do_POST(self) -> None:
        found = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "cannot" in found:
            found["cannot"] = " ".join(found["cannot"].split())[:200]
        self.site.answers.setdefault(self.path.rpartition("/")[2], found)
        self.site.arrived.set()
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


def _browse(chromium: str, url: str, site: Site) -> None:
    """Open the page until all answers are there, or none came for a while."""
    with tempfile.TemporaryDirectory(prefix="freezenet-browser-", ignore_cleanup_errors=True) as home:
        environment = {**os.environ, "XDG_CONFIG_HOME": home, "XDG_CACHE_HOME": home}
        command = [chromium, *FLAGS, f"--user-data-dir={home}/profile", url]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=environment,
            start_new_session=True,
        )  # fmt: skip
        try:
            waited_until = time.monotonic() + TIMEOUT
            while site.unanswered() and time.monotonic() < waited_until and process.poll() is None:
                if site.arrived.wait(0.2):
                    site.arrived.clear()
                    waited_until = time.monotonic() + TIMEOUT
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
