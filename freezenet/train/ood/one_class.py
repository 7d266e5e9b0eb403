"""A gate that asks whether an image is a chest X-ray at all, fitted on the training images alone.

The frozen trunk has been computed anyway; its features' distance to those of the training images tells what the network has
never seen. `freezenet.edge_runtime.ood` applies it on the device.
"""

from __future__ import annotations

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.covariance import LedoitWolf

from freezenet.edge_runtime.ood import OneClassGate
from freezenet.train.frozen.cut import trunk_means
from freezenet.train.recipes.recipe import Recipe

#: Share of chest X-rays like the validation images that is meant to pass.
PASS_SHARE = 0.999
#: Directions of the feature space that are kept, those of the largest variance; the card holds a row of numbers for each.
MOST_DIRECTIONS = 64
_BATCH = 64


def trunk_features(
    model: keras.Model, pixels: NDArray[np.uint8], recipe: Recipe, cached: NDArray | None = None
) -> NDArray[np.float32]:
    """Return the trunk's channel means (n, c) float32 of pixels (n, h, w) uint8.

    cached: the trunk's tensors (n, h, w, c), or (n, c) behind the pooling, where they are at hand.
    """
    starts = range(0, len(pixels), _BATCH)
    if cached is not None:
        places = tuple(range(1, cached.ndim - 1))
        means = [np.asarray(cached[start : start + _BATCH], np.float32).mean(places) for start in starts]
    else:
        trunk = keras.Model(model.input, trunk_means(model))
        means = [
            trunk.predict_on_batch(recipe.preprocess.normalized(pixels[start : start + _BATCH])) for start in starts
        ]
    return np.concatenate(means)


def fit_gate(train: NDArray, validation: NDArray) -> OneClassGate:
    """Fit the gate on features (n, c) of training images; set its threshold on those of validation images.

    The covariance is Ledoit and Wolf's shrunk estimate, which can be inverted with few images too. The threshold is the
    PASS_SHARE quantile of a log-normal distribution through the validation images' distances.
    """
    covariance = LedoitWolf().fit(train).covariance_
    variances, directions = np.linalg.eigh(covariance)
    # Where a feature never varies (a channel that is always 0) any deviation is infinitely far; a floor keeps it finite.
    floor = max(variances[-1] * 1e-6, np.finfo(np.float32).tiny)
    kept = slice(-MOST_DIRECTIONS, None)
    # The triangular factor is the same map but for a rotation, and half as long.
    whitening = np.asarray(np.linalg.qr((directions / np.sqrt(np.maximum(variances, floor))).T[kept], mode="r"))
    gate = OneClassGate(train.mean(0, dtype=np.float64), whitening, np.inf)
    logs = np.log(np.maximum([gate.score(one) for one in validation], np.finfo(np.float32).tiny))
    return OneClassGate(gate.mean, gate.whitening, float(np.exp(far_quantile(logs))))


def far_quantile(values: NDArray) -> float:
    """Return the PASS_SHARE quantile of a normal distribution through values (n,).

    A quantile so far out cannot be counted on some ten images.
    """
    return float(values.mean() + norm.ppf(PASS_SHARE) * values.std(ddof=min(1, len(values) - 1)))
