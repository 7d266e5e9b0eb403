"""Compare a written model with the Keras model it came from, and refuse one that collapsed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.operators import custom_operators
from convert.tflite import Variant
from edge_runtime.interpreter import Interpreter
from edge_runtime.preprocess import PreprocessSpec

#: Largest score difference to Keras that the order of float32 operations explains.
FLOAT32_LIMIT = 1e-3
#: Smallest share of images on which a model with rounded weights must give the same class as Keras.
AGREEMENT_LIMIT = 0.8


@dataclass(frozen=True)
class Verdict:
    """What the comparison on `images` images showed.

    agreement: share with the same most probable class. largest_difference: of any score.
    refused: one sentence with the figures and the likely cause, or None.
    """

    images: int
    agreement: float
    largest_difference: float
    refused: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types only."""
        return asdict(self)


def judge(
    variant: Variant, model: bytes, spec: PreprocessSpec, pixels: NDArray[np.uint8], expected: NDArray
) -> Verdict:
    """Run a model through the edge runtime and compare it with what Keras computed.

    pixels: (n, h, w) uint8 that took no part in training. expected: (n, classes) Keras scores of them.
    """
    operators = custom_operators(model)
    if operators:
        return Verdict(0, 0.0, 1.0, f"it needs operators outside the builtin set: {', '.join(operators)}")
    interpreter = Interpreter(model)
    shape = interpreter.outputs[0]["shape"].tolist()
    if shape != [1, expected.shape[1]]:
        return Verdict(0, 0.0, 1.0, f"the output has shape {shape} and not [1, {expected.shape[1]}]")
    dtype = interpreter.inputs[0]["dtype"]
    found = np.concatenate([interpreter.invoke(spec.network_input(image, dtype))[0] for image in pixels])
    agreement = float(np.mean(found.argmax(1) == expected.argmax(1)))
    largest = float(np.nan_to_num(np.abs(found - expected), nan=np.inf).max())
    return Verdict(
        len(pixels), agreement, largest, _refusal(variant, interpreter, spec, found, expected, agreement, largest)
    )


def _refusal(
    variant: Variant,
    interpreter: Interpreter,
    spec: PreprocessSpec,
    found: NDArray,
    expected: NDArray,
    agreement: float,
    largest: float,
) -> str | None:
    if not np.isfinite(expected).all():
        return "the trained model itself gives NaN or infinity; train again with a lower learning rate"
    if len(set(expected.argmax(1))) == 1:
        return "the trained model itself gives one class for every image; train it longer or on more data"
    wrong_input = _wrong_input(interpreter, spec)
    figures = f"{agreement:.1%} of {len(found)} images keep their class, largest score difference {largest:.3f}"
    if not np.isfinite(found).all():
        return f"it gives NaN or infinity ({figures}); likely cause: activations beyond the range of {variant.name}"
    if wrong_input:
        return f"{wrong_input} ({figures}); likely cause: calibration images without the training's preprocessing"
    if len(set(found.argmax(1))) == 1:
        return f"it gives one class for every image ({figures}); likely cause: too few or unrepresentative calibration images"
    if variant.name == "float32" and largest > FLOAT32_LIMIT:
        return f"scores differ by more than {FLOAT32_LIMIT:g} ({figures}); likely cause: a conversion fault"
    if agreement < AGREEMENT_LIMIT:
        return (
            f"fewer than {AGREEMENT_LIMIT:.0%} keep their class ({figures}); likely cause: too few or unrepresentative "
            "calibration images, or weights that do not fit 8 bits"
        )
    return None


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
