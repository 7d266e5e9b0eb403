"""Ask a program in another environment, so that a client that ends its process loses one cell and no more."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import freezenet
from studies.clients.question import Question
from studies.tools import MissingToolError

PROGRAMS = Path(__file__).parent / "programs"

#: Longest wait for one client, seconds.
TIMEOUT = 300


def ask(
    python: Sequence[str], program: str, questions: Sequence[Question], path: Sequence[Path] = (), **settings: Any
) -> dict[str, Any]:
    """Run programs/<program>.py for the questions; return variant -> answer as `Cell.judge` takes it.

    python: the command that starts the client's Python. path: further folders with modules for it. settings: what else
    the program finds in its request. Of this project the program can import `freezenet.edge_runtime` and no more.
    """
    answers: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="freezenet-client-") as name:
        work = Path(name)
        site = work / "site"
        package = Path(freezenet.__file__).parent
        shutil.copytree(
            package / "edge_runtime", site / "freezenet" / "edge_runtime", ignore=shutil.ignore_patterns("__pycache__")
        )
        shutil.copyfile(package / "__init__.py", site / "freezenet" / "__init__.py")
        requests = {question.variant: _request(question, work) for question in questions}
        while missing := [variant for variant in requests if variant not in answers]:
            request, out = work / "request.json", work / "answers.jsonl"
            request.write_text(
                json.dumps({**settings, "out": str(out), "questions": [requests[variant] for variant in missing]})
            )
            out.write_text("")
            failure = _run([*python, str(PROGRAMS / f"{program}.py"), str(request)], [site, *path])
            for line in out.read_text().splitlines():
                answer = json.loads(line)
                if "missing" in answer:
                    raise MissingToolError(f"A client that can be imported is required. Got: {answer['missing']}.")
                answers[answer.pop("variant")] = answer
            died = next((variant for variant in missing if variant not in answers), None)
            if died is not None:
                answers[died] = {"cannot": failure}
    return answers


def _request(question: Question, work: Path) -> dict[str, Any]:
    paths = {}
    for name, array in (("pixels", question.pixels), ("tensors", question.tensors)):
        path = work / f"{question.variant}-{name}.npy"
        np.save(path, array)
        paths[name] = str(path)
    return {"variant": question.variant, "model": str(question.model.resolve()), **paths}


def client_environment(path: Sequence[Path]) -> dict[str, str]:
    """Return this process's environment for another Python, which finds modules in the folders `path`."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return {**kept, "PYTHONPATH": os.pathsep.join(map(str, path))}


def how_it_ended(code: int, stderr: str) -> str:
    """Return in words how a process ended that gave no answer; code: negative for a signal, as `subprocess` has it."""
    if code == 0:
        return "the process ended without an answer"
    lines = [line for line in stderr.splitlines() if line.strip()]
    last = f": {lines[-1].strip()[:160]}" if lines else ""
    if code < 0:
        return f"the process was ended by {signal.Signals(-code).name}{last}"
    return f"the process ended with code {code}{last}"


def _run(command: list[str], path: Sequence[Path]) -> str:
    """Run to the end; return in words how it ended, for the question that has no answer then."""
    environment = {**client_environment(path), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, env=environment, timeout=TIMEOUT,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"no answer within {TIMEOUT} seconds"
    return how_it_ended(done.returncode, done.stderr)
