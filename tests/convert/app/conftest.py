"""Node, which runs the app's JavaScript, and a model that refuses, abstains and answers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freezenet.convert.app import WEB
from studies.tools import MissingToolError, npm_packages


@pytest.fixture(scope="session")
def ask() -> Callable[..., list[Any]]:
    """A function: jobs of ask.mjs -> their answers."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed; run: apt-get install nodejs")

    def run(*jobs: dict[str, Any]) -> list[Any]:
        done = subprocess.run(
            [node, str(Path(__file__).with_name("ask.mjs"))],
            input=json.dumps({"app": str(WEB.resolve()), "jobs": jobs}),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="session")
def phone_model(run, made_once) -> Path:
    """int8.tflite with temperature, abstention and OOD gate, of phantoms."""
    from freezenet.convert.models import convert
    from freezenet.convert.options import ConvertOptions
    from freezenet.train.run import Run

    def make(home: Path) -> None:
        folder = Path(shutil.copytree(run.folder, home / "run"))
        decision = Run.open(folder).decision_file
        shutil.copyfile(run.folder.parent / decision.name, decision)
        convert(folder, home / "models", options=ConvertOptions(variants=("int8",), acceptance=False))

    return made_once("phone", make) / "models" / "int8.tflite"


@pytest.fixture(scope="session")
def packages(tools):
    """The node_modules folder with LiteRT.js."""
    versions = json.loads((WEB / "package.json").read_text())["dependencies"]
    try:
        return npm_packages(
            tools / f"litertjs-{versions['@litertjs/core']}", [f"{name}@{one}" for name, one in versions.items()]
        )
    except MissingToolError as error:
        if os.environ.get("FREEZENET_CI") and os.geteuid() == 0 and shutil.which("apt-get"):
            raise
        pytest.skip(str(error))
