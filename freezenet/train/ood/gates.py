"""Fit an OOD gate, which asks whether an image is a chest X-ray at all, on features of the frozen backbone.

The one-class gate is fitted on the training images alone: the distance of an image's features to theirs tells what the network has
never seen. The logistic gate was shown what is no chest X-ray too. It tells apart what it was shown; of an image of another kind
it knows nothing, so `freezenet.train.ood.choice` sets the one-class gate beside it. `freezenet.edge_runtime.ood` applies both.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import norm
from sklearn.covariance import LedoitWolf
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from freezenet.edge_runtime.ood import LogisticGate, OneClassGate

#: Share of chest X-rays like the validation images that is meant to pass the one-class gate; its images include versions as
#: other devices and archives would save them (`freezenet.train.ood.versions`), some of them spoiled more than is common.
ONE_CLASS_SHARE = 0.998
#: The same for the logistic gate.
LOGISTIC_SHARE = 0.999
#: Folds of images that have no validation split.
FOLDS = 5
#: Directions of the feature space that are kept, those of the largest variance; the card holds a row of numbers for each.
MOST_DIRECTIONS = 64
#: Inverse strength of the L2 penalty on standardized features. Between .001 and 10 nothing much changes (docs/training.md).
_C = 0.1


def fit_one_class_gate(train: NDArray, validation: NDArray) -> OneClassGate:
    """Fit the gate on features of training images; set its threshold on those of validation images.

    The covariance is Ledoit and Wolf's shrunk estimate, which can be inverted with few images too. The threshold is the
    ONE_CLASS_SHARE quantile of a log-normal distribution through the validation images' distances.

    Args:
        train, validation: (n, c) float32 and (m, c) float32, `freezenet.train.frozen.backbone.backbone_features`.
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
    return OneClassGate(gate.mean, gate.whitening, float(np.exp(far_quantile(logs, ONE_CLASS_SHARE))))


def fit_one_class_gate_by_folds(
    features: NDArray, folds: NDArray[np.integer]
) -> tuple[OneClassGate, NDArray[np.float64]]:
    """Fit the gate on all images; set its threshold on the distance of each from a gate that was fitted without its fold.

    For a training without validation images.

    Args:
        features: (v, n, c) of n images: as they are, and of their versions.
        folds: (n,) the fold of each image.

    Returns:
        The gate, and the distances (v, n).
    """
    images, versions, channels = features.shape[1], len(features), features.shape[2]
    distances = np.zeros((versions, images))
    for fold in np.unique(folds):
        held = folds == fold
        other = features[:, ~held].reshape(-1, channels)
        partial = fit_one_class_gate(other, features[:, held].reshape(-1, channels))
        distances[:, held] = np.linalg.norm((features[:, held] - partial.mean) @ partial.whitening.T, axis=-1)
    everything = features.reshape(-1, channels)
    gate = fit_one_class_gate(everything, everything)
    logs = np.log(np.maximum(distances, np.finfo(np.float32).tiny))
    return OneClassGate(
        gate.mean, gate.whitening, float(np.exp(far_quantile(logs.ravel(), ONE_CLASS_SHARE)))
    ), distances


def patient_folds(patients: Sequence[str]) -> NDArray[np.integer]:
    """Return a fold (n,) of FOLDS for each image, by the name of its patient."""
    return np.array([zlib.crc32(patient.encode()) % FOLDS for patient in patients])


def fit_logistic_gate(train: NDArray, negatives: NDArray, validation: NDArray) -> LogisticGate:
    """Fit the gate on features of training images and of negatives; set its threshold on those of validation images.

    Both classes weigh alike, however many images they have. Standardization is part of weights and bias. The threshold is
    meant to let LOGISTIC_SHARE of chest X-rays pass: its log-odds is the quantile of a normal distribution through those of
    the validation images. It is never above even odds, so nothing is refused that looks more like
    a chest X-ray than like the negatives: log-odds have long tails, and what is odd in another way is the one-class gate's.

    Args:
        train, negatives, validation: (n, c), (m, c) and (k, c) float32.
    """
    features = np.concatenate([train, negatives]).astype(np.float64)
    is_chest = np.repeat([1, 0], [len(train), len(negatives)])
    scaler = StandardScaler().fit(features)
    model = LogisticRegression(C=_C, class_weight="balanced", max_iter=10_000)
    model.fit(scaler.transform(features), is_chest)
    weights = model.coef_[0] / scaler.scale_
    bias = float(model.intercept_[0] - weights @ scaler.mean_)
    log_odds = validation.astype(np.float64) @ weights + bias
    return LogisticGate(weights, bias, float(min(0.5, expit(-far_quantile(-log_odds, LOGISTIC_SHARE)))))


def far_quantile(values: NDArray, share: float) -> float:
    """Return the quantile of a normal distribution through values (n,) below which a share of it lies.

    A quantile so far out cannot be counted on some ten images.
    """
    return float(values.mean() + norm.ppf(share) * values.std(ddof=min(1, len(values) - 1)))
