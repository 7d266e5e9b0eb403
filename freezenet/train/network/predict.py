"""Run a network over many images: in batches, from pixels or from cached features, float32 out whatever it computes in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.train.frozen.cut import required_cut, split_model

#: Images that a network is given at once.
BATCH = 64


def predict(
    model: keras.Model, pixels: NDArray[np.uint8], spec: PreprocessSpec, *, features: NDArray | None = None
) -> NDArray[np.float32]:
    """Return what a network of one output answers in inference mode: (n, ...) float32.

    Mixed precision ends here: what the network gives in 16 bits goes on in 32, for linear algebra knows no others.

    Args:
        model: from normalized images (n, h, w, 3) to its output.
        pixels: (n, h, w) uint8, n at least 1; not looked at where there are features.
        spec: the preprocessing of the images.
        features: (n, ...) the output of the network's frozen backbone for these images, in any float type; only what lies
            above the cut is run then.

    Raises:
        SettingError: there are features, but nothing in the network is frozen.
    """
    if features is None:
        return in_batches(model.predict_on_batch, pixels, spec.normalized, batch=BATCH)
    _, trained = split_model(model, required_cut(model))
    return in_batches(trained.predict_on_batch, features, lambda rows: np.asarray(rows, np.float32), batch=BATCH)


def in_batches(
    run: Callable[[NDArray[np.float32]], Any],
    rows: Any,
    prepare: Callable[[Any], NDArray[np.float32]],
    *,
    batch: int,
    padded: bool = False,
) -> NDArray[np.float32]:
    """Return the outputs of `run` for all rows, batch by batch.

    Args:
        run: from a batch of inputs to its outputs, an array of any float type.
        rows: anything that has a length and can be sliced.
        prepare: from a slice of the rows to the inputs of `run`.
        batch: rows at once.
        padded: whether an incomplete last batch is filled up with zeros, for what knows one batch size only.
    """
    parts = []
    for start in range(0, len(rows), batch):
        inputs = prepare(rows[start : start + batch])
        count = len(inputs)
        if padded and count < batch:
            inputs = np.concatenate([inputs, np.zeros((batch - count, *inputs.shape[1:]), np.float32)])
        parts.append(np.asarray(run(inputs), np.float32)[:count])
    return np.concatenate(parts)
