"""A run of the fuzzer: its counts, its findings, and the files that made them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from freezenet.edge_runtime.files import write_bytes
from freezenet.edge_runtime.system.environment import environment
from studies.stress.fuzz.memory import MEMORY_BOUND
from studies.stress.fuzz.mutation import Input, mutated
from studies.stress.fuzz.watch import SECONDS_BOUND, Outcome, Watch, masked

#: Files that are kept of each kind of finding.
_KEPT = 5


def fuzz(
    model: Path, files: Mapping[str, bytes], *, numbers: Iterable[int], seed: int, keep: Path | None = None
) -> dict[str, Any]:
    """Run inputs by number and return what came of them (JSON types).

    Args:
        model: the file that answers, and is damaged itself.
        files: the corpus, name to content.
        numbers: of the inputs.
        seed: of the damage.
        keep: folder for the inputs that are findings, named by seed and number.
    """
    tally = _Tally()
    with Watch(model) as watch:
        for number in numbers:
            made = mutated(files, seed, number)
            outcome = watch.run(made.kind, made.data)
            kept = None
            if outcome.finding and keep is not None and tally.seen(outcome.finding) < _KEPT:
                kept = str(write_input(keep, made, seed, number))
            tally.add(number, made, outcome, kept)
    return {
        "model": model.name,
        "seed": seed,
        "corpus": len(files),
        "corpus_sha256": hashlib.sha256(b"".join(files.values())).hexdigest(),
        "bounds": {"seconds": SECONDS_BOUND, "bytes": MEMORY_BOUND},
        **tally.result(),
        "environment": environment(),
    }


def write_input(folder: Path, made: Input, seed: int, number: int) -> Path:
    """Write an input to a file that is named by its seed and number; return its path."""
    path = folder / f"seed-{seed}-input-{number}.{made.kind}"
    write_bytes(path, made.data)
    return path


class _Tally:
    """What was counted so far."""

    def __init__(self) -> None:
        self._formats: dict[str, Counter[str]] = {}
        self._sentences: Counter[str] = Counter()
        self._findings: dict[str, dict[str, Any]] = {}
        self._slowest: dict[str, Any] = {"number": -1, "name": "", "seconds": 0.0, "peak_bytes": 0}
        self._largest = self._slowest

    def seen(self, finding: str) -> int:
        """Return how many findings of this kind there were."""
        return self._findings.get(masked(finding), {"count": 0})["count"]

    def add(self, number: int, made: Input, outcome: Outcome, kept: str | None) -> None:
        kind = "findings" if outcome.finding else "answers" if outcome.answer is not None else "sentences"
        self._formats.setdefault(made.kind, Counter(answers=0, sentences=0, findings=0))[kind] += 1
        if outcome.sentence:
            self._sentences[masked(outcome.sentence)] += 1
        cost: dict[str, Any] = {
            "number": number,
            "name": made.name,
            "seconds": round(outcome.seconds, 4),
            "peak_bytes": outcome.peak_bytes,
        }
        self._slowest = max(self._slowest, cost, key=lambda one: one["seconds"])
        self._largest = max(self._largest, cost, key=lambda one: one["peak_bytes"])
        if outcome.finding:
            found = self._findings.setdefault(
                masked(outcome.finding), {"count": 0, "first": outcome.finding, "inputs": []}
            )
            found["count"] += 1
            if len(found["inputs"]) < _KEPT:
                found["inputs"].append({"number": number, "name": made.name, "file": kept})

    def result(self) -> dict[str, Any]:
        return {
            "inputs": sum(sum(counts.values()) for counts in self._formats.values()),
            "formats": {kind: dict(counts) for kind, counts in sorted(self._formats.items())},
            "sentences": dict(self._sentences.most_common()),
            "slowest": self._slowest,
            "largest": self._largest,
            "findings": sorted(self._findings.values(), key=lambda one: -one["count"]),
        }
