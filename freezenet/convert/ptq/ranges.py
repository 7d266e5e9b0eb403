"""The range of values that each tensor of a model is given in 8 bits.

Min and max over the calibration images waste steps on a few extreme values. Here the range is the one whose rounding and
clipping together cost the least squared error on those images (Nagel et al., A White Paper on Neural Network Quantization,
2021, section 3.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from freezenet.convert.float.flatbuffer import read_tree
from freezenet.convert.float.operators import read_operators
from freezenet.train.progress import track
from freezenet.train.quiet import quiet

#: Values kept of one tensor and image; neighbours on a large map say the same twice.
SAMPLES = 2048
#: Shares of the measured extremes that are tried as limits.
SHARES = np.linspace(0.4, 1.0, 25)
#: Integers of 8 bits, less one.
STEPS = 255
_BINS = 4096

#: Tensor name -> (low, high) in the tensor's units.
Ranges = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Observation:
    """What the calibration images showed of one tensor: its extremes over all values, and a sample of the values."""

    low: float
    high: float
    values: NDArray[np.float32]


def least_error_ranges(model: bytes, images: Sequence[NDArray[np.float32]]) -> Ranges:
    """Return the range of every activation of a float .tflite model; the input has its measured extremes.

    images: network inputs (1, h, w, 3) float32.
    """
    seen = observe(model, images)
    # A pixel is an integer already: shifting or clipping its range would make each client round.
    return {tensor: least_error(one) for tensor, one in seen.items()} | input_range(model, images)


def observe(model: bytes, images: Sequence[NDArray[np.float32]]) -> dict[str, Observation]:
    """Run a float .tflite model and return what each operator's output showed, by tensor name.

    images: network inputs (1, h, w, 3) float32.
    """
    operators = read_operators(model)
    with quiet():  # the interpreter warns that keeping all tensors takes memory
        engine = Interpreter(model_content=model, experimental_preserve_all_tensors=True)
        engine.allocate_tensors()
    lows: dict[str, list[float]] = {operator.name: [] for operator in operators}
    highs: dict[str, list[float]] = {operator.name: [] for operator in operators}
    values: dict[str, list[NDArray]] = {operator.name: [] for operator in operators}
    rng = np.random.default_rng(0)
    (image_input,) = engine.get_input_details()
    for image in track(images, "Measuring the ranges", len(images)):
        engine.set_tensor(image_input["index"], image)
        engine.invoke()
        for operator in operators:
            tensor = engine.get_tensor(operator.tensor).ravel()
            lows[operator.name].append(float(tensor.min()))
            highs[operator.name].append(float(tensor.max()))
            kept = tensor if tensor.size <= SAMPLES else tensor[rng.integers(0, tensor.size, SAMPLES)]
            values[operator.name].append(kept.copy())
    return {name: Observation(min(lows[name]), max(highs[name]), np.concatenate(values[name])) for name in values}


def least_error(seen: Observation) -> tuple[float, float]:
    """Return the range (low, high) of 8 bits with the least mean squared error over the observed values."""
    low, high = min(seen.low, 0.0), max(seen.high, 0.0)
    if low == high:
        return low, high
    counts, edges = np.histogram(seen.values, _BINS, (low, high))
    centers = (edges[:-1] + edges[1:]) / 2
    used = counts > 0
    counts, centers = counts[used], centers[used]
    candidates = [
        (low * below, high * above)
        for below in (SHARES if low < 0 else (1.0,))
        for above in (SHARES if high > 0 else (1.0,))
    ]
    errors = [float(counts @ (rounded(centers, *nudged(*one)) - centers) ** 2) for one in candidates]
    return nudged(*candidates[int(np.argmin(errors))])


def nudged(low: float, high: float) -> tuple[float, float]:
    """Shift a range that includes 0 so that 0 is one of its integers, as TFLite wants it; the width stays."""
    scale = (high - low) / STEPS
    if not scale:
        return low, high
    zero_point = round(-low / scale)
    return -zero_point * scale, (STEPS - zero_point) * scale


def rounded(values: NDArray, low: float, high: float) -> NDArray:
    """Return values after a trip through the 8 bits of a nudged range."""
    scale = (high - low) / STEPS
    return np.clip(np.rint((values - low) / scale), 0, STEPS) * scale + low


def input_range(model: bytes, images: Sequence[NDArray[np.float32]]) -> Ranges:
    """Return the measured extremes of a model's only input.

    images: network inputs (1, h, w, 3) float32.
    """
    (graph,) = read_tree(model).subgraphs
    name = graph.tensors[graph.inputs[0]].name.decode()
    return {name: (float(min(image.min() for image in images)), float(max(image.max() for image in images)))}
