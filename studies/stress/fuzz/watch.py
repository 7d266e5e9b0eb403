"""Give damaged files to a worker, one after the other, and judge what comes."""

from __future__ import annotations

import json
import re
import select
import signal
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freezenet.edge_runtime.errors import one_line
from freezenet.edge_runtime.system.child import module_command
from studies.stress.fuzz.memory import MEMORY_BOUND

ROOT = Path(__file__).resolve().parents[3]
#: Longest time for one file, seconds.
SECONDS_BOUND = 5.0
#: After this long the worker is ended; what comes between the bound and here is a finding with its own time.
_PATIENCE = 2 * SECONDS_BOUND
#: A sentence is one line of this many characters at most.
_LONGEST_SENTENCE = 500


@dataclass(frozen=True)
class Outcome:
    """What came of one input.

    answer, sentence: at most one of them. finding: how the promise was broken, in words, or None.
    seconds: wall time. peak_bytes: growth of the resident memory over the idle worker.
    """

    answer: str | None = None
    sentence: str | None = None
    finding: str | None = None
    seconds: float = 0.0
    peak_bytes: int = 0


class Watch:
    """A worker on one model, started anew after each death; a context manager."""

    def __init__(self, model: Path, start: Callable[[Path], subprocess.Popen[str]] | None = None) -> None:
        """Keep the model; `start` makes the worker's process (tests give another)."""
        self._model = model
        self._start = start or _worker
        self._process: Any = None
        self._folder = tempfile.TemporaryDirectory(prefix="freezenet-fuzz-")

    def __enter__(self) -> Watch:
        """Return the watch itself; the worker starts with the first input."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the worker."""
        self._end()
        self._folder.cleanup()

    def run(self, kind: str, data: bytes) -> Outcome:
        """Give one input to the worker and judge its reply."""
        if self._process is None:
            self._process = self._start(self._model)
            self._process.stdout.readline()  # its sign that it is ready
        path = Path(self._folder.name) / f"input.{kind}"
        path.write_bytes(data)
        try:
            self._process.stdin.write(json.dumps({"kind": kind, "path": str(path)}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:  # it died of the input before
            return Outcome(finding=self._death())
        if not select.select([self._process.stdout], [], [], _PATIENCE)[0]:
            self._end()
            return Outcome(finding=f"no answer within {_PATIENCE:g} seconds", seconds=_PATIENCE)
        line = self._process.stdout.readline()
        if not line:
            return Outcome(finding=self._death())
        return judged(json.loads(line))

    def _death(self) -> str:
        code = self._process.wait()
        self._end()
        return (
            f"the process was ended by {signal.Signals(-code).name}"
            if code < 0
            else f"the process ended with code {code}"
        )

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _worker(model: Path) -> subprocess.Popen[str]:
    command = module_command("studies.stress.fuzz.worker", str(model.resolve()))
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def judged(reply: dict[str, Any]) -> Outcome:
    """Hold a worker's reply to the promise."""
    sentence, seconds, peak = reply.get("sentence"), reply["seconds"], reply["peak_bytes"]
    broken = [
        reply.get("raised"),
        f"printed: {one_line(reply['noise'])}" if reply["noise"] else None,
        f"no sentence: {sentence!r}" if sentence is not None and not is_sentence(sentence) else None,
        f"{seconds:.1f} seconds" if seconds > SECONDS_BOUND else None,
        f"{peak >> 20} MiB" if peak > MEMORY_BOUND else None,
    ]
    found = "; ".join(one for one in broken if one) or None
    return Outcome(reply.get("answer"), sentence, found, seconds, peak)


def is_sentence(text: str) -> bool:
    """Whether a failure is said as the project says failures: what is required, what came, in one printable line."""
    return text.isprintable() and text.endswith(".") and "Got: " in text and len(text) <= _LONGEST_SENTENCE


def masked(text: str) -> str:
    """Return a text with numbers and quoted parts replaced, so that equal kinds are equal."""
    return re.sub(r"'[^']*'", "'...'", re.sub(r"0x[0-9a-f]+|-?\d+(\.\d+)?(e[-+]?\d+)?", "N", text))
