"""A trained run with the networks that several arms share."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from freezenet.convert.converter import ROUNDING_IMAGES
from freezenet.convert.float.batchnorm import fuse_batchnorm
from freezenet.convert.ptq.bias_correction import correct_biases
from freezenet.convert.ptq.calibration import Calibration, choose_calibration, read_checked
from freezenet.convert.ptq.ranges import least_error
from freezenet.convert.ptq.rounding import round_kernels
from freezenet.edge_runtime.errors import SettingError
from freezenet.train.run import Run
from freezenet.train.task import MultiClass
from studies.quantization.answers import Answers, answers
from studies.quantization.equalization import equalize, without_cap
from studies.quantization.network import Network

#: Calibration images of every arm whose name gives no other number; what `freezenet convert` takes.
CALIBRATION_IMAGES = 100
_BATCH = 16


class Bench:
    """A run with the networks that several arms share.

    data: where DATA lies now, if it was moved. Raises DataError where the images are not those of the run, SettingError where
    the run is not multi-class.
    """

    def __init__(self, run: Run, data: Path | None = None) -> None:
        """Load the model and the images."""
        if run.task.name != MultiClass.name:
            raise SettingError(f"A run of task {MultiClass.name} is required to study. Got: {run.task.name}.")
        self.run, self.data, self.spec = run, data, run.recipe.preprocess
        self.model = run.model()
        self.splits = {split: self._split(split) for split in ("validation", "test")}
        self.calibration = choose_calibration(run, CALIBRATION_IMAGES, data)

    @cached_property
    def trained(self) -> Network:
        """The network as trained, with BatchNorm."""
        return Network(self.model, self.calibration, self.spec)

    @cached_property
    def fused(self) -> Network:
        """Float kernels, which the writer rounds to the nearest integer."""
        return Network(fuse_batchnorm(self.model), self.calibration, self.spec)

    @cached_property
    def rounded(self) -> Network:
        """Kernels rounded for their layer's output."""
        return self.rounded_from(self.fused.model, self.calibration)

    @cached_property
    def uncapped(self) -> Network:
        """`fused` with ReLU in the place of ReLU6."""
        return Network(without_cap(self.fused.model), self.calibration, self.spec)

    @cached_property
    def equalized(self) -> Network:
        """`uncapped` with neighbouring kernels in equal ranges."""
        return Network(equalize(self.uncapped.model), self.calibration, self.spec)

    @cached_property
    def corrected(self) -> Network:
        """`rounded` without the mean error of each channel."""
        images = np.concatenate(self.rounded.images[:ROUNDING_IMAGES])
        model = correct_biases(self.rounded.model, self.fused.model, images)
        return Network(model, self.calibration, self.spec)

    @cached_property
    def reference(self) -> dict[str, Answers]:
        """What the float32 file answers on either split."""
        return {split: self.answers(self.trained.file, split) for split in self.splits}

    def answers(self, file: bytes, split: str) -> Answers:
        """Return what a file gives for the images of a split."""
        return answers(file, self.splits[split][0], self.spec)

    def rounded_from(self, model: keras.Model, calibration: Calibration, images: int = ROUNDING_IMAGES) -> Network:
        """Round the kernels of a fused network on the first of these calibration images."""
        few = Network(model, calibration, self.spec).images[:images]
        batches = [np.concatenate(few[start : start + _BATCH]) for start in range(0, len(few), _BATCH)]
        return Network(round_kernels(model, lambda: batches), calibration, self.spec)

    def calibrated(self, calibration: Calibration, images: int = ROUNDING_IMAGES) -> bytes:
        """Return the rounded-least-error file with other calibration images; `images` of them for the kernels."""
        return self.rounded_from(self.fused.model, calibration, images).int8(least_error)

    def chosen(self, images: int) -> Calibration:
        """Choose calibration images as `freezenet convert` does."""
        return choose_calibration(self.run, images, self.data)

    def drawn(self, images: int) -> Calibration:
        """Draw calibration images of the training split without regard to class; seeded by the run."""
        candidates = self.run.paths("train", self.data)
        rng = np.random.default_rng(self.run.recipe.seed)
        chosen = [candidates[one] for one in rng.choice(len(candidates), min(images, len(candidates)), replace=False)]
        listed = tuple({"file": row["file"], "sha256": row["sha256"]} for _, row in chosen)
        return Calibration(read_checked(chosen, self.spec), listed)

    def _split(self, split: str) -> tuple[NDArray[np.uint8], NDArray[np.integer]]:
        rows = self.run.paths(split, self.data)
        return read_checked(rows, self.spec), self.run.truth(rows).argmax(1)
