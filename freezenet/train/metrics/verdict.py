"""Whether one model's answers are not worse than another's: a verdict against a margin that was declared before.

That a difference is not significant (McNemar's p above .05, say) is no evidence that there is none: with few images it never is.
Non-inferiority asks the other way round: is a loss beyond the margin ruled out (International Conference on Harmonisation, E9 and E10)?

- Not worse: of macro-F1 and of the recall of every class, a loss of the margin or more is ruled out at one-sided 2.5 %. All must hold, so
  each is tested at the full level (intersection-union test, Berger, Technometrics 24, 1982).
- Worse: of any of them a loss beyond the margin is shown; p is Bonferroni's over them.
- Several models against one: Holm's step-down (Scandinavian Journal of Statistics 6, 1979).

Each p is the larger of two: of a bootstrap (`resampling`), and of exact bounds that hold where few answers changed (`rare`). Intervals are
mid-p ones (`rare`), which hold the truth in 95 % of cases, no more; so the verdict is a little stricter than its interval.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.errors import SettingError
from freezenet.train.metrics.changes import AnswerChanges
from freezenet.train.metrics.figure import Figure, interval, ratio
from freezenet.train.metrics.rare import WeightedChanges
from freezenet.train.metrics.resampling import DRAWS, drawn_sums

NOT_WORSE, WORSE, CANNOT_TELL = "not worse", "worse", "cannot tell"
#: One-sided.
LEVEL = 0.025
#: Chance to come to a verdict for which the images that are needed are counted: this normal quantile is 80 %.
_POWER = 0.8416
#: Times as many images as there are: beyond, no number is named.
_MOST = 1000.0
_RECALL = "recall of "


@dataclass(frozen=True)
class Margins:
    """The losses that would matter, declared before anything is compared.

    Args:
        macro_f1: of macro-F1, 0 to 1, both excluded.
        recall: of the recall of any class, 0 to 1, both excluded.
    """

    macro_f1: float = 0.01
    recall: float = 0.02

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 < value < 1:
                raise SettingError(f"A margin of {name} between 0 and 1 is required. Got: {value:g}.")

    def __str__(self) -> str:
        """Return e.g. "1 point of macro-F1 or 2 points of recall of any class"."""
        return f"{points(self.macro_f1)} of macro-F1 or {points(self.recall)} of recall of any class"


@dataclass(frozen=True)
class Endpoint:
    """One of the figures that a verdict rests on.

    Args:
        name: "macro-F1" or "recall of CLASS".
        margin: the loss that would matter.
        difference: the model less the reference, with its 95 % interval.
        p_not_worse: that the loss is the margin or more, one-sided.
        p_worse: that the loss is the margin or less, one-sided.
        changes: what the patients whose answers changed add to it.
    """

    name: str
    margin: float
    difference: Figure
    p_not_worse: float
    p_worse: float
    changes: WeightedChanges


@dataclass(frozen=True)
class ModelVerdict:
    """What can be said of one model against the reference.

    Args:
        verdict: NOT_WORSE, WORSE or CANNOT_TELL.
        images: how many were compared.
        needed: about how many would be needed where that is CANNOT_TELL: four of five comparisons of so many come to a verdict if what
            was measured is the truth; None where even a thousand times as many would not do.
        decided_by: the endpoint that decides: that with the largest p of "not worse", or the one that needs most images.
        margins: what was declared.
        p_not_worse, p_worse: over all endpoints, with Holm's correction over the models.
        endpoints: macro-F1 and the recall of each class that has images.
    """

    verdict: str
    images: int
    needed: int | None
    decided_by: str
    margins: Margins
    p_not_worse: float
    p_worse: float
    endpoints: tuple[Endpoint, ...]

    def sentence(self, name: str, reference: str) -> str:
        """Return the verdict in one sentence. name, reference: of the models."""
        if self.verdict == NOT_WORSE:
            return f"{name} is not worse than {reference} by {self.margins} ({self.images:,} images)."
        one = next(one for one in self.endpoints if one.name == self.decided_by)
        measured = f"{one.name} {one.difference.times(100):+.1f points}"
        if self.verdict == WORSE:
            return f"{name} is worse than {reference} by more than {points(one.margin)}: {measured} ({self.images:,} images)."
        needed = f"about {self.needed:,}" if self.needed else f"more than {round(_MOST) * self.images:,}"
        return (
            f"Whether {name} is worse than {reference} by {self.margins} cannot be told with {self.images:,} images; "
            f"{needed} such images would be needed if the difference stayed as it was measured ({measured})."
        )

    def differences(self) -> dict[str, Any]:
        """Return the difference of macro-F1, and that of the recall of each class that has images (JSON types)."""
        macro, *recalls = [one.difference.to_dict() for one in self.endpoints]
        labels = [one.name.removeprefix(_RECALL) for one in self.endpoints[1:]]
        return {"macro_f1": macro, "recall": dict(zip(labels, recalls, strict=True))}

    def to_dict(self, name: str, reference: str) -> dict[str, Any]:
        """Return JSON types, the sentence among them. name, reference: of the models."""
        return {
            **asdict(self),
            "sentence": self.sentence(name, reference),
            "endpoints": [
                {
                    "name": one.name,
                    "margin": one.margin,
                    "difference": one.difference.to_dict(),
                    "p_not_worse": one.p_not_worse,
                    "p_worse": one.p_worse,
                }
                for one in self.endpoints
            ],
        }


def points(share: float) -> str:
    """Return e.g. "1 point" of .01."""
    return f"{100 * share:g} point{'' if round(100 * share, 6) == 1 else 's'}"


def verdicts(
    truth: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    models: Mapping[str, NDArray[np.bool_]],
    labels: Sequence[str],
    patients: Sequence[str],
    *,
    exclusive: bool = True,
    margins: Margins = Margins(),
    draws: int = DRAWS,
) -> dict[str, ModelVerdict]:
    """Judge models against a reference by their answers for the same images.

    Args:
        truth: (n, labels), which labels each image has, n at least 1.
        reference: (n, labels), what the reference answers.
        models: name -> (n, labels), what each of the others answers.
        labels: names in column order.
        patients: (n,) names; each image its own where patients are not known.
        exclusive: whether exactly one label is true and one answered in each row; draws are then stratified by class.
        margins: the losses that would matter.
        draws: of the bootstrap.
    """
    found = measured(truth, reference, models, labels, patients, exclusive=exclusive, margins=margins, draws=draws)
    not_worse = holm({name: max(one.p_not_worse for one in ends) for name, ends in found.items()})
    worse = holm({name: min(1.0, len(ends) * min(one.p_worse for one in ends)) for name, ends in found.items()})
    return {
        name: _judged(ends, len(truth), not_worse[name], worse[name], margins, len(found))
        for name, ends in found.items()
    }


def measured(
    truth: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    models: Mapping[str, NDArray[np.bool_]],
    labels: Sequence[str],
    patients: Sequence[str],
    *,
    exclusive: bool = True,
    margins: Margins = Margins(),
    draws: int = DRAWS,
) -> dict[str, tuple[Endpoint, ...]]:
    """Return what the verdict about each model rests on, before any correction. Arguments as for `verdicts`."""
    everything = [reference, *models.values()]
    columns = np.concatenate([truth, *(part for one in everything for part in (truth & one, one))], axis=1)
    strata = truth.argmax(1) if exclusive else np.zeros(len(truth), int)
    drawn = drawn_sums(columns.astype(np.float64), patients, strata, draws=draws)
    # The images themselves stand before the draws of them.
    sums = np.concatenate([columns.sum(0, dtype=np.float64)[None], drawn])
    support, *parts = np.split(sums, sums.shape[1] // truth.shape[1], axis=1)
    pairs = {name: (parts[2 * n + 2], parts[2 * n + 3]) for n, name in enumerate(models)}
    _, patient = np.unique(np.asarray(patients), return_inverse=True)
    return {
        name: _endpoints(
            AnswerChanges(truth, reference, answer, patient, exclusive),
            support, (parts[0], parts[1]), pairs[name], labels, margins,
        )
        for name, answer in models.items()
    }  # fmt: skip


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """Return Holm's adjusted p of each name."""
    adjusted, largest = {}, 0.0
    for rank, name in enumerate(sorted(p, key=lambda one: p[one])):
        largest = max(largest, min(1.0, (len(p) - rank) * p[name]))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p}


