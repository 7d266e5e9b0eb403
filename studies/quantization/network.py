"""A float network on its way to integers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from freezenet.convert.converter import Converter
from freezenet.convert.float.flatbuffer import read_tree
from freezenet.convert.ptq.calibration import Calibration
from freezenet.convert.ptq.integer import float_ended_quantizer, to_integer
from freezenet.convert.ptq.ranges import Observation, input_range, observe
from freezenet.convert.variants import VARIANTS
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.train.quiet import quiet


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
