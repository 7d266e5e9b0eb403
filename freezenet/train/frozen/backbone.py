"""Run the frozen backbone over all images: with Keras, or as a float `.tflite` under XNNPACK.

On a CPU the XNNPACK route computes 4 to 6 times as many images a second, after some seconds of conversion.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.edge_runtime.interpreter import Interpreter
from freezenet.train.frozen.cut import backbone_means
from freezenet.train.network.fuse import fused
from freezenet.train.network.predict import BATCH, in_batches, predict
from freezenet.train.quiet import quiet

#: Images from which on the conversion pays for itself: 4 s of it against 1/140 - 1/760 s an image on two cores.
XNNPACK_FROM = 700
#: Engine -> images at once; no other number, for the converted model's is fixed and Keras would trace anew.
_BATCHES = {"keras": 32, "xnnpack": 8}


def choose_engine(images: int, has_gpu: bool) -> str:
    """Return "keras" or "xnnpack", whichever is expected to be done first; only TensorFlow can convert for XNNPACK."""
    convertible = keras.backend.backend() == "tensorflow"
    return "xnnpack" if convertible and not has_gpu and images >= XNNPACK_FROM else "keras"


class FrozenBackbone:
    """The frozen backbone ready to run: pixels (n, h, w) uint8 in, features (n, h', w', c) float32 out.

    Under mixed precision Keras computes it in 16 bits, as the training does without a cache; XNNPACK computes it in 32.

    Args:
        frozen: the network below the cut, see `freezenet.train.frozen.cut.split_model`.
        spec: the preprocessing of the images.
        engine: "keras" or "xnnpack".
        threads: of XNNPACK.
    """

    def __init__(self, frozen: keras.Model, spec: PreprocessSpec, *, engine: str, threads: int) -> None:
        """Keep what is needed; the network is converted with the first images, which may never come."""
        self._frozen, self._spec, self._threads = frozen, spec, threads
        self.engine = engine

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compute the features of any number of images."""
        return in_batches(self._run, pixels, self._spec.normalized, batch=_BATCHES[self.engine], padded=True)

    @cached_property
    def _run(self) -> Callable[[NDArray[np.float32]], Any]:
        if self.engine == "keras":
            return fused(self._frozen).predict_on_batch
        interpreter = Interpreter(_float_tflite(self._frozen, _BATCHES["xnnpack"]), self._threads)
        return lambda images: interpreter.invoke(images)[0]


def backbone_features(
    model: keras.Model, pixels: NDArray[np.uint8], spec: PreprocessSpec, *, cached: NDArray | None = None
) -> NDArray[np.float32]:
    """Return the channel means (n, c) float32 of the frozen backbone's output, by which the OOD gate knows an image.

    Args:
        model: the whole network.
        pixels: (n, h, w) uint8.
        spec: the preprocessing of the images.
        cached: the backbone's output (n, h, w, c), or (n, c) behind the pooling, where it is at hand.
    """
    if cached is None:
        return predict(keras.Model(model.input, backbone_means(model)), pixels, spec)
    places = tuple(range(1, cached.ndim - 1))
    return in_batches(lambda rows: rows.mean(places), cached, lambda rows: np.asarray(rows, np.float32), batch=BATCH)


def _float_tflite(model: keras.Model, batch: int) -> bytes:
    import tensorflow as tf

    fixed = keras.Input(batch_shape=(batch, *model.input_shape[1:]), dtype="float32")
    with quiet():
        return tf.lite.TFLiteConverter.from_keras_model(keras.Model(fixed, in_float32(model)(fixed))).convert()


def in_float32(model: keras.Model) -> keras.Model:
    """Return the model itself, or where it computes in 16 bits a copy that does not: the converter mixes no types."""
    if all(layer.compute_dtype == "float32" for layer in model.layers):
        return model
    copy = keras.models.clone_model(
        model, clone_function=lambda layer: layer.__class__.from_config({**layer.get_config(), "dtype": "float32"})
    )
    copy.set_weights(model.get_weights())
    return copy
