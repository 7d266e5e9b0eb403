"""Quantization-aware training: go on training the network with the 8-bit file's rounding inside.

It starts from exactly what the post-training `int8` file computes (kernels on their grid, measured ranges) and learns
towards the answers of the float network. Naive quantization-aware training, which starts from ranges of its own, is far
worse than no training at all on small data.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from freezenet.convert.float.operators import fused_layers
from freezenet.convert.options import QatSettings
from freezenet.convert.ptq.ranges import Ranges
from freezenet.convert.qat.graph import HEADS, describe
from freezenet.convert.qat.worker import packed, unpacked
from freezenet.edge_runtime.errors import DataError, ModelError, one_line
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.edge_runtime.system.child import module_command
from freezenet.train.files import read_json, write_json

#: The layer whose answers are trained; other outputs of the network are left as they are.
TARGET = "scores"
#: Smallest teacher probability; below it a logit is not known from a float32 score.
_SMALLEST = 1e-12


@dataclass(frozen=True)
class TaughtImages:
    """Images of one split, and what the float network says of them.

    pixels: (n, h, w) uint8. teacher_scores: (n, classes) scores of the float network. Labels are not needed.
    """

    pixels: NDArray[np.uint8]
    teacher_scores: NDArray[np.floating]

    def __post_init__(self) -> None:
        """Refuse parts that do not fit."""
        if len(self.pixels) != len(self.teacher_scores) or not len(self.pixels):
            raise DataError(
                f"As many images as teacher scores, and at least one, are required. Got: {len(self.pixels)} and "
                f"{len(self.teacher_scores)}."
            )


@dataclass(frozen=True)
class QatResult:
    """What training gave.

    model: the network with new weights; the trained kernels lie on their 8-bit grid (largest weight / 127).
    history: one dictionary per epoch, the first (epoch 0) before any step: "epoch", "loss" (None in epoch 0),
    "validation_loss", "validation_agreement" (share of images with the teacher's class, or its labels at .5), "validation_logit_rms".
    best_epoch: whose weights these are. start_scores, scores: (n, classes) of the validation images with all rounding inside,
    before training and with the new weights. compressed: names of the pruned or clustered layers.
    """

    model: keras.Model
    history: list[dict[str, float | None]]
    best_epoch: int
    start_scores: NDArray[np.float32]
    scores: NDArray[np.float32]
    compressed: tuple[str, ...]


def train_quantized(
    model: keras.Model,
    ranges: Mapping[str, tuple[float, float]],
    training: TaughtImages,
    validation: TaughtImages,
    trainable: Collection[str],
    settings: QatSettings,
    preprocess: PreprocessSpec,
    work: Path,
) -> QatResult:
    """Train a network with the rounding of its 8-bit file inside; `model` keeps its weights.

    model: flat, BatchNorm fused (`freezenet.convert.float.batchnorm`), kernels rounded (`freezenet.convert.ptq.rounding`). Its layer "scores", dense with
    softmax or sigmoid, is trained towards the teacher; layers that do not lead there (other outputs) are copied.
    ranges: layer name -> (low, high) of its output in the 8-bit file, zero on the grid, as `by_layer` gives them: of each
    ReLU, of each convolution without one, of additions and pooling, and of the logits of "scores".
    trainable: names of the layers that are trained. work: folder in which a temporary one is made.
    Never worse on the validation images than the start, unless it is pruned or clustered: see `freezenet.convert.qat.fit.fit`.
    Computed on the CPU, and equal for equal arguments. Augmentation and dropout are left out.
    """
    nodes = describe(model, TARGET, ranges, trainable)
    if not any(node.trained for node in nodes):
        raise ModelError(f"A layer to train that leads to {TARGET} is required. Got: {_shown(trainable)}.")
    count = model.get_layer(TARGET).units
    head = model.get_layer(TARGET).get_config()["activation"]
    for images in (training, validation):
        _check_images(images, count, preprocess)
    layers = [model.get_layer(node.name) for node in nodes]
    task = {
        "nodes": [asdict(node) for node in nodes],
        "settings": asdict(settings),
        "head": head,
        "preprocess": preprocess.to_dict(),
        "cache": True,
    }
    with tempfile.TemporaryDirectory(prefix=".qat-", dir=work) as name:
        folder = Path(name)
        write_json(folder / "task.json", task)
        weights = {layer.name: layer.get_weights() for layer in layers if layer.weights}
        np.savez(folder / "weights.npz", allow_pickle=False, **packed(weights))
        for split, images in (("train", training), ("validation", validation)):
            scores = images.teacher_scores
            options = scores if head == "softmax" else np.stack([scores, 1 - scores], -1)
            teacher = np.log(np.maximum(options, _SMALLEST))
            np.save(folder / f"{split}-teacher.npy", teacher.astype(np.float32))
            np.save(folder / f"{split}-pixels.npy", images.pixels)
        _work(folder)
        return _read_result(folder, model, head)


def by_layer(ranges: Ranges) -> dict[str, tuple[float, float]]:
    """Return the ranges of `freezenet.convert.ptq.ranges` by the name of the Keras layer whose output the tensor is.

    ranges: by tensor name of a float .tflite.
    Tensors without a layer's name (the model's outputs) and those of the heads, whose range the file format fixes, are left out.
    """
    found = {}
    for tensor, (low, high) in ranges.items():
        layer, operation = next(iter(fused_layers(tensor)), ("", ""))
        if layer and operation.lower() not in HEADS:
            found[layer] = (float(low), float(high))
    return found


def quantized_scores(logits: NDArray[np.float32], head: str) -> NDArray[np.float32]:
    """Return the scores of logits (n, classes) as TFLite's 8-bit operators give them: in steps of 1/256, at most 255/256.

    head: "softmax" or "sigmoid".
    """
    exact = logits.astype(np.float64)
    exact = softmax(exact, axis=1) if head == "softmax" else expit(exact)
    return (np.clip(np.rint(exact * 256), 0, 255) / 256).astype(np.float32)


def _check_images(images: TaughtImages, classes: int, spec: PreprocessSpec) -> None:
    if images.pixels.dtype != np.uint8 or images.pixels.shape[1:] != spec.size:
        raise DataError(
            f"Pixels (n, {spec.size[0]}, {spec.size[1]}) uint8 are required. Got: {images.pixels.shape} {images.pixels.dtype}."
        )
    if images.teacher_scores.shape[1:] != (classes,) or not np.isfinite(images.teacher_scores).all():
        raise DataError(
            f"Finite teacher scores of {classes} classes are required. Got: shape {images.teacher_scores.shape}"
            f"{'' if np.isfinite(images.teacher_scores).all() else ' with NaN or infinity'}."
        )


def _work(folder: Path) -> None:
    """Run the worker on a folder; ModelError with its reason where it fails."""
    with _worker(folder) as process:
        code = process.wait()
    if (folder / "error.json").is_file():
        error = read_json(folder / "error.json")
        if error["foreseen"]:
            raise ModelError(error["reason"])
        reason = one_line(error["reason"])
        raise ModelError(
            f"Quantization-aware training that runs to its end is required. Got: {reason}; leave out int8-qat, or report "
            "it with the output of FREEZENET_DEBUG=1."
        )
    if code == 130:
        raise KeyboardInterrupt
    if code or not (folder / "result.json").is_file():
        ended = f"signal {-code}, most likely too little memory" if code < 0 else f"exit code {code}"
        raise ModelError(
            f"Quantization-aware training that runs to its end is required. Got: its process ended with {ended}; free "
            "memory, or leave out int8-qat."
        )


@contextlib.contextmanager
def _worker(folder: Path) -> Iterator[subprocess.Popen]:
    environment = {
        **os.environ,
        "TF_USE_LEGACY_KERAS": "1",
        # This process may hold the memory of all GPUs; what is trained is small.
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    command = module_command("freezenet.convert.qat.worker", str(folder.resolve()))
    # The worker ends when this end of its stdin closes, however that comes; stdout is for data, and it has none.
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdin:
            process.stdin.close()


def _read_result(folder: Path, model: keras.Model, head: str) -> QatResult:
    found: dict[str, Any] = read_json(folder / "result.json")
    with np.load(folder / "result.npz") as arrays:
        start, end = arrays["start_logits"], arrays["logits"]
    trained = keras.models.clone_model(model)
    trained.set_weights(model.get_weights())
    for name, weights in unpacked(folder / "result.npz").items():
        trained.get_layer(name).set_weights(weights)
    return QatResult(
        trained,
        found["history"],
        found["best_epoch"],
        quantized_scores(start, head),
        quantized_scores(end, head),
        tuple(found["compressed"]),
    )


def _shown(names: Collection[str]) -> str:
    return ", ".join(sorted(names)[:5]) or "none"
