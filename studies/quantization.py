"""Which post-training technique earns its place in the int8 file: every one of them on the same trained runs.

    python -m studies.quantization RUN... [--arms LIST] [--out results] [--json]

RUN is a folder of `freezenet train`; several seeds of one recipe on one data set give means. Each arm is an int8 file of the
network as trained, measured through the edge runtime against the float32 file of the same run. The validation side is
for choosing; the test side is reported beside it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from freezenet.convert.converter import ROUNDING_IMAGES, Converter
from freezenet.convert.float.batchnorm import fold_batchnorm
from freezenet.convert.float.flatbuffer import read_tree, write_tree
from freezenet.convert.ptq.bias_correction import correct_biases
from freezenet.convert.ptq.calibration import Calibration, choose_calibration, read_checked
from freezenet.convert.ptq.integer import float_ended_quantizer, to_integer
from freezenet.convert.ptq.ranges import Observation, input_range, least_error, observe
from freezenet.convert.ptq.rounding import round_kernels
from freezenet.convert.variants import VARIANTS
from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.edge_runtime.interpreter import Interpreter
from freezenet.edge_runtime.names import chosen_names
from freezenet.edge_runtime.system.environment import environment
from freezenet.train.metrics.matrices import label_matrices, macro_f1
from freezenet.train.quiet import quiet
from freezenet.train.run import Run
from freezenet.train.task import MultiClass
from studies.command import BenchmarkCommand
from studies.equalization import equalize, without_cap
from studies.results import mean_and_spread, write_result

logger = logging.getLogger(__name__)

#: Calibration images of every arm whose name gives no other number; what `freezenet convert` takes.
CALIBRATION_IMAGES = 100
#: What the arms are compared with.
REFERENCE = "float32"
_BATCH = 16
_TAIL = 0.01  # per cent of the values beyond each end of the percentile range


@dataclass(frozen=True)
class Answers:
    """What a file gives for n images: scores (n, classes), and the logits before its softmax, centred in each image."""

    scores: NDArray[np.float32]
    logits: NDArray[np.float32]


class Network:
    """A float network on the way to integers, with what its ranges are chosen from; each part is computed once.

    model: flat. calibration: the images that show its activations.
    """

    def __init__(self, model: keras.Model, calibration: Calibration, spec: PreprocessSpec) -> None:
        """Keep all three; nothing is computed yet."""
        self.model, self.calibration, self.spec = model, calibration, spec

    def representative(self) -> Iterator[list[NDArray[np.float32]]]:
        """Yield the calibration inputs as TensorFlow's converter takes them."""
        return self.calibration.representative(self.spec)()

    @cached_property
    def file(self) -> bytes:
        """The float `.tflite` file."""
        return Converter(self.model, self.representative).to_tflite(VARIANTS["float32"])

    @cached_property
    def images(self) -> list[NDArray[np.float32]]:
        """Calibration inputs (1, h, w, 3)."""
        return [image for (image,) in self.representative()]

    @cached_property
    def seen(self) -> dict[str, Observation]:
        """What each activation showed, by tensor name."""
        return observe(self.file, self.images)

    @cached_property
    def moving_averages(self) -> dict[str, Any]:
        """What ai-edge-quantizer's own calibration finds: averages of each image's extremes that forget at 0.95."""
        (signature,) = read_tree(self.file).signatureDefs
        argument = signature.inputs[0].name.decode()
        samples = [{argument: image} for image in self.images]
        with quiet():
            return float_ended_quantizer(self.file).calibrate({signature.signatureKey.decode(): samples})

    def int8(self, choose: Callable[[Observation], tuple[float, float]]) -> bytes:
        """Return the int8 file whose activations have the ranges that `choose` gives."""
        return to_integer(
            self.file, {name: choose(one) for name, one in self.seen.items()} | input_range(self.file, self.images)
        )

    def int8_by_moving_averages(self) -> bytes:
        """Return the int8 file with `moving_averages` as ranges, but the pixels' own range at the input."""
        ranges = {
            name: (float(one["min"].min()), float(one["max"].max())) for name, one in self.moving_averages.items()
        }
        return to_integer(self.file, ranges | input_range(self.file, self.images))


