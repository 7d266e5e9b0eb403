"""Compare a converted file with the Keras model it came from, and refuse one that lost too much.

Judged on the validation images: the test images decide nothing, so that their figures stay honest.

Validation sets are small. Two changed answers of 34 take macro-F1 down by four points, and say nothing: the next 34 images
might go the other way. So a loss beyond a limit counts as *shown* only where
- the 95 % interval of the paired difference, from a bootstrap of whole patients, lies wholly beyond the limit, and
- a one-sided sign test over the patients whose answers changed has p <= .05: the bootstrap alone believes four losses of four,
  since they are in nearly every draw; the sign test asks for five of five, seven of eight, nine of eleven.
A measured loss that is not shown leaves the question open: the file is accepted and says so, unless `strict` is set.

Simulated with files that lose nothing but change 4 to 20 % of the answers either way: 2 of 100 are refused, on 34, 91 and 380
images alike. A file that loses 10 points on 91 images is refused in 80 of 100 cases, one that loses 5 on 380 in 92.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from freezenet.convert.float.operators import custom_operators
from freezenet.convert.options import AcceptanceLimits
from freezenet.convert.scores import score_images
from freezenet.convert.variants import Variant
from freezenet.edge_runtime.decision import DecisionRule
from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.edge_runtime.interpreter import Interpreter
from freezenet.edge_runtime.names import counted
from freezenet.train.metrics.figure import Figure, share
from freezenet.train.metrics.paired import PairedAnswers
from freezenet.train.task import task_of

#: Largest p of the sign test at which a loss counts as shown.
LEVEL = 0.05


@dataclass(frozen=True)
class ValidationScores:
    """The images that files are judged on, which took no part in training, and what Keras says of them.

    Args:
        pixels: (n, h, w) uint8.
        expected: (n, classes) finite scores of the trained Keras model.
        truth: (n, classes) bool, which labels each image has.
        labels: class names in score order.
        patients: (n,) names.
        decision: what the card will say about turning scores into answers, see `freezenet.edge_runtime.decision`.
        kind: of the images, for sentences.
        cause: the likely cause of a loss and what to do; None where the variant says it.
    """

    pixels: NDArray[np.uint8]
    expected: NDArray[np.float32]
    truth: NDArray[np.bool_]
    labels: tuple[str, ...]
    patients: tuple[str, ...]
    decision: dict[str, Any] = field(default_factory=dict)
    kind: str = "validation"
    cause: str | None = None

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
    """What the comparison showed.

    Args:
        images: number of validation images; 0 for a file that cannot be run.
        agreement: share with the same answer as Keras.
        changed: number of the others.
        largest_difference: of any score.
        macro_f1: {"keras", "this", "difference"}: figures with their 95 % intervals, the last one paired.
        recall: the same for each class.
        limits: what was allowed.
        refused: one sentence with the figures and the likely cause, or None.
        undecided: one sentence where a loss was measured that the images are too few to show, or None.
    """

    images: int
    agreement: float
    changed: int
    largest_difference: float
    macro_f1: dict[str, Any]
    recall: dict[str, dict[str, Any]]
    limits: AcceptanceLimits
    refused: str | None = None
    undecided: str | None = None

    @property
    def outcome(self) -> str:
        """ "accepted", "refused" or "undecided"; what is undecided is accepted, too."""
        return "refused" if self.refused else "undecided" if self.undecided else "accepted"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types only."""
        # JSON has no infinity.
        return {
            "outcome": self.outcome,
            **asdict(self),
            "largest_difference": min(self.largest_difference, 1e9),
        }


class _Loss(NamedTuple):
    """A measured loss beyond a limit. shown: whether the images are enough to tell it from chance."""

    sentence: str
    shown: bool