def _judged(
    endpoints: tuple[Endpoint, ...], images: int, not_worse: float, worse: float, margins: Margins, models: int
) -> ModelVerdict:
    verdict = NOT_WORSE if not_worse <= LEVEL else WORSE if worse <= LEVEL else CANNOT_TELL
    decides, needed = max(endpoints, key=lambda one: one.p_not_worse), None
    if verdict == WORSE:
        decides = min(endpoints, key=lambda one: one.p_worse)
    if verdict == CANNOT_TELL:
        # The strictest level of Holm's: enough whatever the other models show.
        factors = [_needed(one, LEVEL / models) for one in endpoints]
        most = max(factors)
        decides = max(zip(factors, endpoints, strict=True), key=lambda pair: (pair[0], pair[1].p_not_worse))[1]
        needed = two_digits(images * most) if most < _MOST else None
    return ModelVerdict(verdict, images, needed, decides.name, margins, not_worse, worse, endpoints)


def two_digits(count: float) -> int:
    """Return a count rounded up to a number that does not look more exact than it is."""
    whole = math.ceil(count)
    step = 10 ** max(0, len(str(whole)) - 2)
    return -(-whole // step) * step


def _endpoints(
    linear: AnswerChanges,
    support: NDArray,
    before: tuple[NDArray, NDArray],
    after: tuple[NDArray, NDArray],
    labels: Sequence[str],
    margins: Margins,
) -> tuple[Endpoint, ...]:
    there = np.flatnonzero(support[0] > 0)
    f1 = [ratio(2 * hits, support + answered)[:, there].mean(1) for hits, answered in (before, after)]
    found = [_endpoint("macro-F1", margins.macro_f1, f1[1] - f1[0], linear.macro_f1())]
    for label in map(int, there):
        drawn = ratio(after[0][:, label] - before[0][:, label], support[:, label])
        found.append(_endpoint(f"{_RECALL}{labels[label]}", margins.recall, drawn, linear.recall(label)))
    return tuple(found)


def _endpoint(name: str, margin: float, values: NDArray, changes: WeightedChanges) -> Endpoint:
    """values: the difference, then its draws."""
    value, drawn = float(values[0]), values[1:]
    # The exact bounds hold for the linear part; what is measured stands in the middle of them.
    shift = value - (changes.won - changes.lost)
    low, high = changes.low() + shift, changes.high() + shift
    ends = interval(changes.middle() + shift)
    figure = Figure(value, max(-1.0, ends[0]), min(1.0, ends[1]))
    return Endpoint(
        name,
        margin,
        figure,
        max((1 + np.sum(drawn <= -margin)) / (len(drawn) + 1), float(np.mean(low <= -margin))),
        max((1 + np.sum(drawn >= -margin)) / (len(drawn) + 1), float(np.mean(high >= -margin))),
        changes,
    )


def _needed(endpoint: Endpoint, level: float) -> float:
    """Return how many times as many images decide, see `ModelVerdict`, at least 1; _MOST where more do not."""
    value, margin, changes = endpoint.difference.value, endpoint.margin, endpoint.changes
    shift = value - (changes.won - changes.lost)

    def decides(factor: float) -> bool:
        more = changes.times(factor)
        spare = _POWER * math.sqrt(more.variance)
        if value > -margin:
            return bool(np.quantile(more.low(), level) + shift - spare > -margin)
        return bool(np.quantile(more.high(), 1 - level) + shift + spare < -margin)

    if decides(1.0) or not decides(_MOST):
        return 1.0 if decides(1.0) else _MOST
    # Bisected on a logarithmic scale.
    few, many = 0.0, math.log(_MOST)
    while many - few > 0.04:
        middle = (few + many) / 2
        few, many = (few, middle) if decides(math.exp(middle)) else (middle, many)
    return math.exp(many)
