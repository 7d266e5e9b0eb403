"""A share of images, whole patients at a time: stratified by class, every label in it, seeded."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from freezenet.train.data.label_sets import strata

#: Shuffles that are tried for one in which every label is in the share; with scarce labels not every one does.
_SHUFFLES = 20
#: Equal folds that a share is made of, at most.
_FOLDS = 20
#: A choice that misses the asked number of images by less than this part of it is near enough.
_NEAR = 0.05


@dataclass(frozen=True)
class Wanted:
    """What is asked for.

    Args:
        share: of the images, between 0 and 1.
        seed: of the shuffle.
        behind: how many patients of each label must be left.
        labels: every label must be in the share and left behind.
    """

    share: float
    seed: int
    behind: int
    labels: frozenset[str]


def tolerance(images: int, patients: int, wanted: Wanted) -> float:
    """Return by how many images a choice may miss the share: those of a patient on average, or a twentieth of the share."""
    return max(images / patients, _NEAR * wanted.share * images)


def choose(
    classes: NDArray[np.str_], labels: NDArray[np.object_], patients: NDArray[np.str_], wanted: Wanted
) -> NDArray[np.integer]:
    """Return the rows of about a share of the images.

    Equal folds are stratified best, so the first choice of them that is near enough and holds every label is taken. They meet few
    shares; otherwise patients are taken one by one.

    Args:
        classes: (n,) texts.
        labels: (n,) the labels in each, as sequences.
        patients: (n,) names.
        wanted: the share.
    """
    target, near = wanted.share * len(classes), tolerance(len(classes), len(set(patients)), wanted)
    for taken in _by_folds(classes, patients, wanted):
        if abs(len(taken) - target) <= near and _holds_every_label(taken, labels, patients, wanted):
            return taken
    return _by_patients(classes, labels, patients, wanted)


def _holds_every_label(
    taken: NDArray[np.integer], labels: NDArray[np.object_], patients: NDArray[np.str_], wanted: Wanted
) -> bool:
    """Whether a choice has every label, and leaves enough patients of each behind."""
    left = np.setdiff1d(np.arange(len(labels)), taken)
    inside, behind = (patients_per_label(labels[rows], patients[rows]) for rows in (taken, left))
    return set(inside) == set(wanted.labels) == set(behind) and min(behind.values()) >= wanted.behind


def patients_per_label(labels: Iterable[Sequence[str]], patients: Iterable[str]) -> Counter[str]:
    """Count the patients of each label. labels: (n,) sequences. patients: (n,) names."""
    pairs = zip(labels, patients, strict=True)
    return Counter(label for label, _ in {(label, patient) for one, patient in pairs for label in one})


def _by_folds(classes: NDArray[np.str_], patients: NDArray[np.str_], wanted: Wanted) -> Iterator[NDArray[np.integer]]:
    """Yield choices made of equal folds: .2 is one of 5, .4 two of 5. None where no number of folds comes near the share."""
    # Of fewer patients than this the share would hold not even one.
    kinds = strata(classes.tolist(), patients.tolist(), 1 / wanted.share)
    most = min(_FOLDS, max(Counter(kinds).values()), len(set(patients)))
    ratio = Fraction(wanted.share).limit_denominator(most)
    missed = abs(ratio - wanted.share) * len(classes)
    if not 0 < ratio < 1 or missed > tolerance(len(classes), len(set(patients)), wanted):
        return
    for shuffle in range(_SHUFFLES):
        with warnings.catch_warnings():
            # A class with fewer patients than folds is spread as far as it goes; what it lacks is looked at afterwards.
            warnings.simplefilter("ignore", UserWarning)
            splitter = StratifiedGroupKFold(ratio.denominator, shuffle=True, random_state=wanted.seed + shuffle)
            folds = [taken for _, taken in splitter.split(kinds, kinds, patients)]
        for first in range(len(folds)):
            yield np.concatenate([folds[(first + more) % len(folds)] for more in range(ratio.numerator)])


def _by_patients(
    classes: NDArray[np.str_], labels: NDArray[np.object_], patients: NDArray[np.str_], wanted: Wanted
) -> NDArray[np.integer]:
    """Return a choice of patients one by one: first one of each label, the rarest first, then of the class that lacks most."""
    names, person = np.unique(patients, return_inverse=True)
    kinds, kind = np.unique(classes, return_inverse=True)
    images = np.zeros((len(names), len(kinds)))
    np.add.at(images, (person, kind), 1)
    known = sorted(wanted.labels)
    has = np.zeros((len(names), len(known)), bool)
    for row, one in zip(person, labels, strict=True):
        has[row, [known.index(label) for label in one]] = True
    sizes, target = images.sum(1), wanted.share * images.sum(0)
    order = np.random.default_rng(wanted.seed).permutation(len(names))  # ties are the lot's
    images, has, sizes = images[order], has[order], sizes[order]
    free = np.ones(len(names), bool)

    def may_go() -> NDArray[np.bool_]:
        """Which patients can be taken so that enough of each label stay."""
        last = has[free].sum(0) <= wanted.behind
        return free & ~has[:, last].any(1)

    for label in np.argsort(has.sum(0), kind="stable"):
        if not has[~free, label].any() and len(able := np.flatnonzero(may_go() & has[:, label])):
            room = max(1.0, wanted.share * float((sizes * has[:, label]).sum()))
            free[able[np.argmin(np.maximum(sizes[able] - room, 0))]] = False
    while True:
        lacking = target - images[~free].sum(0)
        gap = lacking.sum()
        able = np.flatnonzero(may_go() & (sizes < 2 * gap))  # what brings the number nearer
        if not len(able):
            return np.flatnonzero(np.isin(patients, names[order[~free]]))
        fitting = able[sizes[able] <= gap]
        # A patient of many images would take the share of a whole class.
        even = fitting[(images[fitting] <= np.maximum(lacking, 0) + 0.5).all(1)]
        fitting = even if len(even) else fitting
        if len(fitting):
            free[fitting[np.argmax(images[fitting] @ lacking / sizes[fitting])]] = False
        else:
            free[able[np.argmin(sizes[able])]] = False
