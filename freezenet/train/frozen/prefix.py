"""Run the frozen prefix over all images: with Keras, or as a float `.tflite` under XNNPACK.

On a CPU the XNNPACK route computes 4 to 6 times as many images a second, after some seconds of conversion.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import keras
import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.edge_runtime.interpreter import Interpreter
from freezenet.train.network.fuse import fused
from freezenet.train.quiet import quiet

#: Images from which on the conversion pays for itself: 4 s of it against 1/140 - 1/760 s an image on two cores.
XNNPACK_FROM = 700
_KERAS_BATCH = 32
_XNNPACK_BATCH = 8


def choose_engine(images: int, has_gpu: bool) -> str:
    """Return "keras" or "xnnpack", whichever is expected to be done first; only TensorFlow can convert for XNNPACK."""
    convertible = keras.backend.backend() == "tensorflow"
    return "xnnpack" if convertible and not has_gpu and images >= XNNPACK_FROM else "keras"


class PrefixRunner:
    """The prefix ready to run: pixels (n, h, w) uint8 in, features (n, h', w', c) float32 out.

    engine: "keras" or "xnnpack". threads: of XNNPACK.
    """

    def __init__(self, prefix: keras.Model, spec: PreprocessSpec, engine: str, threads: int) -> None:
        """Keep what is needed; the prefix is converted with the first images, which may never come."""
        self._prefix, self._spec, self._threads = prefix, spec, threads
        self.engine = engine
        self._batch = _KERAS_BATCH if engine == "keras" else _XNNPACK_BATCH

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compute the features of any number of images."""
        parts = []
        for start in range(0, len(pixels), self._batch):
            images = self._spec.normalized(pixels[start : start + self._batch])
            count = len(images)
            if count < self._batch:  # one batch size only: the converted model's is fixed, and Keras would trace anew
                images = np.concatenate([images, np.zeros((self._batch - count, *images.shape[1:]), np.float32)])
            parts.append(self._run(images)[:count])
        return np.concatenate(parts)

    @cached_property
    def _run(self) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        if self.engine == "keras":
            quick = fused(self._prefix)
            return lambda images: keras.ops.convert_to_numpy(quick.predict_on_batch(images)).astype(np.float32)
        interpreter = Interpreter(_float_tflite(self._prefix, _XNNPACK_BATCH), self._threads)
        return lambda images: interpreter.invoke(images)[0]


def _float_tflite(model: keras.Model, batch: int) -> bytes:
    import tensorflow as tf

    fixed = keras.Input(batch_shape=(batch, *model.input_shape[1:]))
    with quiet():
        return tf.lite.TFLiteConverter.from_keras_model(keras.Model(fixed, model(fixed))).convert()
