"""Run the command on damaged models and count what it says."""

from __future__ import annotations

import hashlib
import json
import select
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from freezenet.edge_runtime.integrity.hashes import CONVERSION_FILE
from freezenet.edge_runtime.system.child import module_command
from freezenet.edge_runtime.system.environment import environment
from studies.stress.fuzz.watch import is_sentence, masked
from studies.stress.mutations.damage import DAMAGES, EARLIER, mutated

#: Seconds for all runs on one damaged file together.
SECONDS_BOUND = 150.0
#: Inputs that are named for each kind of finding.
_NAMED = 5


def run(model: Path, image: Path, *, numbers: Iterable[int], seed: int) -> dict[str, Any]:
    """Run `predict`, `verify` and `inspect` on damaged files alone, and `predict` beside a conversion.json that lists the whole one.

    Args:
        model: The whole file.
        image: That `predict` is given.
        numbers: Of the damaged files.
        seed: Of the damage.
    """
    whole = model.read_bytes()
    counts = {kind: Counter(files=0, refused=0, same_answer=0, other_answer=0, beside_answered=0) for kind in DAMAGES}
    sentences: Counter[str] = Counter()
    findings: dict[str, dict[str, Any]] = {}
    slowest = 0.0
    with tempfile.TemporaryDirectory() as name, _Command() as command:
        alone, beside = Path(name) / "alone", Path(name) / "beside"
        alone.mkdir()
        beside.mkdir()
        digest = hashlib.sha256(whole).hexdigest()
        listed = {"variants": {model.stem: {"file": model.name, "sha256": digest}}}
        (beside / CONVERSION_FILE).write_text(json.dumps(listed))
        shutil.copyfile(image, alone / image.name)
        picture = str(alone / image.name)
        (alone / model.name).write_bytes(whole)
        expected = json.loads(command.run([["predict", "--json", str(alone / model.name), picture]])[0]["out"])
        for number in numbers:
            kind, data = mutated(whole, seed, number)
            for folder in (alone, beside):
                (folder / model.name).write_bytes(data)
            file, guarded = str(alone / model.name), str(beside / model.name)
            verbs = [["predict", "--json", file, picture], ["verify", file], ["inspect", file]]
            if kind == EARLIER:  # the other verbs would begin with the same trial in a process of its own
                verbs = verbs[:1]
            replies = command.run([*verbs, ["predict", "--json", guarded, picture]])
            count = counts[kind]
            count["files"] += 1
            found = [f"{reply['verb']}: {wrong}" for reply in replies if (wrong := broken(reply))]
            if not replies[-1].get("died"):
                slowest = max(slowest, *(one["seconds"] for one in replies))
                sentences.update(masked(one["err"].strip()) for one in replies if one["code"])
                if replies[0]["code"]:
                    count["refused"] += 1
                else:
                    given = json.loads(replies[0]["out"])
                    keys = ("label", "reason", "probabilities")
                    same = all(given[key] == expected[key] for key in keys)
                    count["same_answer" if same else "other_answer"] += 1
                if replies[-1]["code"] == 0:
                    count["beside_answered"] += 1
                    found.append("answered beside conversion.json")
            for one in found:
                entry = findings.setdefault(masked(one), {"count": 0, "first": one, "numbers": []})
                entry["count"] += 1
                entry["numbers"] = [*entry["numbers"], number][:_NAMED]
    return {
        "model": model.name,
        "model_sha256": digest,
        "seed": seed,
        "files": sum(one["files"] for one in counts.values()),
        "kinds": {kind: dict(one) for kind, one in counts.items()},
        "slowest_seconds": round(slowest, 2),
        "sentences": dict(sentences.most_common()),
        "findings": sorted(findings.values(), key=lambda one: -one["count"]),
        "environment": environment(),
    }


def broken(reply: dict[str, Any]) -> str | None:
    """Return how a run of the command broke the promise, None where it kept it."""
    if reply.get("died"):
        return str(reply["died"])
    code, err = reply["code"], reply["err"]
    if code not in (0, 1, 3):
        return f"exit code {code}: {err[-200:]}"
    if "unexpected failure" in err or "Traceback" in err:
        return err[-300:]
    if code and not (err.startswith("Error: ") and err.count("\n") == 1 and is_sentence(err.rstrip("\n"))):
        return f"no sentence: {err[:300]!r}"
    return None


class _Command:
    """A process that runs the command, started anew after each end; a context manager."""

    def __init__(self) -> None:
        self._process: Any = None

    def __enter__(self) -> _Command:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def run(self, arguments: list[list[str]]) -> list[dict[str, Any]]:
        """Return what came of each list of arguments; of one alone, with "died", where the process did not outlive them."""
        if self._process is None:
            start = module_command("studies.stress.mutations.worker")
            self._process = subprocess.Popen(start, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)  # fmt: skip
        self._process.stdin.write(json.dumps({"arguments": arguments}) + "\n")
        self._process.stdin.flush()
        ready = select.select([self._process.stdout], [], [], SECONDS_BOUND)[0]
        line = self._process.stdout.readline() if ready else ""
        if not line:
            died = (
                f"the process ended with code {self._process.wait()}"
                if ready
                else f"nothing within {SECONDS_BOUND:g} s"
            )
            self._end()
            return [{"verb": "freezenet", "died": died}]
        return [{"verb": given[0], **reply} for given, reply in zip(arguments, json.loads(line), strict=True)]

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
