"""Compare a written model with the Keras model it came from, and refuse one that lost too much.

Judged on the validation side: the test side decides nothing, so that its figures stay honest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.convert.float.operators import custom_operators
from freezenet.convert.settings import Settings, setting
from freezenet.convert.variants import Variant
from freezenet.edge_runtime.decision import DecisionRule
from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.edge_runtime.interpreter import Interpreter
from freezenet.train.metrics.figure import Figure
from freezenet.train.task import task_of


@dataclass(frozen=True)
class GateLimits(Settings):
    """What a model may lose to the trained one.

    f1_kept: smallest share of its macro-F1. recall_loss: largest loss of recall in any class, 0..1.
    tolerated_images: a loss that so few images explain is no ground for refusal; one image of a class of ten is 10 points.
    agreement: smallest share of images with the same answer; below it a model counts as collapsed.
    float32_difference: largest score difference that the order of float32 operations explains.
    """

    f1_kept: float = setting(0.99, 0, 1)
    recall_loss: float = setting(0.02, 0, 1)
    tolerated_images: int = setting(1, 0, 10**9)
    agreement: float = setting(0.8, 0, 1)
    float32_difference: float = setting(1e-3, 0, 1)


@dataclass(frozen=True)
class Evidence:
    """The images that models are judged on; they took no part in training.

    pixels: (n, h, w) uint8. expected: (n, classes) finite scores of the trained Keras model. truth: (n, classes) bool, which
    labels each image has. labels: class names in score order. patients: (n,) names. decision: what the card will say about
    turning scores into answers, see `freezenet.edge_runtime.decision`.
    """

    pixels: NDArray[np.uint8]
    expected: NDArray[np.float32]
    truth: NDArray[np.bool_]
    labels: tuple[str, ...]
    patients: tuple[str, ...]
    decision: dict[str, Any] = field(default_factory=dict)

    def answers(self, scores: NDArray, arithmetic: str = "float") -> NDArray[np.bool_]:
        """Return which labels a device answers for scores (n, classes): (n, classes) bool. arithmetic: of the model."""
        rule = DecisionRule.from_dict({**self.decision, "arithmetic": arithmetic}, self.labels)
        # NaN is refused with a sentence of its own.
        return rule.answers(np.nan_to_num(scores))

    def evaluate(self, answers: NDArray[np.bool_]) -> dict[str, Any]:
        """Return the figures of answers (n, classes) bool, see `freezenet.train.task.Task.evaluate`."""
        return task_of(self.decision).evaluate(self.truth, answers, self.labels, self.patients)


@dataclass(frozen=True)
class Verdict:
    """What the comparison on `images` images showed.

    agreement: share with the same answer. changed: number of the others. largest_difference: of any score.
    macro_f1, recall: {"keras": figure, "this": figure}, the latter for each class; a figure has its 95 % interval.
    limits: what was allowed. refused: one sentence with the figures and the likely cause, or None.
    """

    images: int
    agreement: float
    changed: int
    largest_difference: float
    macro_f1: dict[str, Any]
    recall: dict[str, dict[str, Any]]
    limits: GateLimits
    refused: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types only."""
        # JSON has no infinity.
        return {**asdict(self), "largest_difference": min(self.largest_difference, 1e9)}


def judge(
    variant: Variant, model: bytes, spec: PreprocessSpec, evidence: Evidence, limits: GateLimits = GateLimits()
) -> Verdict:
    """Run a model through the edge runtime and compare it with what Keras computed.

    A model that cannot be run at all is refused with 0 images.
    """
    operators = custom_operators(model)
    if operators:
        return _unusable(limits, f"it needs operators outside the builtin set: {', '.join(operators)}")
    try:
        interpreter = Interpreter(model)
    except FreezenetError as error:  # such as integers that overflow in a network with dead channels
        return _unusable(limits, f"it cannot be loaded: {str(error).rstrip('.')}")
    shape, classes = interpreter.outputs[0]["shape"].tolist(), len(evidence.labels)
    if shape != [1, classes]:
        return _unusable(limits, f"the output has shape {shape} and not [1, {classes}]")
    dtype = interpreter.inputs[0]["dtype"]
    found = np.concatenate([interpreter.invoke(spec.network_input(image, dtype))[0] for image in evidence.pixels])
    expected, answers = evidence.answers(evidence.expected), evidence.answers(found, variant.arithmetic)
    same = (answers == expected).all(1)
    keras, this = evidence.evaluate(expected), evidence.evaluate(answers)
    verdict = Verdict(
        images=len(found),
        agreement=float(same.mean()),
        changed=int((~same).sum()),
        largest_difference=float(np.nan_to_num(np.abs(found - evidence.expected), nan=np.inf).max()),
        macro_f1={"keras": keras["macro_f1"], "this": this["macro_f1"]},
        recall={
            label: {"keras": keras["per_class"][label]["recall"], "this": this["per_class"][label]["recall"]}
            for label in evidence.labels
        },
        limits=limits,
        refused=None,
    )
    wrong_input = _wrong_input(interpreter, spec)
    single = [len(np.unique(one, axis=0)) == 1 for one in (expected, answers)]
    reason = _collapse(variant, found, single, verdict, wrong_input, limits) or _loss(
        variant, verdict, evidence, limits
    )
    return replace(verdict, refused=reason)


