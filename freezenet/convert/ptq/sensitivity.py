"""How much each operator's integers disturb a network: in the whole integer file, and each alone.

Quantizing one layer at a time is the sensitivity analysis of Wu et al., Integer Quantization for Deep Learning Inference,
2020, section 5.1. The measure is the signal-to-noise ratio 10 log10(sum x^2 / sum (x - y)^2) in dB, x of the float file, y
of the other: at 20 dB the error is a tenth of the signal, at 0 dB as large as the signal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from freezenet.convert.float.flatbuffer import add_operator, add_tensor, read_tree, write_tree
from freezenet.convert.float.operators import Operator, fused_layers, read_operators
from freezenet.convert.ptq.integer import to_integer
from freezenet.convert.ptq.ranges import STEPS, Ranges
from freezenet.edge_runtime.errors import DataError
from freezenet.train.files import require_drawing, write_atomically, write_csv
from freezenet.train.progress import track
from freezenet.train.quiet import quiet

#: Operators that the picture names as the worst.
WORST = 5
_LOWEST = -128
_BETWEEN = ("QUANTIZE", "DEQUANTIZE")


@dataclass(frozen=True)
class OperatorNoise:
    """What the integers of one operator do.

    kind: e.g. "CONV_2D". tensor: name of its output. layer: of Keras, "" where the tensor's name tells none.
    low, high: least and largest of the 256 values of the output in the integer file, in the tensor's units; infinite
    where that file keeps the output as a float.
    snr_db: of the output in the whole integer file, so with the noise of all operators before it.
    own_snr_db: of the class logits, centred for each image where a softmax follows, when only this output is rounded to its 8 bits and all
    arithmetic is float; infinite behind the logits.
    Both are infinite where nothing differs.
    """

    kind: str
    tensor: str
    layer: str
    low: float
    high: float
    snr_db: float
    own_snr_db: float


@dataclass(frozen=True)
class Sensitivity:
    """The noise of every operator, in the order of execution, measured on `images` images."""

    operators: tuple[OperatorNoise, ...]
    images: int

    def worst_first(self) -> tuple[str, ...]:
        """Return the names of the output tensors in the order of rising `own_snr_db`."""
        return tuple(one.tensor for one in sorted(self.operators, key=lambda one: one.own_snr_db))

    def write_csv(self, path: Path) -> None:
        """Write one row for each operator in the order of execution: its number, then the fields of OperatorNoise."""
        columns = ["number", *(field.name for field in fields(OperatorNoise))]
        write_csv(path, columns, [(number, *astuple(one)) for number, one in enumerate(self.operators)])

    def plot(self, path: Path) -> None:
        """Write a PNG of both ratios of every operator, in dB, with the worst by `own_snr_db` named.

        Raises MissingExtraError where matplotlib is not installed.
        """
        write_atomically(path, partial(_draw, self))


def measure_sensitivity(model: bytes, ranges: Ranges, images: Sequence[NDArray[np.float32]]) -> Sensitivity:
    """Measure every operator of a float .tflite model whose kernels are multiples of their scale (`freezenet.convert.ptq.rounding`).

    ranges: as for `freezenet.convert.ptq.integer.to_integer`. images: network inputs (1, h, w, 3) float32. Every operator costs one
    float inference of every image.
    Raises DataError where there is no image.
    """
    if not images:
        raise DataError("At least one image is required to measure on. Got: none; pass calibration images.")
    operators = read_operators(model)
    integer = to_integer(model, ranges)
    outputs = _integer_outputs(integer)
    together = _together(model, integer, operators, outputs, images)
    logits = _logits(model)
    before = [operator.tensor for operator in operators].index(logits)
    centred = operators[-1].kind == "SOFTMAX"
    clean = _run(_only_rounded(model, logits), images, centred)
    found = []
    for number, operator in enumerate(track(operators, "Measuring each operator alone", len(operators))):
        quantization, own = outputs[number].quantization, np.inf
        if quantization and number <= before:
            rounded = _only_rounded(model, logits, operator.tensor, quantization)
            own = signal_to_noise(clean, _run(rounded, images, centred))
        low, high = _ends(*quantization) if quantization else (-np.inf, np.inf)
        layer = layer_name(operator.name)
        found.append(OperatorNoise(operator.kind, operator.name, layer, low, high, together[number], own))
    return Sensitivity(tuple(found), len(images))


def signal_to_noise(signal: NDArray, other: NDArray) -> float:
    """Return 10 log10(sum signal^2 / sum (signal - other)^2) in dB; infinite where they are equal."""
    signal = signal.astype(np.float64)
    return _decibel(float(np.sum(signal**2)), float(np.sum((signal - other) ** 2)))


def layer_name(tensor: str) -> str:
    """Return the name of the Keras layer whose kernel or function made a tensor of a converted file, or ""."""
    layers = fused_layers(tensor)
    # An activation or a padding that was fused is named too, but has no kernel.
    kernels = [one for one in layers if one[1] in ("BiasAdd", "convolution", "depthwise", "MatMul")]
    return next(iter(kernels or layers), ("", ""))[0]


@dataclass(frozen=True)
class _Output:
    """An operator's output in an integer file. tensor: its index. quantization: (scale, zero point), None for a float."""

    tensor: int
    quantization: tuple[float, int] | None


