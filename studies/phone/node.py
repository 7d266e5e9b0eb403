"""Node: the app's modules without DOM, with LiteRT.js where answers are asked for."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from freezenet.convert.app import WEB
from studies.clients.answers import how_it_ended
from studies.tools import MissingToolError, executable, npm_packages

PROGRAM = Path(__file__).parent / "programs" / "ask.mjs"
TIMEOUT = 900


def litertjs(tools: Path) -> Path:
    """Return the node_modules folder with the LiteRT.js that the app names."""
    versions = json.loads((WEB / "package.json").read_text(encoding="utf-8"))["dependencies"]
    home = tools / f"litertjs-{versions['@litertjs/core']}"
    return npm_packages(home, [f"{name}@{version}" for name, version in versions.items()])


def ask(jobs: Sequence[dict[str, Any]]) -> list[Any]:
    """Run jobs of ask.mjs, {"task": ..., ...}, and return their answers."""
    node = executable(("node",), "nodejs")
    done = subprocess.run(
        [node, str(PROGRAM)],
        input=json.dumps({"app": str(WEB.resolve()), "jobs": list(jobs)}),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    if done.returncode:
        raise MissingToolError(f"Answers from Node are required. Got: {how_it_ended(done.returncode, done.stderr)}.")
    return json.loads(done.stdout)


def answers(model: Path, files: Sequence[Path], tools: Path) -> list[dict[str, Any]]:
    """Return the answer of Node for each file; MissingToolError where Node or LiteRT.js is missing."""
    packages = litertjs(tools)
    (found,) = ask(
        [{"task": "answers", "model": str(model), "packages": str(packages), "files": list(map(str, files))}]
    )
    if isinstance(found, dict):
        raise MissingToolError(f"Answers from Node are required. Got: {found['error']}.")
    return found
