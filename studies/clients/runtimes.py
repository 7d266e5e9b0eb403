"""The three interpreters, each through `freezenet.edge_runtime.interpreter` in a process of its own."""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from studies.clients.answers import ask
from studies.clients.question import Question
from studies.tools import MissingToolError, virtual_environment

#: The last release; what 32-bit boards have.
TFLITE_RUNTIME = "2.14.0"


def tflite_runtime(questions: Sequence[Question], tools: Path) -> dict[str, Any]:
    """Ask tflite-runtime in an environment of its own, because it needs NumPy 1 and a Python up to 3.11."""
    packages = [f"tflite-runtime=={TFLITE_RUNTIME}", "numpy<2"]
    python = virtual_environment(tools / f"tflite-runtime-{TFLITE_RUNTIME}", packages, newest_python=(3, 11))
    return _ask(str(python), "tflite-runtime", questions)


def ai_edge_litert(questions: Sequence[Question], tools: Path) -> dict[str, Any]:
    """Ask the ai-edge-litert of this environment."""
    return _installed("ai-edge-litert", questions)


def tensorflow(questions: Sequence[Question], tools: Path) -> dict[str, Any]:
    """Ask the interpreter inside the TensorFlow of this environment."""
    return _installed("tensorflow", questions)


def installed_version(package: str) -> str:
    """Return the version of a package of this environment; MissingToolError where it has none."""
    try:
        return version(package)
    except PackageNotFoundError:
        raise MissingToolError(f"{package} is required. Got: none; run: pip install {package}.") from None


def _installed(package: str, questions: Sequence[Question]) -> dict[str, Any]:
    installed_version(package)
    return _ask(sys.executable, package, questions)


def _ask(python: str, runtime: str, questions: Sequence[Question]) -> dict[str, Any]:
    return ask([python], "runtime_scores", questions, runtime=runtime, machine=platform.machine())
