"""What a device answers about images of other places, per source and in all: answers, abstentions, refusals, wrong confidence.

Accuracy alone flatters a model there: it counts the most probable class of each image, also of one about which the device says nothing.
Images of classes that the model does not have count, too: to say nothing is the right answer to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.benchmarks.evaluate import JudgedImages, decide_all, elsewhere_sentence
from freezenet.benchmarks.quality.images import KnownImages
from freezenet.benchmarks.quality.slices import slice_columns
from freezenet.benchmarks.quality.summary import quality
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.decision import NOT_CHEST, Decision
from freezenet.train.answers.calibration import Decided, error_figure
from freezenet.train.metrics.draws import patient_draws
from freezenet.train.metrics.figure import Figure, share


@dataclass(frozen=True)
class Answers:
    """What one model decided about n images of known truth.

    Args:
        scores: (n, labels) float32.
        truth: (n, labels) bool; nothing is true of an image of a class that the model does not have.
        known: (n,) bool, whether the model has all labels of the image.
        answered: (n,) bool, whether the device names an answer.
        refused: (n,) bool, whether the OOD gate says that it is no chest X-ray.
        gated: whether there is an OOD gate.
        silent: whether the device can keep silent about an image at all, by a gate or by a threshold.
        decided: of the images that are known: whether the most probable answer is right, and its probability.
    """

    scores: NDArray[np.float32]
    truth: NDArray[np.bool_]
    known: NDArray[np.bool_]
    answered: NDArray[np.bool_]
    refused: NDArray[np.bool_]
    gated: bool
    silent: bool
    decided: Decided

    @classmethod
    def of(cls, classifier: Classifier, judged: JudgedImages) -> Answers:
        """Let the device decide about all images."""
        return cls.from_decisions(
            classifier, judged, *decide_all(classifier, judged.pixels(classifier.card.preprocess))
        )

    @classmethod
    def from_decisions(
        cls, classifier: Classifier, judged: JudgedImages, scores: NDArray[np.float32], decisions: Sequence[Decision]
    ) -> Answers:
        """Set decisions about the images beside their truth."""
        labels, task = classifier.card.labels, judged.dataset.task
        known = np.array([set(task.labels_of(text)) <= set(labels) for text in judged.truth])
        truth = np.zeros((len(known), len(labels)), bool)
        if known.any():
            truth[known] = task.truth([text for text, one in zip(judged.truth, known, strict=True) if one], labels)
        return cls(
            scores,
            truth,
            known,
            np.array([one.reason is None for one in decisions]),
            np.array([one.reason == NOT_CHEST for one in decisions]),
            classifier.rule.gate is not None,
            classifier.rule.gate is not None or classifier.rule.abstains,
            Decided.by(classifier.rule, scores, truth),
        )


def evaluate_everywhere(classifier: Classifier, judged: JudgedImages, slices: Sequence[str] = ()) -> dict[str, Any]:
    """Return the figures of `freezenet.benchmarks.evaluate.evaluate_model` over the images whose class the model has, and what the device answers per source.

    "everywhere", "by_source" and "unknown_classes" are those of the functions of these names; where the model has no class of the data, they
    are all there is. "images" counts the images of classes that the model has. slices: columns of DATA, beside class and source.
    """
    columns = slice_columns(judged.dataset, slices)
    found = Answers.of(classifier, judged)
    labels, task, known = classifier.card.labels, judged.dataset.task, np.flatnonzero(found.known)
    figures: dict[str, Any] = {"images": len(known)}
    if len(known):
        answers = classifier.rule.answers(found.scores[known])
        patients = [judged.patients[row] for row in known]
        draws = patient_draws(patients)
        figures |= task.evaluate(found.truth[known], answers, labels, patients, draws)
        of_known = {name: [cells[row] for row in known] for name, cells in columns.items()}
        images = KnownImages(found.truth[known], labels, patients, draws, of_known)
        figures |= quality(images, classifier.rule, found.scores[known])
    return {
        "model": classifier.path.name,
        "runtime": classifier.runtime,
        "side": judged.split,
        "took_part": judged.took_part,
        "elsewhere": elsewhere_sentence(classifier.card),
        **figures,
        "everywhere": everywhere(found, judged),
        "by_source": by_source(found, judged),
        "unknown_classes": unknown_classes(found, judged),
    }


def everywhere(answers: Answers, judged: JudgedImages) -> dict[str, Any]:
    """Return the figures of all images (JSON types).

    "refused" is the share that the OOD gate refuses, "answered" the share that is answered, both of all "images". Of the images whose
    class the model has ("known"): "accuracy" of the most probable class, "coverage", "accuracy_answered", and "calibration_error". Of the others ("unknown"): "answered_wrong", the share about which the device does not keep silent.
    Figures of no image are left out; None are those of silence where the device never keeps silent.
    """
    return _figures(answers, judged, np.ones(len(judged.truth), bool))


def by_source(answers: Answers, judged: JudgedImages) -> dict[str, dict[str, Any]]:
    """Return the figures of `everywhere` for each source, under "" those of images of none; {} where no image has one (JSON types)."""
    sources = np.array([sample.source for sample in judged.dataset.samples])
    names = sorted(set(sources.tolist()))
    return {name: _figures(answers, judged, sources == name) for name in names if names != [""]}


def unknown_classes(answers: Answers, judged: JudgedImages) -> dict[str, dict[str, Any]]:
    """Return for each class that the model does not have its images, the share answered, and what they were answered as (JSON)."""
    texts, patients, draws = np.array(judged.truth), judged.patients, judged.draws
    found: dict[str, dict[str, Any]] = {}
    for text in sorted(set(texts[~answers.known].tolist())):
        there = (texts == text) & ~answers.known
        found[text] = {
            "images": int(there.sum()),
            "refused": share(answers.refused, there, patients, draws).to_dict() if answers.gated else None,
            "answered_wrong": share(answers.answered, there, patients, draws).to_dict(),
        }
    return found


def _figures(answers: Answers, judged: JudgedImages, there: NDArray[np.bool_]) -> dict[str, Any]:
    def of(hit: NDArray[np.bool_], among: NDArray[np.bool_]) -> dict[str, float]:
        return share(hit, among, judged.patients, judged.draws).to_dict()

    known, unknown = there & answers.known, there & ~answers.known
    found: dict[str, Any] = {
        "images": int(there.sum()),
        "refused": of(answers.refused, there) if answers.gated else None,
        "answered": of(answers.answered, there) if answers.silent else None,
        "known": int(known.sum()),
        "unknown": int(unknown.sum()),
    }
    if known.any():
        right = answers.decided.correct
        decided = answers.decided.some(known)
        of_known = patient_draws(np.array(judged.patients)[known].tolist())
        found |= {
            "accuracy": of(right, known),
            "coverage": of(answers.answered, known) if answers.silent else None,
            "accuracy_answered": of(right, known & answers.answered) if answers.silent else None,
            "calibration_error": error_figure(decided, of_known).to_dict(),
        }
    if unknown.any():
        found["answered_wrong"] = of(answers.answered, unknown)
    return found


def source_rows(figures: dict[str, Any]) -> Iterable[list[str]]:
    """Yield the rows of a table of `evaluate_everywhere`, in the order of HEADINGS: each source, then all of them."""
    named = [(name or "(none)", one) for name, one in figures["by_source"].items()]
    for name, one in (*named, ("(all)", figures["everywhere"])):
        yield [name, str(one["images"]), *(str(Figure(**one[key])) if one.get(key) else "-" for key in HEADINGS)]


#: Key of `everywhere` -> heading.
HEADINGS = {
    "accuracy": "most probable class right",
    "coverage": "answered",
    "accuracy_answered": "right of answered",
    "refused": "refused by the OOD gate",
    "calibration_error": "calibration error",
    "answered_wrong": "unknown classes answered",
}