class Bench:
    """A run with the networks that several arms share.

    data: where DATA lies now, if it was moved. Raises FreezenetError where the images are not those of the run.
    """

    def __init__(self, run: Run, data: Path | None = None) -> None:
        """Load the model and the images."""
        if run.task.name != MultiClass.name:
            raise FreezenetError(f"A run of task {MultiClass.name} is required to study. Got: {run.task.name}.")
        self.run, self.data, self.spec = run, data, run.recipe.preprocess
        self.model = run.model()
        self.sides = {side: self._side(side) for side in ("validation", "test")}
        self.calibration = choose_calibration(run, CALIBRATION_IMAGES, data)

    @cached_property
    def trained(self) -> Network:
        """The network as trained, with BatchNorm."""
        return Network(self.model, self.calibration, self.spec)

    @cached_property
    def folded(self) -> Network:
        """Float kernels, which the writer rounds to the nearest step."""
        return Network(fold_batchnorm(self.model), self.calibration, self.spec)

    @cached_property
    def rounded(self) -> Network:
        """Kernels rounded for their layer's output."""
        return self.rounded_from(self.folded.model, self.calibration)

    @cached_property
    def uncapped(self) -> Network:
        """`folded` with ReLU in the place of ReLU6."""
        return Network(without_cap(self.folded.model), self.calibration, self.spec)

    @cached_property
    def equalized(self) -> Network:
        """`uncapped` with its neighbouring kernels on one scale."""
        return Network(equalize(self.uncapped.model), self.calibration, self.spec)

    @cached_property
    def corrected(self) -> Network:
        """`rounded` without the mean error of each channel."""
        images = np.concatenate(self.rounded.images[:ROUNDING_IMAGES])
        model = correct_biases(self.rounded.model, self.folded.model, images)
        return Network(model, self.calibration, self.spec)

    @cached_property
    def reference(self) -> dict[str, Answers]:
        """What the float32 file answers on either side."""
        return {side: self.answers(self.trained.file, side) for side in self.sides}

    def answers(self, file: bytes, side: str) -> Answers:
        """Return what a file gives for the images of a side."""
        return answers(file, self.sides[side][0], self.spec)

    def rounded_from(self, model: keras.Model, calibration: Calibration, images: int = ROUNDING_IMAGES) -> Network:
        """Round the kernels of a folded network on the first of these calibration images."""
        few = Network(model, calibration, self.spec).images[:images]
        batches = [np.concatenate(few[start : start + _BATCH]) for start in range(0, len(few), _BATCH)]
        return Network(round_kernels(model, lambda: batches), calibration, self.spec)

    def calibrated(self, calibration: Calibration, images: int = ROUNDING_IMAGES) -> bytes:
        """Return the rounded-least-error file with other calibration images; `images` of them for the kernels."""
        return self.rounded_from(self.folded.model, calibration, images).int8(least_error)

    def chosen(self, images: int) -> Calibration:
        """Choose calibration images as `freezenet convert` does."""
        return choose_calibration(self.run, images, self.data)

    def drawn(self, images: int) -> Calibration:
        """Draw calibration images of the training side without regard to class; seeded by the run."""
        candidates = self.run.paths("train", self.data)
        rng = np.random.default_rng(self.run.recipe.seed)
        chosen = [candidates[one] for one in rng.choice(len(candidates), min(images, len(candidates)), replace=False)]
        listed = tuple({"file": row["file"], "sha256": row["sha256"]} for _, row in chosen)
        return Calibration(read_checked(chosen, self.spec), listed)

    def _side(self, side: str) -> tuple[NDArray[np.uint8], NDArray[np.integer]]:
        rows = self.run.paths(side, self.data)
        return read_checked(rows, self.spec), self.run.truth(rows).argmax(1)


def tensorflow(bench: Bench) -> bytes:
    """Return TensorFlow's own int8 file: nearest kernels, smallest and largest values as ranges, uint8 in, float32 out."""
    fixed = keras.Input(batch_shape=(1, *bench.model.input_shape[1:]), name="image")
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(fixed, bench.model(fixed), name="freezenet"))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = bench.trained.representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
    with quiet():
        return converter.convert()


