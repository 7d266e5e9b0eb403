"""The last layer of a model refitted to a clinic's images: which images it takes, the network with it, and what has to be said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.benchmarks.localize.figures import Outcome
from freezenet.benchmarks.localize.images import LocalImages
from freezenet.benchmarks.localize.refit import HeadFitter, Refitted
from freezenet.convert.acceptance import ValidationScores, Verdict, judge
from freezenet.convert.head import HeadOfFile
from freezenet.convert.package.metadata import without_files
from freezenet.convert.variants import Variant
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import DataError, RefusedError
from freezenet.edge_runtime.names import counted
from freezenet.train.metrics.figure import share
from freezenet.train.metrics.paired import PairedAnswers
from freezenet.train.metrics.sources import source_table

#: Patients of each class below which no head is fitted, and below which it is said that they are few.
LEAST, ENOUGH = 10, 40
_CAUSE = (
    "weights of the new last layer that do not fit the types of the file; localize another variant, such as float32"
)


class LocalHead:
    """A head for one clinic.

    Args:
        classifier: of the model.
        images: of the clinic; those that the OOD gate refuses fit nothing.

    Raises:
        DataError: a class has images of fewer than LEAST patients, but some.
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

    def judged(self, confidence: Mapping[str, Any]) -> Verdict:
        """Compare the network's answers with those of the head in float on the same features, by the rules of a conversion.

        confidence: of the new card.

        Raises:
            RefusedError: it lost too much.
        """
        card, rows = self._classifier.card, self._images.passing
        local = ValidationScores(
            pixels=self._images.pixels[rows],
            expected=self.refitted.head.scores(self._features[rows]).astype(np.float32),
            truth=self._images.truth[rows][:, None] == np.arange(len(card.labels)),
            labels=card.labels,
            patients=tuple(np.asarray(self._images.patients)[rows].tolist()),
            decision={"confidence": dict(confidence)},
            kind="local",
            cause=_CAUSE,
        )
        variant = Variant(card.variant, "", card.content["arithmetic"])
        verdict = judge(variant, self.network, card.preprocess, local)
        if verdict.refused:
            raise RefusedError(
                f"A file that answers like its refitted last layer in float is required. Got: {self._classifier.path.name}: {verdict.refused}."
            )
        return verdict

    def facts(self) -> dict[str, Any]:
        """Return what a card and a page say of the fit (JSON types).

        "kept": classes without an image, "few": class -> patients where they are fewer than ENOUGH; "sources": what the sources of the images mean.
        """
        patients = self._patients
        return {
            "images": len(self._images.passing),
            "patients": len(set(np.asarray(self._images.patients)[self._images.passing])),
            "data_sha256": self._images.digest,
            "features": int(self._features.shape[1]),
            "factor": round(self.refitted.factor, 6),
            "spread": self.refitted.spread,
            "losses": {f"{spread:g}": round(loss, 6) for spread, loss in self.refitted.losses.items()},
            "kept": [label for label, count in patients.items() if not count],
            "few": {label: count for label, count in patients.items() if 0 < count < ENOUGH},
            "sources": self._sources(),
        }

    @property
    def _patients(self) -> dict[str, int]:
        images, names = self._images, np.asarray(self._images.patients)
        return {
            label: len(set(names[(images.truth == number) & ~images.refused]))
            for number, label in enumerate(images.labels)
        }

    def _require_labels(self) -> None:
        scarce = {label: count for label, count in self._patients.items() if 0 < count < LEAST}
        if scarce:
            named = ", ".join(f"{count} of {label}" for label, count in scarce.items())
            raise DataError(
                f"Images of at least {LEAST} patients of each class, which the OOD gate lets pass, are required by --refit-head; {ENOUGH} are "
                f"better. Got: {named}; label more, leave the class out of DATA, or localize without refitting."
            )

    def _sources(self) -> str:
        images = self._images
        names = sorted(set(images.sources))
        present = [number for number in range(len(images.labels)) if (images.truth == number).any()]
        # Counts alone: what the sources are called stays in the house.
        table = source_table({
            images.labels[number]: {
                name: sum(one == name for one, truth in zip(images.sources, images.truth, strict=True) if truth == number)
                for name in names
            }
            for number in present
        })  # fmt: skip
        if not table.predicts:
            return table.elsewhere
        return (
            f"{table.elsewhere} Where an image comes from tells its class here, so the layer may have learned the place instead of the finding: label "
            "images of each class from the same place."
        ).strip()


def few_sentence(few: Mapping[str, int]) -> str:
    """Return what is to be said of classes with few patients, "" where there are none."""
    if not few:
        return ""
    named = ", ".join(f"{label} {counted(count, 'patient')}" for label, count in few.items())
    return f"Few images to refit a last layer on: {named}; {ENOUGH} of each class are better."


def kept_sentence(kept: list[str]) -> str:
    """Return what is to be said of classes without an image, "" where there are none."""
    if not kept:
        return ""
    return (
        f"No image of {', '.join(kept)}: their part of the last layer stays what it was. Layer and rule take for rare what these images do not show, so that the file will "
        "hardly ever name these classes and will call such X-rays something else; label images of each class that occurs."
    )


def against_old_head(images: LocalImages, old: Outcome, new: Outcome) -> dict[str, Any]:
    """Return how often the class that is named, or would be if it were sure, is right, of the images that the OOD gate lets pass (JSON types).

    Args:
        images: n of them.
        old: with the old head and new thresholds.
        new: with the new head; both by what other patients chose.
    """
    rows = images.passing
    patients = [images.patients[row] for row in rows]
    numbers = np.arange(len(images.labels))
    truth, before, after = (one[rows][:, None] == numbers for one in (images.truth, old.answer, new.answer))
    everyone = np.ones(len(rows), bool)
    pair = PairedAnswers(truth, before, after, patients)
    return {
        "right": {
            "old": share((before & truth).any(1), everyone, patients).to_dict(),
            "new": share((after & truth).any(1), everyone, patients).to_dict(),
            "difference": pair.accuracy().to_dict(),
        }
    }
