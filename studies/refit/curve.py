"""How many labelled patients are enough: files fitted on a few of them, judged on patients that took no part in any fit."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.errors import DataError, RefusedError
from studies.refit.ways import WAYS, Way, hits

if TYPE_CHECKING:
    from freezenet.benchmarks.localize.images import LocalImages
    from freezenet.benchmarks.localize.targets import Targets
    from freezenet.edge_runtime.classifier import Classifier

logger = logging.getLogger(__name__)


def learning_curve(
    classifier: Classifier, images: LocalImages, targets: Targets, *, sizes: Sequence[int], draws: int, seed: int = 0
) -> list[dict[str, Any]]:
    """Return for each size what files do that were fitted on so many patients of each class (JSON types).

    In each draw the patients of a class are put in random order: the first few fit, and those behind the largest size are judged, the same at all sizes.
    The whole file is judged, in its integers, and not the layer in float that the nested figures are of.

    Args:
        classifier: of the model.
        images: of the place.
        targets: what is asked for.
        sizes: patients of each class, in rising order.
        draws: how many.
        seed: of all draws.

    Returns:
        For each size "patients" of each class; "images" that fit, and "rest", those that are judged, by draw; "right" of each way, and "answered" and
        "wrong" of each way whose target so few images can show, by draw, None where they cannot; "file_refused", draws in which the file lost too much.
    """
    found: dict[int, list[dict[str, Any]]] = {size: [] for size in sizes}
    for draw in range(draws):
        order = _patients_in_order(images, max(sizes), np.random.default_rng([seed, draw]))
        rest = np.flatnonzero(np.isin(images.numbers, np.concatenate([one[max(sizes) :] for one in order])))
        for size in sizes:
            fitting = np.flatnonzero(np.isin(images.numbers, np.concatenate([one[:size] for one in order])))
            found[size].append(_judged(classifier, some(images, fitting), some(images, rest), targets))
            logger.info(
                f"draw {draw + 1} of {draws}: fitted on {size} patients of each class, judged on {len(rest)} images"
            )
    return [{"patients": size, **{key: [one[key] for one in rows] for key in rows[0]}} for size, rows in found.items()]


def _patients_in_order(images: LocalImages, most: int, rng: np.random.Generator) -> list[NDArray[np.integer]]:
    """Return the patients of each class, whose images the OOD gate lets pass, in random order; a patient is of the class of its first image."""
    patients, first = np.unique(images.numbers[images.passing], return_index=True)
    classes = images.truth[images.passing][first]
    order = [rng.permutation(patients[classes == number]) for number in np.unique(classes)]
    fewest = min(len(one) for one in order)
    if fewest <= most:
        raise DataError(
            f"More patients of each class than the largest size, {most}, are required, so that some are left to judge on. Got: {fewest} of a class; "
            "name smaller --sizes."
        )
    return order


def _judged(classifier: Classifier, images: LocalImages, rest: LocalImages, targets: Targets) -> dict[str, Any]:
    """Return what the three ways, chosen on some images, do with the rest."""
    from freezenet.benchmarks.localize.figures import outcome
    from freezenet.benchmarks.localize.head.local_head import LocalHead
    from freezenet.benchmarks.localize.rule import localized_rule
    from freezenet.train.metrics.figure import ratio

    head = LocalHead(classifier, images)
    every, spec = np.arange(len(images.truth)), classifier.card.preprocess
    result: dict[str, Any] = {"images": len(every), "rest": len(rest.truth), "spread": head.refitted.spread}
    shares: dict[str, dict[str, float | None]] = {"right": {}, "answered": {}, "wrong": {}}
    for way, labelled in zip(WAYS, (None, images, head.images), strict=True):
        rule, kept = classifier.rule, True
        if labelled is not None:
            # Where the images are too few for the target, the class that is named is that of temperature and bias alone.
            rule = localized_rule(
                classifier.rule, labelled.labelled(every), replace(targets, sensitivity=None, risk=None)
            )
            try:
                rule = localized_rule(classifier.rule, labelled.labelled(every), targets)
            except DataError:
                kept = False
        one = Way(rule, head.network if way == "refit" else None)
        seen = replace(rest, scores=one.scores(spec, rest.pixels, rest.scores))
        for name, (hit, among) in hits(seen, outcome(rule, seen)).items():
            value = round(float(ratio((hit & among).sum(), among.sum())), 6)
            shares[name][way] = value if kept or name == "right" else None
    try:
        head.judged(rule)
        refused = False
    except RefusedError:
        refused = True
    return {**result, **shares, "file_refused": refused}


def some(images: LocalImages, rows: NDArray[np.integer]) -> LocalImages:
    """Return those of the images with these numbers."""

    def of(values: Sequence[str]) -> tuple[str, ...]:
        return tuple(values[int(row)] for row in rows)

    return replace(
        images,
        files=of(images.files),
        scores=images.scores[rows],
        truth=images.truth[rows],
        patients=of(images.patients),
        refused=images.refused[rows],
        groups={group: of(values) for group, values in images.groups.items()},
        sources=of(images.sources),
        pixels=images.pixels[rows],
    )