def ai_edge_quantizer(bench: Bench) -> bytes:
    """Return the file of ai-edge-quantizer's recipe static_wi8_ai8 with its own calibration; float32 in and out."""
    with quiet():
        worker = float_ended_quantizer(bench.trained.file)
        return bytes(worker.quantize(bench.trained.moving_averages, enable_progress_report=False).quantized_model)


def extremes(seen: Observation) -> tuple[float, float]:
    """Return the smallest and largest value, 0 included."""
    return min(seen.low, 0.0), max(seen.high, 0.0)


def percentile(seen: Observation) -> tuple[float, float]:
    """Return the range that holds all but 0.01 % of the values at either end, 0 included."""
    low, high = np.percentile(seen.values, (_TAIL, 100 - _TAIL))
    return min(float(low), 0.0), max(float(high), 0.0)


def with_temperature(bench: Bench) -> bytes:
    """Return the rounded-least-error file with one temperature T on its logits: softmax(logits / T), written as the softmax's beta.

    T has the least cross-entropy to the float32 scores on the calibration images (Guo et al., On Calibration of Modern
    Neural Networks, ICML 2017, section 4.2, with the float scores in the place of the truth).
    """
    from scipy.optimize import minimize_scalar

    file, pixels = bench.rounded.int8(least_error), bench.calibration.pixels
    wanted = answers(bench.trained.file, pixels, bench.spec).scores
    logits = answers(file, pixels, bench.spec).logits

    def loss(log_beta: float) -> float:
        scaled = np.exp(log_beta) * logits
        return float(np.mean(np.log(np.exp(scaled).sum(1)) - (wanted * scaled).sum(1)))

    return with_beta(file, float(np.exp(minimize_scalar(loss, bounds=(-1, 1), method="bounded").x)))


def with_beta(model: bytes, beta: float) -> bytes:
    """Return a `.tflite` model whose softmax multiplies its logits by `beta`."""
    tree = read_tree(model)
    _softmax(tree).builtinOptions.beta = beta
    return write_tree(tree)


def answers(model: bytes, pixels: NDArray[np.uint8], spec: PreprocessSpec) -> Answers:
    """Run a `.tflite` model on pixels (n, h, w) through the edge runtime, with its logits as a second output."""
    tree = read_tree(model)
    (graph,), softmax = tree.subgraphs, _softmax(tree)
    graph.outputs = [*graph.outputs, softmax.inputs[0]]
    interpreter = Interpreter(write_tree(tree))
    dtype = interpreter.inputs[0]["dtype"]
    found = [interpreter.invoke(spec.network_input(image, dtype)) for image in pixels]
    scores, logits = (np.concatenate(parts) for parts in zip(*found, strict=True))
    step, zero = interpreter.outputs[1]["quantization"]
    if step:  # else float
        logits = step * (logits.astype(np.float32) - zero)
    logits = softmax.builtinOptions.beta * logits
    return Answers(scores, logits - logits.mean(1, keepdims=True))


@dataclass(frozen=True)
class Arm:
    """One technique. summary: what it is. make: from a run to the bytes of its file."""

    summary: str
    make: Callable[[Bench], bytes]


