"""Three ways to answer the X-rays of another place: the file as it came, new thresholds alone, and a refitted last layer with new thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from freezenet.benchmarks.localize.figures import Outcome
    from freezenet.benchmarks.localize.head.local_head import LocalHead
    from freezenet.benchmarks.localize.images import LocalImages
    from freezenet.benchmarks.localize.targets import Targets
    from freezenet.edge_runtime.classifier import Classifier
    from freezenet.edge_runtime.decision import DecisionRule
    from freezenet.edge_runtime.images.preprocess import PreprocessSpec

#: In the order in which each is compared with the one before.
WAYS = ("before", "thresholds", "refit")


@dataclass(frozen=True)
class Way:
    """What stands in a file.

    Args:
        rule: of its card.
        network: of another last layer; None where it is that of the file as it came.
    """

    rule: DecisionRule
    network: bytes | None = None

    def scores(
        self, spec: PreprocessSpec, pixels: NDArray[np.uint8], as_it_came: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return the scores (n, classes) of pixels (n, h, w). as_it_came: those of the file as it came."""
        from freezenet.convert.scores import score_images
        from freezenet.edge_runtime.interpreter import Interpreter

        return as_it_came if self.network is None else score_images(Interpreter(self.network), spec, pixels)


def ways_of(classifier: Classifier, images: LocalImages, head: LocalHead, targets: Targets) -> dict[str, Way]:
    """Return the three ways as `freezenet localize` writes them, thresholds and last layer chosen on all of the images.

    Where the old layer cannot show a target, its thresholds come as near as possible, as in the nested figures of the command.

    Raises:
        DataError: the images are too few for a target with the new layer.
    """
    from freezenet.benchmarks.localize.rule import localized_rule

    every = np.arange(len(images.truth))
    old = localized_rule(classifier.rule, images.labelled(every), targets, strict=False)
    new = localized_rule(classifier.rule, head.images.labelled(every), targets)
    return {"before": Way(classifier.rule), "thresholds": Way(old), "refit": Way(new, head.network)}


def nested(classifier: Classifier, images: LocalImages, head: LocalHead, targets: Targets) -> dict[str, Any]:
    """Return the figures of the three ways, each image judged by what other patients chose, and their differences (JSON types).

    The answers are those of the command; here they are kept, because a difference needs both answers to each image.
    """
    from freezenet.benchmarks.localize.figures import crossfitted, outcome

    found = {
        "before": outcome(classifier.rule, images),
        "thresholds": crossfitted(classifier.rule, images, targets),
        "refit": crossfitted(classifier.rule, images, targets, rescored=head.rescored),
    }
    counted = {way: hits(images, one) for way, one in found.items()}
    return {
        "ways": {way: _figures(images, one) for way, one in counted.items()},
        "differences": {
            f"{after} against {before}": _differences(images, counted[before], counted[after])
            for before, after in pairwise(WAYS)
        },
    }


#: Name of a share -> which images (n,) count, and among which.
Hits = Mapping[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]]


def hits(images: LocalImages, found: Outcome) -> Hits:
    """Return what is "answered" of all images, what is "wrong" of that, and of how many that the OOD gate lets pass the class that is named is "right"."""
    right = found.answer == images.truth
    return {
        "answered": (found.answered, np.ones(len(right), bool)),
        "wrong": (found.answered & ~right, found.answered),
        "right": (right, ~images.refused),
    }


def _figures(images: LocalImages, counted: Hits) -> dict[str, dict[str, float]]:
    from freezenet.train.metrics.figure import share

    return {name: share(*one, images.patients, images.draws).to_dict() for name, one in counted.items()}


def _differences(images: LocalImages, before: Hits, after: Hits) -> dict[str, dict[str, float]]:
    """Return how much larger each share is after; both see the same draws of patients."""
    from freezenet.train.metrics.figure import Figure, interval, ratio

    result = {}
    for name in after:
        drawn = [
            ratio(images.draws @ (hit & among), images.draws @ among) for hit, among in (before[name], after[name])
        ]
        value = [ratio((hit & among).sum(), among.sum()) for hit, among in (before[name], after[name])]
        result[name] = Figure(float(value[1] - value[0]), *interval(drawn[1] - drawn[0])).to_dict()
    return result
