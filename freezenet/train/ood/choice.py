"""The OOD gate of a run: which one it is, and what it does on images that took no part in the choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from freezenet.edge_runtime.ood import BothGates, LogisticGate, OneClassGate, OodGate, ood_to_dict
from freezenet.train.metrics.draws import patient_draws
from freezenet.train.metrics.figure import Figure, interval, share
from freezenet.train.ood.gates import fit_logistic_gate, fit_one_class_gate


def choose_ood_gate(train: NDArray, validation: NDArray, negatives: NDArray | None = None) -> OodGate:
    """Return the gate fitted on features of training, validation and, where there are any, negative images.

    Without negatives it is the one-class gate. With them a logistic gate stands beside it and either may refuse: a logistic
    gate alone passes one photograph in three when it was shown no photographs; the one-class gate refuses them all
    (docs/training.md).

    Args:
        train, validation: (n, c) and (m, c) float32, `freezenet.train.frozen.backbone.backbone_features` of the images and, as
            a training does, of their versions (`freezenet.train.ood.versions`).
        negatives: (k, c) float32 of images that are no chest X-rays and of their versions, to teach the gate.
    """
    one_class = fit_one_class_gate(train, validation)
    if negatives is None:
        return one_class
    return BothGates((one_class, fit_logistic_gate(train, negatives, validation)))


def measure_ood_gate(
    gate: OodGate,
    *,
    validation: NDArray,
    test: NDArray,
    patients: Sequence[str],
    negatives: NDArray | None = None,
    versions: NDArray | None = None,
) -> dict[str, Any]:
    """Return what the gate does with test images and held-out negatives (JSON types).

    "chest_passed" is the share of chest X-rays that pass, "negatives_refused" that of the negatives that do not, "auroc" the
    probability that a negative is further off than a chest X-ray (`suspicion`); "parts" holds the same of each gate where there
    are two.

    Args:
        gate: as `choose_ood_gate` returns it.
        validation, test: (m, c) and (n, c) features of chest X-rays.
        patients: (n,) the patient of each test image.
        negatives: (k, c) features of images that are no chest X-rays, without those that taught the gate.
        versions: (v, c) features of versions of test images (`freezenet.train.ood.versions`); "versions_passed" is the share that
            passes.
    """
    found: dict[str, Any] = {"kind": ood_to_dict(gate)["kind"]}
    if not isinstance(gate, BothGates):
        found["threshold"] = ood_to_dict(gate)["threshold"]
    passed = np.array([gate.passes(one) for one in test])
    found["chest_passed"] = share(passed, np.ones(len(passed), bool), patients).to_dict()
    if versions is not None and len(versions):
        found["versions"] = len(versions)
        found["versions_passed"] = round(float(np.mean([gate.passes(one) for one in versions])), 6)
    if negatives is not None:
        refused = np.array([not gate.passes(one) for one in negatives])
        found["negatives"] = len(negatives)
        found["negatives_refused"] = share(refused, np.ones(len(refused), bool), _each(negatives)).to_dict()
        near, far = (suspicion(gate, some, validation) for some in (test, negatives))
        found["auroc"] = auroc(near, far, patients).to_dict()
    if isinstance(gate, BothGates):
        found["parts"] = [
            measure_ood_gate(one, validation=validation, test=test, patients=patients, negatives=negatives)
            for one in gate.gates
        ]
    return found


def suspicion(gate: OodGate, features: NDArray, validation: NDArray) -> NDArray[np.float64]:
    """Return how far off features (n, c) are, (n,): the gate's score in standard deviations of the validation images'.

    The score is the logarithm of the distance, or the log-odds of being no chest X-ray. Of two gates the more suspicious counts.
    """
    if isinstance(gate, BothGates):
        return np.max([suspicion(one, features, validation) for one in gate.gates], axis=0)
    usual = _score(gate, validation)
    return (_score(gate, features) - usual.mean()) / max(usual.std(ddof=min(1, len(usual) - 1)), 1e-12)


def auroc(near: NDArray, far: NDArray, patients: Sequence[str]) -> Figure:
    """Return the area under the ROC curve for telling far (m,) from near (n,) values, which are lower.

    The interval draws whole patients of the near and single images of the far; where no draw holds an error, it is Wilson's
    with the smaller number of images as sample size.
    """
    ordered = np.sort(far)
    below, up_to = (np.searchsorted(ordered, near, side) for side in ("left", "right"))

    def area(near_counts: NDArray, far_counts: NDArray) -> NDArray:
        total = np.concatenate([np.zeros((len(far_counts), 1)), far_counts.cumsum(1)], axis=1)
        beaten = total[:, -1:] - (total[:, below] + total[:, up_to]) / 2
        return (near_counts * beaten).sum(1) / (near_counts.sum(1) * far_counts.sum(1))

    value = float(area(np.ones((1, len(near))), np.ones((1, len(far))))[0])
    of_near, of_far = patient_draws(patients), patient_draws(_each(far), seed=1)
    parts = max(of_near, of_far, key=lambda one: one.shape[1]).blocks()
    low, high = interval(np.concatenate([area(of_near[rows], of_far[rows]) for rows in parts]))
    if low == high:
        count = min(len(near), len(far))
        low, high = binomtest(round(value * count), count).proportion_ci(method="wilson")
    return Figure(value, float(low), float(high))


def _score(gate: OneClassGate | LogisticGate, features: NDArray) -> NDArray[np.float64]:
    if isinstance(gate, LogisticGate):
        return -(features.astype(np.float64) @ gate.weights + gate.bias)
    return np.log(np.maximum([gate.score(one) for one in features], np.finfo(np.float32).tiny))


def _each(values: NDArray) -> list[str]:
    """Return a name for every image, for figures of images that have no patients."""
    return [str(number) for number in range(len(values))]
