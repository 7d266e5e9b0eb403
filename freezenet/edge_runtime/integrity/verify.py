"""Prove on this device that a model file gives the numbers it was shipped with."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.card import read_associated
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.decision import DecisionRule
from freezenet.edge_runtime.errors import RefusedError
from freezenet.edge_runtime.images.preprocess import pixel_hash

#: Largest difference of a score to its golden value for a model with float32 arithmetic inside.
FLOAT_TOLERANCE = 1e-3
#: The same for a model with integers inside, on the runtime that recorded the vectors: 4 steps of 1/256.
INTEGER_TOLERANCE = 4 / 256


@dataclass(frozen=True)
class Verification:
    """What the golden vectors showed.

    Args:
        model: File name of the model.
        runtime: Interpreter, version and processor of this device.
        recorded_with: The same of the machine that recorded the vectors.
        vectors: Number of golden vectors.
        inputs_equal: Number of images whose pixels after preprocessing have the recorded hash.
        labels_equal: Number with the recorded answer, abstaining left out.
        largest_difference: Of any score, 0..1.
        tolerance: What was allowed, or None where another runtime or processor computes the integers with other kernels
            and only inputs and labels must agree.
    """

    model: str
    runtime: str
    recorded_with: str
    vectors: int
    inputs_equal: int
    labels_equal: int
    largest_difference: float
    tolerance: float | None

    @property
    def passed(self) -> bool:
        """Whether this device gives the promised numbers."""
        close = self.tolerance is None or self.largest_difference <= self.tolerance
        return self.inputs_equal == self.labels_equal == self.vectors > 0 and close

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types only, with the verdict."""
        return {**asdict(self), "passed": self.passed}


def verify(classifier: Classifier) -> Verification:
    """Run the golden vectors inside the model file; the caller looks at `passed`.

    Raises RefusedError where the model carries no vectors.
    """
    golden = classifier.card.content.get("golden", {})
    vectors = classifier.card.golden
    if not vectors:
        raise RefusedError(f"A model with golden vectors is required. Got: {classifier.path.name} without any.")
    inputs, labels, largest = 0, 0, 0.0
    for vector in vectors:
        try:
            image = read_associated(classifier.path, vector["image"])
        except KeyError:
            raise RefusedError(
                f"A model with its golden images inside is required. Got: {classifier.path.name} without "
                f"{vector['image']}."
            ) from None
        pixels = classifier.card.preprocess.pixels(image)
        inputs += pixel_hash(pixels) == vector["pixels_sha256"]
        scores = classifier.scores(pixels[None])[0]
        expected = np.array([vector["scores"][label] for label in classifier.card.labels])
        labels += _same_answer(classifier.rule, scores, expected)
        # max() would pass over NaN.
        largest = float(np.fmax(largest, np.nan_to_num(np.abs(scores - expected), nan=np.inf).max()))
    return Verification(
        model=classifier.path.name,
        runtime=f"{classifier.runtime} {platform.machine()}",
        recorded_with=golden["runtime"],
        vectors=len(vectors),
        inputs_equal=inputs,
        labels_equal=labels,
        largest_difference=largest,
        tolerance=_tolerance(classifier, golden["runtime"]),
    )


def _same_answer(rule: DecisionRule, scores: NDArray, expected: NDArray) -> bool:
    if not np.isfinite([scores, expected]).all():
        return False
    return bool((rule.answers(scores) == rule.answers(expected)).all())


def _tolerance(classifier: Classifier, recorded_with: str) -> float | None:
    if classifier.card.content["arithmetic"] == "float":
        return FLOAT_TOLERANCE
    same = recorded_with == f"{classifier.runtime} {platform.machine()}"
    return INTEGER_TOLERANCE if same else None
