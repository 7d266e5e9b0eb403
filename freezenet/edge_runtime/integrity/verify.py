"""Prove on this device that a model file gives the numbers it was shipped with."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.card import GoldenVector
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.decision import DecisionRule
from freezenet.edge_runtime.errors import DataError, RefusedError, one_line, require_type
from freezenet.edge_runtime.images.preprocess import pixel_hash
from freezenet.edge_runtime.integrity.answers import PROBABILITY_TOLERANCE, AnswerDifference, compare, decision_holds

#: Largest difference of a score to its golden value for a model with float32 arithmetic inside.
FLOAT_TOLERANCE = 1e-3
#: The same for a model with integers inside, on the runtime that recorded the vectors: 4 steps of 1/256.
INTEGER_TOLERANCE = 4 / 256
#: Largest difference of what an OOD gate reads, as a share of its threshold, with float32 arithmetic and with integers.
FLOAT_OOD_TOLERANCE, INTEGER_OOD_TOLERANCE = 0.01, 0.05


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
            and only inputs, labels and answers must agree.
        answers: Number of vectors with a recorded answer; 0 in files of an earlier version, whose answers are not covered.
        answers_equal: Number with the recorded answer: label or reason, and the thresholds of the OOD gates.
        largest_probability_difference: Of any probability that the decision rule makes of the recorded scores, 0..1.
        largest_ood_difference: Of what an OOD gate reads, as a share of its threshold.
        ood_tolerance: What was allowed of that; None as for `tolerance`.
        rule_equal: Whether labels, preprocessing, temperature, thresholds and OOD gate in the card are those that the answers were
            recorded with; None where that was not recorded.
        decisions: Number of recorded decisions, which need no network; 0 in files of an earlier version.
        decisions_equal: Number of which this device's rule makes the recorded answer.
    """

    model: str
    runtime: str
    recorded_with: str
    vectors: int
    inputs_equal: int
    labels_equal: int
    largest_difference: float
    tolerance: float | None
    answers: int = 0
    answers_equal: int = 0
    largest_probability_difference: float = 0.0
    largest_ood_difference: float = 0.0
    ood_tolerance: float | None = None
    rule_equal: bool | None = None
    decisions: int = 0
    decisions_equal: int = 0

    @property
    def passed(self) -> bool:
        """Whether this device gives the promised numbers."""
        close = self.tolerance is None or self.largest_difference <= self.tolerance
        return self.inputs_equal == self.labels_equal == self.vectors > 0 and close and self.answers_hold

    @property
    def answers_hold(self) -> bool:
        """Whether the answers that were recorded, if any, are this device's."""
        close = self.ood_tolerance is None or self.largest_ood_difference <= self.ood_tolerance
        same = self.answers_equal == self.answers and self.rule_equal is not False
        same = same and self.decisions_equal == self.decisions
        return same and close and self.largest_probability_difference <= PROBABILITY_TOLERANCE

    @property
    def answers_said(self) -> str:
        """What the answers showed, for the inside of a sentence."""
        if not self.answers:
            return "answers not covered: this file was made before they were recorded"
        allowed = "not compared" if self.ood_tolerance is None else f"at most {self.ood_tolerance:.0%}"
        return (
            f"{self.answers_equal} of {self.answers} answers equal, probabilities off by "
            f"{shown(self.largest_probability_difference)}, OOD gate by {shown(self.largest_ood_difference)} of its threshold "
            f"({allowed}), {self.decisions_equal} of {self.decisions} decisions equal"
            f"{', decision rule changed' if self.rule_equal is False else ''}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types only, with the verdict."""
        return {**asdict(self), "passed": self.passed}


def verify(classifier: Classifier | str | Path) -> Verification:
    """Run the golden vectors inside the model file, scores and answers; the caller looks at `passed`.

    Args:
        classifier: The model, or the path of its file.

    Raises:
        RefusedError: The model carries no vectors.
    """
    require_type("classifier", classifier, Classifier, str, Path)
    classifier = classifier if isinstance(classifier, Classifier) else Classifier(classifier)
    golden, vectors = classifier.card.content.get("golden"), classifier.card.golden
    if golden is None or not vectors:
        raise RefusedError(f"A model with golden vectors is required. Got: {classifier.path.name} without any.")
    tolerance = _tolerance(classifier, golden["runtime"])
    inputs, labels, largest = 0, 0, 0.0
    differences: list[AnswerDifference] = []
    for vector in vectors:
        pixels = _pixels(classifier, vector)
        inputs += pixel_hash(pixels) == vector["pixels_sha256"]
        scores, decision = classifier.decide(pixels)
        expected = np.array([vector["scores"].get(label, np.nan) for label in classifier.card.labels], np.float64)
        labels += _same_answer(classifier.rule, scores, expected)
        # max() would pass over NaN.
        largest = float(np.fmax(largest, np.nan_to_num(np.abs(scores - expected), nan=np.inf).max()))
        if "answer" in vector:
            known = np.nan_to_num(expected, nan=0.0, posinf=1.0, neginf=0.0)
            differences.append(
                compare(decision, classifier.rule, vector["answer"], known, other_kernels=tolerance is None)
            )
    recorded_rule, decisions = golden.get("rule_sha256"), golden.get("decisions", [])
    integers = tolerance is None or tolerance == INTEGER_TOLERANCE
    return Verification(
        model=classifier.path.name,
        runtime=f"{classifier.runtime} {platform.machine()}",
        recorded_with=golden["runtime"],
        vectors=len(vectors),
        inputs_equal=inputs,
        labels_equal=labels,
        largest_difference=largest,
        tolerance=tolerance,
        answers=len(differences),
        answers_equal=sum(one.equal for one in differences),
        largest_probability_difference=max((one.probability for one in differences), default=0.0),
        largest_ood_difference=max((one.ood for one in differences), default=0.0),
        ood_tolerance=None if tolerance is None else INTEGER_OOD_TOLERANCE if integers else FLOAT_OOD_TOLERANCE,
        rule_equal=None if recorded_rule is None else recorded_rule == classifier.card.rule_sha256,
        decisions=len(decisions),
        decisions_equal=sum(map(decision_holds, decisions)),
    )


def shown(difference: float) -> str:
    """Return a difference for people: six decimals, and few digits where it is beyond all sense."""
    return f"{difference:.6f}" if difference < 1000 else f"{difference:.3g}"


def _pixels(classifier: Classifier, vector: GoldenVector) -> NDArray[np.uint8]:
    try:
        image = classifier.file.associated(vector["image"])
    except KeyError:
        raise RefusedError(
            f"A model with its golden images inside is required. Got: {classifier.path.name} without {vector['image']:.100}."
        ) from None
    try:
        return classifier.card.preprocess.pixels(image)
    except DataError as error:
        raise RefusedError(
            f"A model with whole golden images is required. Got: {classifier.path.name} with {vector['image']:.100}: "
            f"{one_line(error, 200)}."
        ) from None


def _same_answer(rule: DecisionRule, scores: NDArray, expected: NDArray) -> bool:
    if not np.isfinite([scores, expected]).all():
        return False
    return bool((rule.answers(scores) == rule.answers(expected)).all())


def _tolerance(classifier: Classifier, recorded_with: str) -> float | None:
    if classifier.card.content.get("arithmetic") == "float":
        return FLOAT_TOLERANCE
    same = recorded_with == f"{classifier.runtime} {platform.machine()}"
    return INTEGER_TOLERANCE if same else None
