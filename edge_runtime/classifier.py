"""Classify one X-ray with one model file."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.card import ModelCard
from edge_runtime.errors import FreezenetError
from edge_runtime.interpreter import Interpreter, runtime_version


@dataclass(frozen=True)
class Prediction:
    """The answer for one image.

    label: the most probable class. probabilities: class -> score in 0..1, in the model's order.
    timings_ms: wall milliseconds of decode, preprocess and invoke.
    """

    label: str
    probabilities: dict[str, float]
    timings_ms: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types only."""
        return {
            "label": self.label,
            "probabilities": {label: round(score, 6) for label, score in self.probabilities.items()},
            "timings_ms": {stage: round(value, 3) for stage, value in self.timings_ms.items()},
        }


class Classifier:
    """A model file ready to answer; not thread-safe: one per worker.

    model: path of a .tflite file written by `freezenet convert`.
    threads, runtime: see `edge_runtime.interpreter.Interpreter`.

        >>> Classifier("models/int8.tflite").predict("chest.png").label
        'Normal'
    """

    def __init__(self, model: str | Path, threads: int = 1, runtime: str | None = None) -> None:
        """Load the model and its card; FreezenetError with one sentence where that fails."""
        self.path = Path(model)
        self.card = ModelCard.read(self.path)
        self.interpreter = Interpreter(self.path, threads=threads, runtime=runtime)
        self._input_dtype = self.interpreter.inputs[0]["dtype"]
        scores = self.interpreter.outputs[0]["shape"][-1]
        if scores != len(self.card.labels):
            raise FreezenetError(
                f"A model with one score for each of its {len(self.card.labels)} labels is required. "
                f"Got: {scores} scores."
            )

    @property
    def runtime(self) -> str:
        """Name and version of the interpreter, e.g. "ai-edge-litert 2.3.0"."""
        return f"{self.interpreter.runtime} {runtime_version(self.interpreter.runtime)}"

    def predict(self, image: str | Path | bytes | NDArray) -> Prediction:
        """Classify a path, the bytes of an image file, or a decoded array (OpenCV's channel order)."""
        spec = self.card.preprocess
        started = time.perf_counter()
        gray = spec.decode(image)
        decoded = time.perf_counter()
        tensor = spec.network_input(spec.resized(gray), self._input_dtype)
        preprocessed = time.perf_counter()
        scores = self.interpreter.invoke(tensor)[0][0]
        answered = time.perf_counter()
        return Prediction(
            label=self.card.labels[int(scores.argmax())],
            probabilities=dict(zip(self.card.labels, scores.tolist(), strict=True)),
            timings_ms={
                "decode": (decoded - started) * 1e3,
                "preprocess": (preprocessed - decoded) * 1e3,
                "invoke": (answered - preprocessed) * 1e3,
            },
        )

    def scores(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the scores (n, classes) float32 of already preprocessed pixels (n, h, w) uint8."""
        spec, dtype = self.card.preprocess, self._input_dtype
        return np.concatenate([self.interpreter.invoke(spec.network_input(image, dtype))[0] for image in pixels])
