"""A gate that was shown what is no chest X-ray: logistic regression on the trunk's features.

It tells apart what it was shown; of an image of another kind it knows nothing. `freezenet.train.ood.choice` sets the one-class gate beside it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from freezenet.edge_runtime.ood import LogisticGate
from freezenet.train.ood.one_class import far_quantile

#: Inverse strength of the L2 penalty on standardized features. Between .001 and 10 nothing much changes (docs/training.md).
_C = 0.1


def fit_logistic_gate(train: NDArray, negatives: NDArray, validation: NDArray) -> LogisticGate:
    """Fit the gate on features (n, c) of training images and (m, c) of negatives; set its threshold on validation images.

    Both classes weigh alike, however many images they have. Standardization is folded into weights and bias. The threshold is
    meant to let the same share of chest X-rays pass as the one-class gate's: its log-odds is the quantile of a normal
    distribution through those of the validation images. It is never above even odds, so nothing is refused that looks more like
    a chest X-ray than like the negatives: log-odds have long tails, and what is odd in another way is the one-class gate's.
    """
    features = np.concatenate([train, negatives]).astype(np.float64)
    is_chest = np.repeat([1, 0], [len(train), len(negatives)])
    scaler = StandardScaler().fit(features)
    model = LogisticRegression(C=_C, class_weight="balanced", max_iter=10_000)
    model.fit(scaler.transform(features), is_chest)
    weights = model.coef_[0] / scaler.scale_
    bias = float(model.intercept_[0] - weights @ scaler.mean_)
    log_odds = validation.astype(np.float64) @ weights + bias
    return LogisticGate(weights, bias, float(min(0.5, expit(-far_quantile(-log_odds)))))
