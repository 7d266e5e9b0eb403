"""The last layer of a model refitted to a clinic's images: which images it takes, the network with it, and what has to be said of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from freezenet.benchmarks.localize.figures import Outcome
from freezenet.benchmarks.localize.head.history import refits
from freezenet.benchmarks.localize.head.refit import HeadFitter, Refitted
from freezenet.benchmarks.localize.head.sentences import ENOUGH, LEAST, SOURCE_TELLS
from freezenet.benchmarks.localize.images import LocalImages
from freezenet.benchmarks.localize.rule import require_two_classes
from freezenet.benchmarks.localize.targets import Targets
from freezenet.benchmarks.localize.weighted import WeightedImages
from freezenet.convert.acceptance import ValidationScores, judge_scores
from freezenet.convert.head import HeadOfFile
from freezenet.convert.package.metadata import without_files
from freezenet.convert.scores import score_images
from freezenet.convert.variants import Variant
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.decision import DecisionRule
from freezenet.edge_runtime.errors import DataError, RefusedError
from freezenet.edge_runtime.interpreter import Interpreter
from freezenet.train.metrics.sources import SourceTable, source_table

_CAUSE = (
    "weights of the new last layer that do not fit the types of the file; localize another variant, such as float32"
)
_LABEL_MORE = f"{SOURCE_TELLS} Label images of each class from the same place."


class LocalHead:
    """A head for one clinic.

    Args:
        classifier: of the model.
        images: of the clinic; those that the OOD gate refuses fit nothing.

    Raises:
        DataError: a class has images of fewer than LEAST patients, but some, or fewer than two classes have any.
        ModelError: the scores are not the softmax of one dense layer.
    """

    def __init__(self, classifier: Classifier, images: LocalImages) -> None:
        """Let the network read the images once."""
        self._classifier, self._images = classifier, images
        self._require_labels()
        network, _ = without_files(classifier.file.content)
        self._of_file = HeadOfFile(network, classifier.card.outputs, classifier.path.name)
        old, steps = self._of_file.head, self._of_file.score_steps
        self._features = self._of_file.read(classifier.card.preprocess, images.pixels)
        self._fitter = HeadFitter(old, self._features, images.truth, images.numbers, steps)

    @cached_property
    def refitted(self) -> Refitted:
        """The head that all images fitted."""
        return self._fitter.fitted(self._images.passing)

    @property
    def images(self) -> LocalImages:
        """The images with out-of-fold scores: each by a head that its patient did not fit."""
        return replace(self._images, scores=self.refitted.scores)

    def rescored(self, rows: NDArray[np.integer]) -> LocalImages:
        """Return the images with scores of heads that some of them fitted: of those out-of-fold, of the others by the head of all of those."""
        return replace(self._images, scores=self._fitter.fitted(rows[~self._images.refused[rows]]).scores)

    @cached_property
    def network(self) -> bytes:
        """The network with the new head."""
        rows, spec = self._images.passing, self._classifier.card.preprocess
        return self._of_file.replaced(self.refitted.head, spec, self._images.pixels[rows], self._features[rows])

    def judged(self, rule: DecisionRule) -> dict[str, Any]:
        """Compare the network with the head in float on the same features: its classes by the rules of a conversion, and what the new rule makes of both.

        Returns:
            JSON types: the verdict of `freezenet.convert.acceptance` on the most probable classes, which do not depend on what the clinic asks for, and
            "decisions": "same", the share of images with the same answer or "uncertain" as by the head in float on the file's grid of scores, with
            "answered_float" and "answered" images.

        Raises:
            RefusedError: it lost too much.
        """
        card, rows = self._classifier.card, self._images.passing
        pixels, logits = self._images.pixels[rows], self.refitted.head.logits(self._features[rows])
        found = score_images(Interpreter(self.network), card.preprocess, pixels)
        local = ValidationScores(
            pixels=pixels,
            expected=softmax(logits, axis=1).astype(np.float32),
            truth=self._images.truth[rows][:, None] == np.arange(len(card.labels)),
            labels=card.labels,
            patients=tuple(np.asarray(self._images.patients)[rows].tolist()),
            kind="local",
            cause=_CAUSE,
        )
        verdict = judge_scores(Variant(card.variant, "", card.content["arithmetic"]), found, local)
        expected, decided = (_decisions(rule, scores) for scores in (self._fitter.rounded(logits), found))
        same = float((expected == decided).mean())
        refused = verdict.refused or (
            f"fewer than {verdict.limits.agreement:.0%} of {len(rows)} images keep their answer by the new rule ({same:.1%}); likely cause: {_CAUSE}"
            if same < verdict.limits.agreement
            else None
        )
        if refused:
            raise RefusedError(
                f"A file that answers like its refitted last layer in float is required. Got: {self._classifier.path.name}: {refused}."
            )
        answered = {"answered_float": int((expected >= 0).sum()), "answered": int((decided >= 0).sum())}
        return {**verdict.to_dict(), "decisions": {"same": round(same, 6), **answered}}

    def facts(self) -> dict[str, Any]:
        """Return what a card and a page say of the fit (JSON types).

        "earlier": refits before this one; "kept": classes without an image, "refused": those of whose images the OOD gate lets none pass, "few": class
        -> patients where they are fewer than ENOUGH; "sources": what the sources of the images mean, "source_tells": whether they predict the class.
        """
        patients, there, table = self._patients, np.unique(self._images.truth), self._table
        unfit = [number for number, label in enumerate(self._images.labels) if not patients[label]]
        return {
            "images": len(self._images.passing),
            "patients": len(set(np.asarray(self._images.patients)[self._images.passing])),
            "patients_known": self._images.patients_known,
            "data_sha256": self._images.digest,
            "from_sha256": self._classifier.file.sha256,
            "earlier": refits(self._classifier.card),
            "features": int(self._features.shape[1]),
            "factor": round(self.refitted.factor, 6),
            "spread": self.refitted.spread,
            "losses": {f"{spread:g}": round(loss, 6) for spread, loss in self.refitted.losses.items()},
            "kept": [self._images.labels[number] for number in unfit if number not in there],
            "refused": [self._images.labels[number] for number in unfit if number in there],
            "few": {label: count for label, count in patients.items() if 0 < count < ENOUGH},
            "places": len(table.names),
            "source_tells": table.predicts,
            "sources": f"{table.elsewhere} {_LABEL_MORE}".strip() if table.predicts else table.elsewhere,
        }

    @property
    def _patients(self) -> dict[str, int]:
        images, names = self._images, np.asarray(self._images.patients)
        return {
            label: len(set(names[(images.truth == number) & ~images.refused]))
            for number, label in enumerate(images.labels)
        }

    def _require_labels(self) -> None:
        require_two_classes(self._images.truth[self._images.passing])
        scarce = {label: count for label, count in self._patients.items() if 0 < count < LEAST}
        if scarce:
            named = ", ".join(f"{count} of {label}" for label, count in scarce.items())
            raise DataError(
                f"Images of at least {LEAST} patients of each class, which the OOD gate lets pass, are required by --refit-head; {ENOUGH} are "
                f"better. Got: {named}; label more, leave the class out of DATA, or localize without refitting."
            )

    @property
    def _table(self) -> SourceTable:
        """Class -> source -> images that fit the layer. Only what follows from it leaves: what the sources are called stays in the house."""
        images = self._images
        seen = [(images.labels[images.truth[row]], images.sources[row]) for row in images.passing]
        labels, names = ({one[place]: 0 for one in sorted(seen)} for place in (0, 1))
        counts = Counter(seen)
        return source_table({label: {name: counts[label, name] for name in names} for label in labels})


def _decisions(rule: DecisionRule, scores: NDArray[np.float32]) -> NDArray[np.integer]:
    """Return the number (n,) of the class that is answered, -1 of "uncertain"."""
    probabilities = rule.probabilities(scores)
    chosen = rule.chosen(probabilities)
    return np.where(rule.sure(probabilities, chosen), chosen.argmax(-1), -1)


def against_old_head(images: LocalImages, old: Outcome, new: Outcome, targets: Targets) -> dict[str, Any]:
    """Return how often the class that is named, or would be if it were sure, is right, of the images that the OOD gate lets pass (JSON types).

    Args:
        images: n of them.
        old: with the old head and new thresholds.
        new: with the new head; both by what other patients chose.
        targets: with how frequent the classes will be.
    """
    weighted, passing = WeightedImages(images, targets.prevalence), ~images.refused
    before, after = (one.answer == images.truth for one in (old, new))
    return {
        "right": {
            "old": weighted.share(before, passing).to_dict(),
            "new": weighted.share(after, passing).to_dict(),
            "difference": weighted.difference(before, after, passing).to_dict(),
        }
    }
