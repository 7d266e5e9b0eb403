"""How well the answers may hold at a source that took no part in training: a prediction, with its interval.

A class that comes from several sources is asked directly: each source is left out in turn, and its images are answered by a probe trained
on the others (leave-one-source-out; Zech et al., PLoS Med 15:e1002683, 2018). The recall at a new source is predicted as the mean of those
recalls, with the prediction interval of one further draw.

A class that comes from one source cannot be asked. Its recall is predicted from shortcuts, in the manner of PEst (Ong Ly et al., npj Digit.
Med. 7:124, 2024, doi 10.1038/s41746-024-01118-4): inside recall, less what the same network reaches above chance where the disease is hidden,
which is here the view without the middle. Nothing was measured, so the interval reaches from 0 to the inside recall.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from freezenet.train.audit.probe import Bench, answered
from freezenet.train.metrics.figure import Figure

#: Images of a class at a source from which on its recall there counts.
LEAST = 15
#: Least standard deviation of recalls between sources: two that agree by chance prove little.
_LEAST_SPREAD = 0.05


@dataclass(frozen=True)
class Outside:
    """What is predicted for a new source.

    Args:
        recall: class -> predicted recall.
        measured: class -> left-out source -> recall there.
        accuracy: with all classes as frequent as in the data.
    """

    recall: dict[str, Figure]
    measured: dict[str, dict[str, float]]
    accuracy: Figure

    def of(self, counts: dict[str, int]) -> Figure:
        """Return the predicted accuracy at a source with these images of each class; an interval of independent recalls."""
        return _mixed(self.recall, counts)

    @property
    def from_one_source(self) -> list[str]:
        """The classes of which nothing could be measured."""
        return [label for label in self.recall if not self.measured[label]]

    def to_dict(self) -> dict[str, Any]:
        """Return all of it (JSON types only)."""
        return {
            "accuracy": self.accuracy.to_dict(),
            "recall": {label: one.to_dict() for label, one in self.recall.items()},
            "measured": self.measured,
            "from_one_source": self.from_one_source,
        }


def predict_outside(
    values: NDArray[np.float64],
    sources: NDArray[np.str_],
    bench: Bench,
    *,
    whole: NDArray[np.str_],
    hidden: NDArray[np.str_],
) -> Outside:
    """Predict recalls and accuracy at a source that took no part.

    Args:
        values: (n, d) of `freezenet.train.audit.probe.prepared`, of the whole image.
        sources: (n,) of the images, "" where unknown.
        bench: classes, patients and folds.
        whole: (n,) answers to the whole image, cross-validated.
        hidden: (n,) answers to the view without the middle.
    """
    labels = np.unique(bench.classes).tolist()
    measured: dict[str, dict[str, float]] = {label: {} for label in labels}
    for source in np.unique(sources).tolist():
        left_out = sources == source
        if left_out.all() or not source:
            continue
        taught = set(bench.classes[~left_out].tolist())
        here = [label for label in labels if label in taught and (left_out & (bench.classes == label)).sum() >= LEAST]
        if len(taught) < 2 or not here:
            continue
        answers = answered(values[~left_out], bench.classes[~left_out], values[left_out])
        for label in here:
            there = bench.classes[left_out] == label
            measured[label][source] = round(float((answers[there] == label).mean()), 6)
    recall = {}
    for label in labels:
        of_class = bench.classes == label
        found = list(measured[label].values())
        if found:
            recall[label] = _next(found)
        else:
            inside, shortcut = (float((one[of_class] == label).mean()) for one in (whole, hidden))
            chance = float(of_class.mean())
            recall[label] = Figure(min(inside, max(0.0, inside - max(0.0, shortcut - chance))), 0.0, inside)
    counts = {label: int((bench.classes == label).sum()) for label in labels}
    return Outside(recall, measured, _mixed(recall, counts))


def _next(found: list[float]) -> Figure:
    """Return the mean of recalls with the 95 % prediction interval of a further one; from 0 to 1 where there is a single one."""
    mean, k = float(np.mean(found)), len(found)
    if k == 1:
        return Figure(mean, 0.0, 1.0)
    spread = max(float(np.std(found, ddof=1)), _LEAST_SPREAD) * (1 + 1 / k) ** 0.5 * float(t.ppf(0.975, k - 1))
    return Figure(mean, max(0.0, mean - spread), min(1.0, mean + spread))


def _mixed(recall: dict[str, Figure], counts: dict[str, int]) -> Figure:
    total = sum(counts.values())
    shares = {label: count / total for label, count in counts.items() if count}
    value = sum(share * recall[label].value for label, share in shares.items())
    low, high = (
        sum((share * (getattr(recall[label], end) - recall[label].value)) ** 2 for label, share in shares.items())
        ** 0.5
        for end in ("low", "high")
    )
    return Figure(value, max(0.0, value - low), min(1.0, value + high))
