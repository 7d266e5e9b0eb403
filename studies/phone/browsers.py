"""The exported app's modules in Chromium, Firefox and WebKit, from a server on this machine."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from freezenet.convert.app.export import export_app
from studies.clients.browser import FLAGS
from studies.phone.node import litertjs
from studies.tools import MissingToolError, executable

PROGRAMS = Path(__file__).parent / "programs"
#: Longest wait for the next answer, seconds.
TIMEOUT = 120
MINI_BROWSERS = sorted(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"))
#: Firefox looks nothing up elsewhere.
_PREFERENCES = """
user_pref("app.update.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.homepage_override.mstone", "ignore");
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("extensions.getAddons.cache.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("network.proxy.type", 1);
user_pref("network.proxy.http", "127.0.0.1");
user_pref("network.proxy.http_port", 9);
user_pref("network.proxy.ssl", "127.0.0.1");
user_pref("network.proxy.ssl_port", 9);
"""


def chromium(model: Path, files: Sequence[Path], tools: Path) -> list[dict[str, Any]]:
    """Return Chromium's answer for each file."""
    program = executable(("chromium", "chromium-browser", "google-chrome"), "chromium")
    return _answers(lambda home, url: [program, *FLAGS, f"--user-data-dir={home}/profile", url], model, files, tools)


def firefox(model: Path, files: Sequence[Path], tools: Path) -> list[dict[str, Any]]:
    """Return Firefox's answer for each file."""
    program = executable(("firefox-esr", "firefox"), "firefox-esr")

    def command(home: str, url: str) -> list[str]:
        profile = Path(home) / "profile"
        profile.mkdir()
        (profile / "user.js").write_text(_PREFERENCES)
        return [program, "--headless", "--no-remote", "--profile", str(profile), url]

    return _answers(command, model, files, tools)


def webkit(model: Path, files: Sequence[Path], tools: Path) -> list[dict[str, Any]]:
    """Return the answer of WebKitGTK's small browser for each file, on a display of its own."""
    display = executable(("Xvfb",), "xvfb")
    if not MINI_BROWSERS:
        raise MissingToolError("WebKit's MiniBrowser is required. Got: none; run: apt-get install webkit2gtk-driver.")
    reader, writer = os.pipe()
    # The server chooses a free number and writes it.
    server = subprocess.Popen(
        [display, "-displayfd", str(writer), "-screen", "0", "800x600x24", "-nolisten", "tcp"],
        pass_fds=(writer,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    os.close(writer)
    try:
        with os.fdopen(reader) as told:
            number = told.readline().strip()
        if not number:
            raise MissingToolError("A display is required. Got: Xvfb, which did not start.")
        # Its sandbox needs namespaces that a container does not give.
        variables = {"DISPLAY": f":{number}", "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1", "LIBGL_ALWAYS_SOFTWARE": "1",
                     "WEBKIT_DISABLE_COMPOSITING_MODE": "1", "GDK_BACKEND": "x11"}  # fmt: skip
        browser = str(MINI_BROWSERS[-1])
        return _answers(lambda home, url: [browser, "--private", url], model, files, tools, variables)
    finally:
        _end(server)


def version(names: Sequence[str]) -> str:
    """Return the first number with dots that a program says of its version, "" where there is none."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        return ""
    done = subprocess.run([found, "--version"], capture_output=True, text=True, check=False, timeout=60)
    number = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return number[0] if number else ""


def webkit_version() -> str:
    """Return the version of Debian's package, because the browser tells its own only on a display."""
    asked = ["dpkg-query", "-W", "-f", "${Version}", "libwebkit2gtk-4.1-0"]
    if shutil.which("dpkg-query") is None:
        return ""
    done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.partition("-")[0]


class _Handler(SimpleHTTPRequestHandler):
    """Serves the app and the files, and takes the answers."""

    def __init__(self, site: _Site, *arguments: Any) -> None:
        self.site = site
        super().__init__(*arguments, directory=str(site.folder))

    def do_POST(self) -> None:
        found = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.site.take(found)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


class _Site:
    """A folder with the app, the page that asks it, and the files; and what was answered so far."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.answers: list[dict[str, Any]] = []
        self.failure: str | None = None
        self.count = count
        self.arrived = threading.Event()

    def take(self, found: dict[str, Any]) -> None:
        if "failure" in found:
            self.failure = " ".join(str(found["failure"]).split())[:200]
        else:
            self.answers.append(found)
        self.arrived.set()

    @property
    def is_done(self) -> bool:
        return self.failure is not None or len(self.answers) >= self.count


def _answers(
    command: Callable[[str, str], list[str]],
    model: Path,
    files: Sequence[Path],
    tools: Path,
    variables: dict[str, str] | None = None,
) -> list[dict[str, Any]]:
    packages = litertjs(tools)
    with TemporaryDirectory(prefix="freezenet-phone-", ignore_cleanup_errors=True) as home:
        folder = Path(home) / "app"
        export_app(model, folder, without_ood_gate=True)
        (folder / "node_modules").symlink_to(packages)
        for program in ("ask.html", "ask.js"):
            shutil.copyfile(PROGRAMS / program, folder / program)
        (folder / "files").mkdir()
        for number, file in enumerate(files):
            shutil.copyfile(file, folder / "files" / f"{number}")
        (folder / "files.json").write_text(json.dumps(len(files)))
        site = _Site(folder, len(files))
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, site))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environment = {**os.environ, "HOME": home, "XDG_CONFIG_HOME": home, "XDG_CACHE_HOME": home, **(variables or {})}
        process = subprocess.Popen(
            command(home, f"http://127.0.0.1:{server.server_port}/ask.html"), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=environment, start_new_session=True,
        )  # fmt: skip
        try:
            _wait(site, process)
        finally:
            _end(process)
            server.shutdown()
            server.server_close()
    if site.failure is not None or len(site.answers) < len(files):
        reason = site.failure or f"{len(site.answers)} of {len(files)} answers, then none for {TIMEOUT} seconds"
        raise MissingToolError(f"Answers from a browser are required. Got: {reason}.", installable=False)
    return sorted(site.answers, key=lambda one: one["number"])


def _wait(site: _Site, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + TIMEOUT
    while not site.is_done and time.monotonic() < until and process.poll() is None:
        if site.arrived.wait(0.2):
            site.arrived.clear()
            until = time.monotonic() + TIMEOUT


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and what it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
