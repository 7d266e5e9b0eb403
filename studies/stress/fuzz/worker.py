"""The process that is given the damaged files: a codec that ends it is a finding and not the end of the run.

Started by `studies.stress.fuzz.watch`: reads a JSON line {"kind", "path"} for each input on standard input and writes one JSON line
with what came of it. What the libraries print goes to a file of its own, and is a finding too.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from freezenet import Classifier
from freezenet.edge_runtime.card import ModelCard
from freezenet.edge_runtime.decision import DecisionRule
from freezenet.edge_runtime.errors import FreezenetError
from studies.stress.fuzz.memory import MEMORY_BOUND, peak_above, reset_peak, resident

#: Address space that is granted beyond the bound, so that what breaks the bound is seen and the machine still lives.
_GUARD = 4 * MEMORY_BOUND


def main(model: str) -> None:
    """Answer until standard input ends."""
    replies = os.fdopen(os.dup(1), "w")
    with tempfile.TemporaryFile() as noise:
        os.dup2(noise.fileno(), 1)
        os.dup2(noise.fileno(), 2)
        classifier = Classifier(model)
        classifier.predict(_blank())  # what is loaded on first use is not an image's memory
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + _GUARD, used + _GUARD))
        idle = resident()
        _heard(noise)
        print("ready", file=replies, flush=True)
        for line in sys.stdin:
            request = json.loads(line)
            data = Path(request["path"]).read_bytes()
            reset_peak()
            started = time.perf_counter()
            reply = _tried(lambda: _card(request["path"]) if request["kind"] == "tflite" else _label(classifier, data))  # noqa: B023
            reply |= {"seconds": time.perf_counter() - started, "peak_bytes": peak_above(idle), "noise": _heard(noise)}
            print(json.dumps(reply), file=replies, flush=True)


def _tried(run: Callable[[], str]) -> dict[str, Any]:
    """Return {"answer": label}, {"sentence": text} or {"raised": text}."""
    try:
        return {"answer": run()}
    except FreezenetError as error:
        return {"sentence": str(error)}
    except BaseException as error:  # MemoryError, SystemExit and what C extensions make up are findings as well
        return {"raised": f"{type(error).__name__}: {error}"[:500]}


def _label(classifier: Classifier, data: bytes) -> str:
    prediction = classifier.predict(data)
    return prediction.label or prediction.reason or "no class"


def _card(path: str) -> str:
    """Do with a model file all that precedes the interpreter."""
    card = ModelCard.read(path)
    DecisionRule.from_card(card)
    return card.variant


def _heard(noise: Any) -> str:
    """Return what was printed since, and forget it."""
    sys.stderr.flush()
    end = os.lseek(noise.fileno(), 0, os.SEEK_CUR)
    if not end:
        return ""
    text = os.pread(noise.fileno(), 2000, 0).decode(errors="replace")
    os.ftruncate(noise.fileno(), 0)
    os.lseek(noise.fileno(), 0, os.SEEK_SET)
    return text


def _blank() -> Any:
    import numpy as np

    return np.zeros((64, 64), np.uint8)


if __name__ == "__main__":
    main(sys.argv[1])