def _unusable(limits: GateLimits, reason: str) -> Verdict:
    return Verdict(0, 0.0, 0, 1.0, {}, {}, limits, reason)


def _cause(variant: Variant) -> str:
    if variant.name == "int8-qat":
        return "training with the rounding inside went astray; set a lower learning_rate or sparsity, or more epochs (--qat)"
    others = [name for name in ("int8-qat", "mixed") if name != variant.name]
    return f"weights or activations that do not fit 8 bits; try {' or '.join(others)}, or more calibration images"


def _collapse(
    variant: Variant,
    found: NDArray,
    single: Sequence[bool],
    verdict: Verdict,
    wrong_input: str | None,
    limits: GateLimits,
) -> str | None:
    """Say so where a model is broken, whatever its figures.

    single: whether the trained network, and the model, answer the same for every image.
    """
    if single[0]:
        return "the trained model itself gives one class for every image; train it longer or on more data"
    largest = verdict.largest_difference
    figures = f"{verdict.agreement:.1%} of {len(found)} images keep their class, largest score difference {largest:.3g}"
    if not np.isfinite(found).all():
        return f"it gives NaN or infinity ({figures}); likely cause: activations beyond the range of {variant.name}"
    if wrong_input:
        return f"{wrong_input} ({figures}); likely cause: calibration images without the training's preprocessing"
    if single[1]:
        return f"it gives one class for every image ({figures}); likely cause: {_cause(variant)}"
    if variant.name == "float32" and largest > limits.float32_difference:
        return f"scores differ by more than {limits.float32_difference:g} ({figures}); likely cause: a conversion fault"
    if verdict.agreement < limits.agreement:
        return f"fewer than {limits.agreement:.0%} keep their class ({figures}); likely cause: {_cause(variant)}"
    return None


def _loss(variant: Variant, verdict: Verdict, evidence: Evidence, limits: GateLimits) -> str | None:
    """Say so where a sound model lost too much."""
    losses = []
    keras, this = verdict.macro_f1["keras"], verdict.macro_f1["this"]
    if this["value"] < limits.f1_kept * keras["value"] and verdict.changed > limits.tolerated_images:
        losses.append(
            f"macro-F1 falls from {Figure(**keras)} to {Figure(**this)}, where at least {limits.f1_kept:.1%} of it must be kept"
        )
    for number, (label, recall) in enumerate(verdict.recall.items()):
        lost = recall["keras"]["value"] - recall["this"]["value"]
        images = round(lost * int(evidence.truth[:, number].sum()))
        if lost > limits.recall_loss and images > limits.tolerated_images:
            losses.append(
                f"recall of {label} falls from {Figure(**recall['keras'])} to {Figure(**recall['this'])}, {images} images, where "
                f"at most {100 * limits.recall_loss:g} points may be lost"
            )
    if not losses:
        return None
    return (
        f"on {verdict.images} validation images {'; '.join(losses)}; likely cause: "
        f"{_cause(variant)}, or --no-gate to study the file"
    )


def _wrong_input(interpreter: Interpreter, spec: PreprocessSpec) -> str | None:
    """Say so where a uint8 input tensor does not mean the raw pixel."""
    one = interpreter.inputs[0]
    if one["dtype"] != np.uint8:
        return None
    scale, zero = one["quantization"]
    if abs(scale * spec.std - 1) < 0.01 and abs(zero - spec.mean) < 1:
        return None
    low, high = (scale * (pixel - zero) for pixel in (0, 255))
    wanted = [(pixel - spec.mean) / spec.std for pixel in (0, 255)]
    return (
        f"its uint8 input stands for values from {low:.3g} to {high:.3g} where the training had "
        f"{wanted[0]:.3g} to {wanted[1]:.3g}"
    )