_NEAREST, _ROUNDED = "kernels to the nearest step", "kernels rounded for their layer's output"
ARMS = {
    "tensorflow": Arm("TensorFlow's converter", tensorflow),
    "ai-edge-quantizer": Arm("its recipe static_wi8_ai8 and its own calibration", ai_edge_quantizer),
    "nearest-minmax": Arm(f"{_NEAREST}, smallest and largest values", lambda b: b.folded.int8(extremes)),
    "nearest-moving-average": Arm(
        f"{_NEAREST}, moving averages of the extremes", lambda b: b.folded.int8_by_moving_averages()
    ),
    "nearest-percentile-99.99": Arm(f"{_NEAREST}, percentiles 0.01 and 99.99", lambda b: b.folded.int8(percentile)),
    "nearest-least-error": Arm(f"{_NEAREST}, ranges of least error", lambda b: b.folded.int8(least_error)),
    "rounded-minmax": Arm(f"{_ROUNDED}, smallest and largest values", lambda b: b.rounded.int8(extremes)),
    "rounded-least-error": Arm(f"{_ROUNDED}, ranges of least error", lambda b: b.rounded.int8(least_error)),
    "rounded-least-error-bias-correction": Arm(
        "rounded-least-error, mean errors taken out of biases", lambda b: b.corrected.int8(least_error)
    ),
    "float32-relu": Arm("float32, ReLU in the place of ReLU6", lambda b: b.uncapped.file),
    "nearest-least-error-relu": Arm(
        "nearest-least-error, ReLU in the place of ReLU6", lambda b: b.uncapped.int8(least_error)
    ),
    "cross-layer-equalization": Arm(
        "nearest-least-error-relu after equalization", lambda b: b.equalized.int8(least_error)
    ),
    "rounded-cross-layer-equalization": Arm(
        "rounded-least-error, ReLU in the place of ReLU6, after equalization",
        lambda b: b.rounded_from(b.equalized.model, b.calibration).int8(least_error),
    ),
    "calibration-25": Arm("rounded-least-error, 25 calibration images", lambda b: b.calibrated(b.chosen(25))),
    "calibration-400": Arm(
        f"rounded-least-error, 400 calibration images, {ROUNDING_IMAGES} of them for the kernels",
        lambda b: b.calibrated(b.chosen(400)),
    ),
    "rounding-400": Arm(
        "rounded-least-error, 400 calibration images, all of them for the kernels",
        lambda b: b.calibrated(b.chosen(400), 400),
    ),
    "calibration-unstratified": Arm(
        f"rounded-least-error, {CALIBRATION_IMAGES} calibration images drawn without regard to class",
        lambda b: b.calibrated(b.drawn(CALIBRATION_IMAGES)),
    ),
    "temperature": Arm("rounded-least-error, one temperature on the logits", with_temperature),
}


def known_arms(text: str) -> list[str]:
    """Read a comma-separated list of arms, or "all" of them."""
    return chosen_names(text, ARMS, "Arms")


def measure(runs: Sequence[Run], arms: Sequence[str], data: Path | None = None) -> dict[str, Any]:
    """Make and measure each arm of each run; return all figures with their means (JSON types).

    Of each row: on the validation side `logit_size` (root mean square of the logits, centred in each image), `logit_error`
    (the same of their difference to float32's) and `validation_changed` (share of other answers than float32's); on the
    test side `changed` (share), `macro_f1`, `macro_f1_difference` (this - float32) and `score_difference` (mean absolute
    difference of a score, 0..1).
    Raises FreezenetError where the runs were not trained on the same images.
    """
    if len({run.manifest["data_sha256"] for run in runs}) > 1:
        names = ", ".join(sorted({Path(run.manifest["data"]).name for run in runs}))
        raise FreezenetError(f"Runs on the same images are required, for means over them. Got: runs on {names}.")
    rows: list[dict[str, Any]] = []
    for run in runs:
        bench = Bench(run, data)
        rows.append(_row(bench, REFERENCE, bench.trained.file, bench.reference))
        for name in arms:
            logger.info(f"{run.folder}: {name}")
            file = ARMS[name].make(bench)
            rows.append(_row(bench, name, file, {side: bench.answers(file, side) for side in bench.sides}))
    measured = [REFERENCE, *arms]
    return {
        "data": Path(runs[0].manifest["data"]).name,
        "recipe": runs[0].recipe.name,
        "weights": Path(runs[0].manifest["weights"]).name,
        "seeds": [run.recipe.seed for run in runs],
        "images": {side: len(pixels) for side, (pixels, _) in bench.sides.items()},
        "calibration_images": len(bench.calibration.images),
        "writer": f"ai-edge-quantizer {version('ai-edge-quantizer')}",
        "command": f"python -m studies.quantization RUN...{_option(arms)} --out results",
        "arms": {name: "the float file" if name == REFERENCE else ARMS[name].summary for name in measured},
        "summary": {name: _summary([row for row in rows if row["arm"] == name]) for name in measured},
        "rows": rows,
        "environment": environment(),
    }