def judge(
    variant: Variant,
    model: bytes,
    spec: PreprocessSpec,
    validation: ValidationScores,
    limits: AcceptanceLimits = AcceptanceLimits(),
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
    shape, classes = interpreter.outputs[0]["shape"].tolist(), len(validation.labels)
    if shape != [1, classes]:
        return _unusable(limits, f"the output has shape {shape} and not [1, {classes}]")
    found = score_images(interpreter, spec, validation.pixels)
    return judge_scores(variant, found, validation, limits, _wrong_input(interpreter, spec))


def judge_scores(
    variant: Variant,
    found: NDArray[np.float32],
    validation: ValidationScores,
    limits: AcceptanceLimits = AcceptanceLimits(),
    wrong_input: str | None = None,
) -> Verdict:
    """Compare scores of a file with those of Keras.

    Args:
        variant: what the file is.
        found: (n, classes) its scores of the validation images.
        validation: the images and the scores of Keras.
        limits: what may be lost.
        wrong_input: a sentence where the file's input does not mean the raw pixel.
    """
    expected, answers = validation.answers(validation.expected), validation.answers(found, variant.arithmetic)
    same = (answers == expected).all(1)
    keras, this = validation.evaluate(expected), validation.evaluate(answers)
    pair = PairedAnswers(validation.truth, expected, answers, validation.patients)
    verdict = Verdict(
        images=len(found),
        agreement=float(same.mean()),
        changed=int((~same).sum()),
        largest_difference=float(np.nan_to_num(np.abs(found - validation.expected), nan=np.inf).max()),
        macro_f1={"keras": keras["macro_f1"], "this": this["macro_f1"], "difference": pair.macro_f1().to_dict()},
        recall={
            label: {
                "keras": keras["per_class"][label]["recall"],
                "this": this["per_class"][label]["recall"],
                "difference": pair.recall(number).to_dict(),
            }
            for number, label in enumerate(validation.labels)
        },
        limits=limits,
    )
    figures = f"{verdict.agreement:.1%} of {len(found)} images keep their class, largest score difference {verdict.largest_difference:.3g}"
    if len(np.unique(expected, axis=0)) == 1:
        return replace(
            verdict, refused="the trained model itself gives one class for every image; train it longer or on more data"
        )
    broken = _broken(variant, found, verdict, wrong_input)
    if broken:
        return replace(verdict, refused=broken.format(figures=figures))
    agreement = share(same, np.ones(len(same), bool), validation.patients)
    collapse = _collapse(answers, agreement, pair, limits, figures)
    if collapse and collapse.shown:
        return replace(verdict, refused=f"{collapse.sentence}; likely cause: {validation.cause or _cause(variant)}")
    losses = [*([collapse] if collapse else []), *_losses(verdict, validation, pair)]
    return _decided(variant, verdict, losses, validation)


def _unusable(limits: AcceptanceLimits, reason: str) -> Verdict:
    return Verdict(0, 0.0, 0, 1.0, {}, {}, limits, reason)


def _cause(variant: Variant) -> str:
    if variant.name == "int8-qat":
        return "training with the rounding inside went astray; set a lower learning_rate or sparsity, or more epochs (--qat)"
    others = [name for name in ("int8-qat", "mixed") if name != variant.name]
    return f"weights or activations that do not fit 8 bits; try {' or '.join(others)}, or more calibration images"


def _broken(variant: Variant, found: NDArray, verdict: Verdict, wrong_input: str | None) -> str | None:
    """Say what is wrong with a file on any number of images; {figures} stands for what was measured."""
    limit = verdict.limits.float32_difference
    if not np.isfinite(found).all():
        return f"it gives NaN or infinity ({{figures}}); likely cause: activations beyond the range of {variant.name}"
    if wrong_input:
        return f"{wrong_input} ({{figures}}); likely cause: calibration images without the training's preprocessing"
    if variant.name == "float32" and verdict.largest_difference > limit:
        return f"scores differ by more than {limit:g} ({{figures}}); likely cause: a conversion fault"
    return None


def _collapse(
    answers: NDArray[np.bool_], agreement: Figure, pair: PairedAnswers, limits: AcceptanceLimits, figures: str
) -> _Loss | None:
    """Return how a file gave up so many of its answers that its figures do not matter."""
    if len(np.unique(answers, axis=0)) == 1:
        shown = agreement.high < limits.agreement or pair.worse_by_chance() <= LEVEL
        return _Loss(f"it gives one class for every image ({figures})", shown)
    if agreement.value < limits.agreement:
        return _Loss(
            f"fewer than {limits.agreement:.0%} keep their class ({figures})", agreement.high < limits.agreement
        )
    return None


def _losses(verdict: Verdict, validation: ValidationScores, pair: PairedAnswers) -> Iterator[_Loss]:
    """Yield where a file measured worse than is allowed."""
    limits, f1 = verdict.limits, verdict.macro_f1
    beyond = pair.macro_f1(limits.f1_kept)
    if beyond.value < 0:
        yield _Loss(
            f"macro-F1 {_fall(f1)}, where at least {limits.f1_kept:.1%} of it must be kept",
            beyond.high < 0 and pair.worse_by_chance() <= LEVEL,
        )
    for number, (label, recall) in enumerate(verdict.recall.items()):
        lost = pair.recall(number)
        if lost.value < -limits.recall_loss:
            images = counted(round(-lost.value * int(validation.truth[:, number].sum())), "image")
            yield _Loss(
                f"recall of {label} {_fall(recall)}, {images}, where at most {100 * limits.recall_loss:g} points may "
                "be lost",
                lost.high < -limits.recall_loss and pair.worse_by_chance(number) <= LEVEL,
            )


def _fall(figures: dict[str, Any]) -> str:
    keras, this, difference = (Figure(**figures[name]) for name in ("keras", "this", "difference"))
    # Rounded before 0 is added, because -0.0004 would be shown as -0.000.
    lost = Figure(*(round(-one, 3) + 0.0 for one in (difference.value, difference.high, difference.low)))
    return f"falls from {keras} to {this}, by {lost}"


def _decided(variant: Variant, verdict: Verdict, losses: list[_Loss], validation: ValidationScores) -> Verdict:
    """Return the verdict with what its losses mean."""
    shown = [loss.sentence for loss in losses if loss.shown]
    own = f"{_cause(variant)}, or --no-acceptance to study the file"
    cause = f"likely cause: {validation.cause or own}"
    if shown:
        return replace(verdict, refused=f"on {verdict.images} {validation.kind} images {'; '.join(shown)}; {cause}")
    if not losses:
        return verdict
    measured = "; ".join(loss.sentence for loss in losses)
    open_question = f"{verdict.images} {validation.kind} images are too few to tell this from chance: {measured}"
    if verdict.limits.strict:
        return replace(verdict, refused=f"{open_question}; refused because strict is set; {cause}")
    return replace(verdict, undecided=f"{open_question}; accepted because strict is not set")


def _wrong_input(interpreter: Interpreter, spec: PreprocessSpec) -> str | None:
    """Say so where an integer input tensor does not mean the raw pixel."""
    one = interpreter.inputs[0]
    if one["dtype"] not in (np.uint8, np.int8):
        return None
    scale, zero_point = one["quantization"]
    # An int8 is the pixel less 128.
    zero_point += 0 if one["dtype"] == np.uint8 else 128
    if abs(scale * spec.std - 1) < 0.01 and abs(zero_point - spec.mean) < 1:
        return None
    low, high = (scale * (pixel - zero_point) for pixel in (0, 255))
    wanted = [(pixel - spec.mean) / spec.std for pixel in (0, 255)]
    return (
        f"its {np.dtype(one['dtype']).name} input stands for values from {low:.3g} to {high:.3g} where the training had "
        f"{wanted[0]:.3g} to {wanted[1]:.3g}"
    )
