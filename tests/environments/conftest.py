"""Python environments that hold nothing but one way to install, each made once for the session."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from freezenet.benchmarks.devices.bundle import make_bundle
from freezenet.benchmarks.devices.wheels import PYTHONS, Target, project_wheel
from freezenet.edge_runtime.errors import DeviceError
from freezenet.train.data.phantoms import draw_phantom
from studies.install import ROUTES, install
from studies.tables.pages import ROOT
from studies.tools import MissingToolError


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """A wheel of the working tree, which stays as it was."""
    before = set(ROOT.iterdir())
    made = project_wheel(tmp_path_factory.mktemp("wheel"))
    assert set(ROOT.iterdir()) == before
    return made


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory) -> Callable[[str], Path]:
    """A function: name of a route -> folder of the virtual environment that it gives."""
    made: dict[str, Path] = {}

    def home(route: str) -> Path:
        if route not in made:
            folder = tmp_path_factory.mktemp("environments") / route
            try:
                install(ROUTES[route], folder, wheel, folder / "tools")
            except MissingToolError as error:
                if os.environ.get("FREEZENET_CI"):
                    raise
                pytest.skip(str(error))
            made[route] = folder
        return made[route]

    return home


@pytest.fixture(scope="session")
def bundle(made_once) -> Path:
    """A bundle for this machine, with the wheels of pip's index."""
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if platform.machine() not in ("x86_64", "aarch64") or python not in PYTHONS:
        pytest.skip(f"no bundle is made for {platform.machine()} and Python {python}")

    def make(home):
        try:
            make_bundle(home / "bundle", Target(platform.machine(), python, platform.libc_ver()[1] or "2.36"))
        except DeviceError as error:
            pytest.skip(f"wheels cannot be fetched here: {error}")

    return made_once("bundle", make) / "bundle"


@pytest.fixture(scope="session")
def picture(tmp_path_factory) -> Path:
    """A drawn image."""
    path = tmp_path_factory.mktemp("picture") / "phantom.png"
    cv2.imwrite(str(path), draw_phantom("Focal", 256, np.random.default_rng(0)))
    return path


@pytest.fixture
def run_in(tmp_path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """A function that runs a program in an environment; of this one's variables, none that speaks of Python stays."""

    def run(python: Path | str, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
        command = [str(python), *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, env={**kept, **variables}, cwd=tmp_path, timeout=300
        )

    return run


@pytest.fixture
def hidden_litert(tmp_path) -> dict[str, str]:
    """Variables with which this environment's Python finds TensorFlow and no other interpreter.

    Installing TensorFlow a second time would cost 600 MB; so the other two are hidden instead: for Python a module that
    is None in sys.modules is not there.
    """
    (tmp_path / "site").mkdir()
    hiding = "import sys\nsys.modules['ai_edge_litert'] = sys.modules['tflite_runtime'] = None\n"
    (tmp_path / "site" / "sitecustomize.py").write_text(hiding)
    root = Path(__file__).resolve().parents[2]
    return {"PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), str(root)]), "PYTHON": sys.executable}
