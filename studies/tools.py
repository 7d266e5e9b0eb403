"""What a study needs beside this environment, made once in a cache folder: virtual environments, npm packages, programs of the system."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from freezenet.edge_runtime.errors import FreezenetError

#: Written last, so its presence means that a tool is complete.
READY = ".ready"


class MissingToolError(FreezenetError):
    """A tool cannot be had here; the message says what is required and what came.

    installable: whether the project's own set-up (`.ci/run` on Debian, as root) should have made it possible.
    """

    def __init__(self, message: str, installable: bool = True) -> None:
        """Keep the sentence and whether it is this machine's nature or a failed installation."""
        super().__init__(message)
        self.installable = installable


def default_tools_folder() -> Path:
    """Return the folder for clients in the user's cache; FREEZENET_CACHE overrides the cache."""
    from freezenet.train.quiet import quiet

    with quiet():  # freezenet.train.frozen.cache imports Keras
        from freezenet.train.frozen.cache import default_cache_folder

    return default_cache_folder() / "clients"


def made(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return `folder`, filled by `make` if it was not complete; other processes wait meanwhile."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / READY).is_file():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            (folder / READY).touch()
    return folder


def virtual_environment(
    folder: Path, packages: Sequence[str], newest_python: tuple[int, int], dependencies: bool = True
) -> Path:
    """Return the Python of a virtual environment of its own with these packages.

    newest_python: the newest Python that the packages have wheels for. dependencies: install what they require, too.
    """
    python = _python(newest_python, packages[0])

    def make(home: Path) -> None:
        run_tool([python, "-m", "venv", str(home)], "A Python that can make virtual environments")
        pip_install(home / "bin" / "python", [*packages, *([] if dependencies else ["--no-deps"])])

    return made(folder, make) / "bin" / "python"


def pip_install(python: Path | str, arguments: Sequence[str]) -> None:
    """Install wheels; MissingToolError with pip's own reason where that fails."""
    quietly = ["--quiet", "--disable-pip-version-check", "--no-input", "--only-binary", ":all:"]
    patience = ["--retries", "2", "--timeout", "60"]
    run_tool(
        [str(python), "-m", "pip", "install", *quietly, *patience, *arguments], f"An installation of {arguments[0]}"
    )


def npm_packages(folder: Path, packages: Sequence[str]) -> Path:
    """Return the node_modules folder with npm packages, none of whose install scripts was run."""
    npm = executable(("npm",), "npm")

    def make(home: Path) -> None:
        quietly = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--loglevel", "error"]
        run_tool([npm, "install", "--prefix", str(home), *quietly, *packages], f"An installation of {packages[0]}")

    return made(folder, make) / "node_modules"


def executable(names: Sequence[str], package: str) -> str:
    """Return the path of the first of these programs that the system has."""
    for name in names:
        if found := shutil.which(name):
            return found
    raise MissingToolError(f"The program {names[0]} is required. Got: none; run: apt-get install {package}.")


def run_tool(command: Sequence[str], what: str, timeout: float = 600, text: str | None = None, **variables: str) -> str:
    """Run an installer and return its stdout; MissingToolError with the last line of its stderr where it fails.

    timeout: seconds. text: for its stdin. variables: of the environment, beside this process's own.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=timeout, input=text or "",
            env={**os.environ, **variables},
        )  # fmt: skip
    except (subprocess.TimeoutExpired, OSError) as error:
        raise MissingToolError(f"{what} is required. Got: {type(error).__name__}.") from None
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        said = [line for line in lines if line.lower().startswith(("error", "e:", "npm error"))] or lines or ["nothing"]
        raise MissingToolError(f"{what} is required. Got: {said[-1].strip()[:200]}.")
    return done.stdout


def _python(newest: tuple[int, int], package: str) -> str:
    """Return this Python if it is old enough, else one of the system's."""
    if sys.version_info[:2] <= newest:
        return sys.executable
    for minor in range(newest[1], 9, -1):  # edge_runtime needs Python 3.10
        if found := shutil.which(f"python{newest[0]}.{minor}"):
            return found
    raise MissingToolError(
        f"Python {newest[0]}.{newest[1]} or older is required for {package}. Got: {sys.version_info[0]}."
        f"{sys.version_info[1]} and no other on the PATH.",
        installable=False,
    )
