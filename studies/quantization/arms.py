"""The techniques that are compared: each makes an int8 file of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from freezenet.convert.converter import ROUNDING_IMAGES
from freezenet.convert.ptq.integer import float_ended_quantizer
from freezenet.convert.ptq.ranges import Observation, least_error
from freezenet.edge_runtime.names import chosen_names
from freezenet.train.quiet import quiet
from studies.quantization.answers import answers, with_beta
from studies.quantization.bench import CALIBRATION_IMAGES, Bench

#: What the arms are compared with.
REFERENCE = "float32"
_TAIL = 0.01  # per cent of the values beyond each end of the percentile range


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


@dataclass(frozen=True)
class Arm:
    """One technique. summary: what it is. make: from a run to the bytes of its file."""

    summary: str
    make: Callable[[Bench], bytes]


_NEAREST, _ROUNDED = "kernels to the nearest integer", "kernels rounded for their layer's output"
ARMS = {
    "tensorflow": Arm("TensorFlow's converter", tensorflow),
    "ai-edge-quantizer": Arm("its recipe static_wi8_ai8 and its own calibration", ai_edge_quantizer),
    "nearest-minmax": Arm(f"{_NEAREST}, smallest and largest values", lambda b: b.fused.int8(extremes)),
    "nearest-moving-average": Arm(
        f"{_NEAREST}, moving averages of the extremes", lambda b: b.fused.int8_by_moving_averages()
    ),
    "nearest-percentile-99.99": Arm(f"{_NEAREST}, percentiles 0.01 and 99.99", lambda b: b.fused.int8(percentile)),
    "nearest-least-error": Arm(f"{_NEAREST}, ranges of least error", lambda b: b.fused.int8(least_error)),
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