def _integer_outputs(model: bytes) -> list[_Output]:
    """Return the operators' outputs in the order of execution, each after the QUANTIZE behind it, if there is one."""
    (graph,) = read_tree(model).subgraphs
    operators = read_operators(model)
    behind = {
        graph.operators[number].inputs[0]: operator.tensor
        for number, operator in enumerate(operators)
        if operator.kind == "QUANTIZE"
    }
    found = []
    for operator in operators:
        if operator.kind not in _BETWEEN:
            index = behind.get(operator.tensor, operator.tensor)
            tensor = graph.tensors[index]
            found.append(_Output(index, _quantization(tensor) if tensor.type == schema.TensorType.INT8 else None))
    return found


def _quantization(tensor: Any) -> tuple[float, int]:
    return float(tensor.quantization.scale[0]), int(tensor.quantization.zeroPoint[0])


def _together(
    model: bytes, integer: bytes, operators: list[Operator], outputs: list[_Output], images: Sequence[NDArray]
) -> list[float]:
    """Return the ratio of each operator's output in the integer file to that in the float file."""
    clean, noisy = _engine(model, keep=True), _engine(integer, keep=True)
    (pixel,) = noisy.get_input_details()
    scale, zero_point = pixel["quantization"]
    signal, noise = np.zeros(len(operators)), np.zeros(len(operators))
    for image in track(images, "Comparing the integer file", len(images)):
        _invoke(clean, image)
        _invoke(noisy, np.clip(np.rint(image / scale + zero_point), 0, STEPS).astype(np.uint8))
        for number, (operator, output) in enumerate(zip(operators, outputs, strict=True)):
            wanted = clean.get_tensor(operator.tensor).astype(np.float64)
            found = noisy.get_tensor(output.tensor).astype(np.float64)
            if output.quantization:
                found = output.quantization[0] * (found - output.quantization[1])
            signal[number] += np.sum(wanted**2)
            noise[number] += np.sum((wanted - found) ** 2)
    return [_decibel(*one) for one in zip(signal.tolist(), noise.tolist(), strict=True)]


def _logits(model: bytes) -> int:
    """Return the index of the tensor that softmax or sigmoid reads, or of the last operator's output where there is none."""
    (graph,) = read_tree(model).subgraphs
    last = read_operators(model)[-1]
    return int(graph.operators[-1].inputs[0]) if last.kind in ("SOFTMAX", "LOGISTIC") else last.tensor


def _only_rounded(
    model: bytes, logits: int, tensor: int | None = None, quantization: tuple[float, int] = (1.0, 0)
) -> bytes:
    """Return the float model that ends at the logits, with one tensor sent through 8 bits of a (scale, zero point)."""
    tree = read_tree(model)
    (graph,) = tree.subgraphs
    if tensor is not None:
        like = graph.tensors[tensor]
        position = next(i for i, op in enumerate(graph.operators) if tensor in list(op.outputs)) + 1
        narrow = add_tensor(tree, "narrow", like, schema.TensorType.INT8, *quantization)
        rounded = add_tensor(tree, "rounded", like, schema.TensorType.FLOAT32)
        for operator in graph.operators[position:]:
            operator.inputs = [rounded if one == tensor else one for one in operator.inputs]
        add_operator(tree, position, schema.BuiltinOperator.DEQUANTIZE, narrow, rounded)
        add_operator(tree, position, schema.BuiltinOperator.QUANTIZE, tensor, narrow)
        logits = rounded if logits == tensor else logits
    graph.outputs, tree.signatureDefs = [logits], []
    return write_tree(tree)