def table(result: dict[str, Any]) -> str:
    """Return the means over the runs as a table in Markdown, with the command above it."""
    images, seeds = result["images"], ", ".join(map(str, result["seeds"]))
    size = result["summary"][REFERENCE]["logit_size"]["mean"]
    lines = [
        f"**`{result['data']}`**, recipe {result['recipe']}, weights `{result['weights']}`, mean ± standard deviation over the "
        f"seeds {seeds} ({images['validation']} validation and {images['test']} test images each; root mean square of the "
        f"float32 logits {size:.2f}; {result['writer']}): `{result['command']}`",
        "",
        "| arm | error of the logits (validation) | answers changed (validation) | answers changed (test) | macro-F1 against float32 (test) | mean change of a score (test) |",
        "|---|---|---|---|---|---|",
    ]
    for name, one in result["summary"].items():
        if name == REFERENCE:
            continue
        lines.append(
            f"| {name} | {_spread(one['logit_error'], result)} | {one['validation_changed']['mean']:.1%} | "
            f"{one['changed']['mean']:.1%} | {_spread(one['macro_f1_difference'], result, '+')} | "
            f"{one['score_difference']['mean']:.4f} |"
        )
    return "\n".join(lines)


def _row(bench: Bench, arm: str, file: bytes, found: dict[str, Answers]) -> dict[str, Any]:
    classes = np.eye(len(bench.run.labels), dtype=bool)
    changed, f1 = {}, {}
    for side, (_, truth) in bench.sides.items():
        answer, wanted = found[side].scores.argmax(1), bench.reference[side].scores.argmax(1)
        changed[side] = float(np.mean(answer != wanted))
        f1[side] = [float(macro_f1(label_matrices(classes[truth], classes[one]))) for one in (answer, wanted)]
    validation = found["validation"].logits - bench.reference["validation"].logits
    test = found["test"].scores - bench.reference["test"].scores
    return {
        "arm": arm,
        "seed": bench.run.recipe.seed,
        "bytes": len(file),
        "logit_size": round(_size(found["validation"].logits), 6),
        "logit_error": round(_size(validation), 6),
        "validation_changed": round(changed["validation"], 6),
        "changed": round(changed["test"], 6),
        "macro_f1": round(f1["test"][0], 6),
        "macro_f1_difference": round(f1["test"][0] - f1["test"][1], 6),
        "score_difference": round(float(np.abs(test).mean()), 6),
    }


def _size(values: NDArray) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.mean(values**2)))


def _spread(figure: dict[str, float], result: dict[str, Any], sign: str = "") -> str:
    spread = f" ± {figure['sd']:.3f}" if len(result["seeds"]) > 1 else ""
    return f"{figure['mean']:{sign}.3f}{spread}"


def _summary(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return mean and standard deviation over the runs of every figure."""
    names = [name for name in rows[0] if name not in ("arm", "seed")]
    return {name: mean_and_spread([row[name] for row in rows]) for name in names}


def _softmax(tree: Any) -> Any:
    """Return the operator that gives the scores."""
    (found,) = (
        operator
        for operator in tree.subgraphs[0].operators
        if isinstance(operator.builtinOptions, schema.SoftmaxOptionsT)
    )
    return found


def _option(arms: Sequence[str]) -> str:
    return "" if list(arms) == list(ARMS) else f" --arms {','.join(arms)}"


@click.command(cls=BenchmarkCommand)
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--arms", default="all", show_default=True, metavar="LIST", help=f"Of {', '.join(ARMS)}; or all.")
@click.option(
    "--data", type=click.Path(path_type=Path), help="Where DATA lies now, if it was moved after the training."
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the result file.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")
def main(runs, arms, data, out, as_json) -> None:
    """Measure post-training techniques on trained runs of one data set: what each costs against float32."""
    result = measure([Run.open(run) for run in runs], known_arms(arms), data)
    if out is not None:
        write_result(out, f"quantization-{Path(result['data']).stem}", result)
    click.echo(json.dumps(result) if as_json else table(result))


if __name__ == "__main__":
    main()
