"""The cost of the runtime around the model: `Classifier.predict` against the same steps by hand, and the start.

    python -m studies.predict MODEL IMAGE... [--json] [--out results]

By hand: decode and resize with OpenCV, invoke the interpreter; the same libraries in the same process, in turns with
the runtime. The start is a fresh process from nothing to the first answer, in turns with one that only imports NumPy,
OpenCV and the interpreter.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from studies.command import StudyCommand, hand_over, images_argument, model_argument, result_options

_IMPORTS = "import numpy, cv2; import ai_edge_litert.interpreter"


def steady(model: Path, images: list[Path], rounds: int) -> dict[str, Any]:
    """Return median milliseconds of one image by `Classifier.predict` and by hand, and their ratio."""
    import cv2
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    from freezenet.edge_runtime.classifier import Classifier

    classifier = Classifier(model, runtime="ai-edge-litert")
    engine = Interpreter(model_path=str(model), num_threads=1)
    engine.allocate_tensors()
    entry, exit_ = engine.get_input_details()[0], engine.get_output_details()[0]
    height, width = entry["shape"][1:3]
    spec = classifier.card.preprocess

    def by_hand(path: Path) -> Any:
        gray = np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
        small = cv2.resize(gray, (int(width), int(height)), interpolation=cv2.INTER_AREA)
        tensor = cv2.merge((small, small, small))[None]
        if entry["dtype"] == np.float32:
            tensor = (tensor.astype(np.float32) - spec.mean) / spec.std
        engine.set_tensor(entry["index"], tensor)
        engine.invoke()
        return engine.get_tensor(exit_["index"])

    ways: dict[str, Callable[[Path], Any]] = {"predict_ms": classifier.predict, "by_hand_ms": by_hand}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way(images[0])
    for number in range(rounds):
        path = images[number % len(images)]
        # Which of the two comes first changes, because the second finds the file in the processor's cache.
        for name in sorted(ways, reverse=bool(number % 2)):
            started = time.perf_counter()
            ways[name](path)
            times[name].append((time.perf_counter() - started) * 1e3)
    return {
        **{name: round(statistics.median(found), 4) for name, found in times.items()},
        "ratio": round(statistics.median(times["predict_ms"]) / statistics.median(times["by_hand_ms"]), 4),
        "rounds": rounds,
    }


def start(model: Path, image: Path, rounds: int) -> dict[str, Any]:
    """Return median milliseconds of `freezenet predict` from start to answer, of the bare imports, and their ratio."""
    command = Path(sys.executable).with_name("freezenet")
    ways = {
        "first_answer_ms": [str(command), "predict", str(model), str(image)],
        "imports_ms": [sys.executable, "-c", _IMPORTS],
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, arguments in ways.items():
            started = time.perf_counter()
            subprocess.run(arguments, check=True, capture_output=True)
            if number:  # the first round fills the file cache
                times[name].append((time.perf_counter() - started) * 1e3)
    return {
        **{name: round(statistics.median(found), 2) for name, found in times.items()},
        "ratio": round(
            statistics.median(a / b for a, b in zip(times["first_answer_ms"], times["imports_ms"], strict=True)), 4
        ),
        "rounds": rounds,
    }


@click.command(cls=StudyCommand)
@model_argument
@images_argument
@click.option("--rounds", default=400, show_default=True, type=click.IntRange(10), help="Timed images of each way.")
@click.option(
    "--starts", default=15, show_default=True, type=click.IntRange(3), help="Timed fresh processes of each way."
)
@result_options
def main(model, images, rounds, starts, as_json, out) -> None:
    """Compare `freezenet predict` with the same steps by hand, steady and from a cold start."""
    from freezenet.edge_runtime.system.environment import environment

    result: dict[str, Any] = {
        "model": model.name,
        "steady": steady(model, list(images), rounds),
        "start": start(model, images[0], starts),
        "environment": environment(),
    }
    steadily, starting = result["steady"], result["start"]
    text = (
        f"steady\t{steadily['predict_ms']:.2f} ms, by hand {steadily['by_hand_ms']:.2f} ms, ratio {steadily['ratio']:.3f}\n"
        f"start\t{starting['first_answer_ms']:.0f} ms, imports {starting['imports_ms']:.0f} ms, ratio {starting['ratio']:.3f}"
    )
    hand_over(result, f"predict-{model.stem}", text, as_json, out)


if __name__ == "__main__":
    main()