def _run(model: bytes, images: Sequence[NDArray[np.float32]], centred: bool) -> NDArray[np.float64]:
    """Return the model's output for every image, (images, classes), centred for each where a softmax sees no more."""
    engine = _engine(model)
    (output,) = engine.get_output_details()
    found = []
    for image in images:
        _invoke(engine, image)
        found.append(engine.get_tensor(output["index"]).ravel().astype(np.float64))
    return np.stack(found) - (np.mean(found, axis=1, keepdims=True) if centred else 0)


def _engine(model: bytes, keep: bool = False) -> Any:
    with quiet():  # the interpreter warns that keeping all tensors takes memory
        engine = Interpreter(model_content=model, experimental_preserve_all_tensors=keep)
        engine.allocate_tensors()
    return engine


def _invoke(engine: Any, image: NDArray) -> None:
    engine.set_tensor(engine.get_input_details()[0]["index"], image)
    engine.invoke()


def _ends(scale: float, zero_point: int) -> tuple[float, float]:
    return scale * (_LOWEST - zero_point), scale * (_LOWEST + STEPS - zero_point)


def _decibel(signal: float, noise: float) -> float:
    if noise == 0:
        return float("inf")
    return float(10 * np.log10(signal / noise)) if signal else float("-inf")


def _draw(sensitivity: Sensitivity, path: Path) -> None:
    require_drawing()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    operators = sensitivity.operators
    rows = range(len(operators))
    figure = Figure(figsize=(9, 1.6 + 0.19 * len(operators)), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.add_subplot()
    worst = [one.tensor for one in sorted(operators, key=lambda one: one.own_snr_db)[:WORST]]
    whole, own = ([getattr(one, name) for one in operators] for name in ("snr_db", "own_snr_db"))
    shown = [value for value in (*whole, *own) if np.isfinite(value)]
    axis.hlines(rows, min(shown, default=0), max(shown, default=1), color="0.9", linewidth=0.7, zorder=0)
    axis.plot(_finite(whole), rows, "-", color="#9aa5b1", linewidth=1, zorder=1)
    axis.scatter(
        _finite(whole), rows, 14, color="#5c6773", marker="s", label="output in the whole integer file", zorder=2
    )
    axis.scatter(_finite(own), rows, 22, color="#4c72b0", label="logits, this output alone in integers", zorder=3)
    marked = [row for row in rows if operators[row].tensor in worst]
    axis.scatter(
        [own[row] for row in marked], marked, 46, color="#c44e52", label=f"the same, {len(marked)} worst", zorder=4
    )
    for row in marked:
        axis.annotate(
            f"{own[row]:.1f}", (own[row], row), (-6, 0), textcoords="offset points", ha="right", va="center",
            fontsize=7, color="#c44e52", bbox={"boxstyle": "square,pad=0.1", "color": "white"}, zorder=3,
        )  # fmt: skip
    # A dollar sign would begin a formula.
    labels = [f"{one.layer or one.tensor}  {one.kind}".replace("$", r"\$") for one in operators]
    axis.set_yticks(rows, labels, fontsize=7)
    for row in marked:
        axis.get_yticklabels()[row].set_color("#c44e52")
    axis.set_ylim(len(operators) - 0.4, -0.6)
    axis.set_xlabel("signal-to-noise ratio to the float file in dB (left is worse)")
    axis.xaxis.grid(True, alpha=0.3)
    figure.legend(loc="outside upper center", ncols=3, fontsize=8, frameon=False)
    figure.savefig(path, dpi=130, format="png")


def _finite(values: list[float]) -> list[float]:
    """Return the values with NaN, which is not drawn, for what no axis can hold."""
    return [value if np.isfinite(value) else float("nan") for value in values]
