"""How well the answers may hold at a source that took no part in training: a prediction, with an interval that says how little is known.

A class that comes from several sources is asked: each source is left out in turn, and its images are answered by a probe trained on the
others (leave-one-source-out; Zech et al., PLoS Med 15:e1002683, 2018). What its recall loses there against the recall inside is the gap. The
gap at a further source is predicted from these few, which are drawn from a normal distribution of unknown mean and spread, and from what
is known of such gaps elsewhere (the posterior predictive distribution with a conjugate prior: Gelman et al., Bayesian Data Analysis, 3rd
edition, section 3.3). A class that comes from one source cannot be asked, and leaves what is known elsewhere.

Predictions from shortcuts alone, PEst among them (Ong Ly et al., npj Digit. Med. 7:124, 2024), were tried in `studies.audit_outside` and
missed by far more; docs/audit.md has the figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.train.audit.probe import Bench, answered
from freezenet.train.metrics.figure import Figure, interval, share

#: Images of a class at a source from which on its recall there counts.
LEAST = 15
#: Draws of a new source.
_DRAWS = 20_000
#: Percentiles between which four of five new sources lie.
_LIKELY = (10, 90)


@dataclass(frozen=True)
class Gaps:
    """What is known of gaps before a data set is looked at.

    Args:
        mean: of what recall loses at a new source, -1 to 1.
        spread: its standard deviation between sources.
        sources: how many sources both were measured on, which is how much they count.
    """

    mean: float
    spread: float
    sources: int

    def at_a_new_source(self, measured: Sequence[float], rng: np.random.Generator) -> tuple[float, NDArray[np.float64]]:
        """Return the gap to be expected at a further source, and draws of it. measured: the gaps at k sources, which may be none."""
        k, about = len(measured), float(np.mean(measured)) if measured else self.mean
        known = self.sources + k
        mean = (self.sources * self.mean + k * about) / known
        squares = sum((one - about) ** 2 for one in measured) + self.sources * k / known * (about - self.mean) ** 2
        variance = (self.sources * self.spread**2 + squares) / known
        return mean, mean + (variance * (1 + 1 / known)) ** 0.5 * rng.standard_t(known, _DRAWS)


#: Gaps of six left-out sources of chest X-rays: `python -m studies.audit_outside`.
KNOWN = Gaps(0.25, 0.28, 6)


@dataclass(frozen=True)
class LeftOut:
    """What a probe that has seen neither a source nor its patients reaches there.

    Args:
        recall: of a class.
        images: of the class, at the source.
    """

    recall: Figure
    images: int

    def to_dict(self) -> dict[str, float]:
        """Return all of it (JSON types only)."""
        return {"images": self.images, **self.recall.to_dict()}


@dataclass(frozen=True)
class Outside:
    """What is predicted for a new source.

    Args:
        recall: class -> predicted recall.
        measured: class -> left-out source -> what was found there.
        accuracy: with all classes as frequent as in the data.
        likely: between which two it lies at four of five new sources.
        known: what was known of gaps beforehand.
    """

    recall: dict[str, Figure]
    measured: dict[str, dict[str, LeftOut]]
    accuracy: Figure
    likely: tuple[float, float]
    known: Gaps

    @property
    def from_one_source(self) -> list[str]:
        """The classes of which nothing could be measured."""
        return [label for label in self.recall if not self.measured[label]]

    def to_dict(self) -> dict[str, Any]:
        """Return all of it (JSON types only)."""
        return {
            "accuracy": self.accuracy.to_dict(),
            "likely": [round(end, 6) for end in self.likely],
            "recall": {label: one.to_dict() for label, one in self.recall.items()},
            "measured": {
                label: {source: one.to_dict()["value"] for source, one in at.items()}
                for label, at in self.measured.items()
            },
            "left_out": {
                label: {source: one.to_dict() for source, one in at.items()} for label, at in self.measured.items()
            },
            "from_one_source": self.from_one_source,
            "known": asdict(self.known),
        }


def predict_outside(
    values: NDArray[np.float64],
    sources: NDArray[np.str_],
    bench: Bench,
    *,
    whole: NDArray[np.str_],
    shares: dict[str, float] | None = None,
    known: Gaps = KNOWN,
) -> Outside:
    """Predict recalls and accuracy at a source that took no part.

    Args:
        values: (n, d) of `freezenet.train.audit.probe.prepared`, of the whole image.
        sources: (n,) of the images, "" where unknown.
        bench: classes, patients and folds.
        whole: (n,) answers to the whole image, cross-validated.
        shares: how frequent each class is at the new source, classes that it lacks left out; None: as in the data.
        known: of gaps elsewhere.
    """
    labels, counts = np.unique(bench.classes, return_counts=True)
    measured = left_out_recalls(values, sources, bench)
    rng = np.random.default_rng(0)
    recall, drawn = {}, {}
    for label in labels.tolist():
        inside = float((whole[bench.classes == label] == label).mean())
        gap, draws = known.at_a_new_source([inside - one.recall.value for one in measured[label].values()], rng)
        drawn[label] = np.clip(inside - draws, 0, 1)
        recall[label] = Figure(float(np.clip(inside - gap, 0, 1)), *interval(drawn[label]))
    shares = shares or dict(zip(labels.tolist(), (counts / counts.sum()).tolist(), strict=True))
    value = sum(share * recall[label].value for label, share in shares.items())
    mixed = np.sum([share * drawn[label] for label, share in shares.items()], axis=0)
    low, high = np.percentile(mixed, _LIKELY).tolist()
    return Outside(recall, measured, Figure(value, *interval(mixed)), (low, high), known)


def left_out_recalls(
    values: NDArray[np.float64], sources: NDArray[np.str_], bench: Bench
) -> dict[str, dict[str, LeftOut]]:
    """Return class -> source -> what a probe that has seen neither the source nor its patients reaches there."""
    measured: dict[str, dict[str, LeftOut]] = {label: {} for label in np.unique(bench.classes).tolist()}
    for source in np.unique(sources[sources != ""]).tolist():
        left_out = sources == source
        taught = ~left_out & ~np.isin(bench.patients, bench.patients[left_out])
        names = set(bench.classes[taught].tolist())
        here = [label for label in measured if label in names and (left_out & (bench.classes == label)).sum() >= LEAST]
        if len(names) < 2 or not here:
            continue
        right = np.zeros(len(values), bool)
        right[left_out] = answered(values[taught], bench.classes[taught], values[left_out]) == bench.classes[left_out]
        for label in here:
            there = left_out & (bench.classes == label)
            recall = share(right, there, bench.patients.tolist(), bench.draws)
            measured[label][source] = LeftOut(recall, int(there.sum()))
    return measured
