"""Every variant on the same test images, and the paired difference of each to float32."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.benchmarks.evaluate import JudgedImages, judged_images, model_scores
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.system.environment import environment
from freezenet.train.files import read_json
from freezenet.train.metrics.figure import Figure, interval, patient_draws
from freezenet.train.metrics.matrices import label_matrices, macro_f1, recall, subset_accuracy
from freezenet.train.task import task_of

#: What the others are compared with.
REFERENCE = "float32"


def compare(models: Path, data: str | Path | None = None, threads: int = 1) -> dict[str, Any]:
    """Compare the variants of a MODELS folder on the test side of DATA (default: where it lay at the training).

    Returns JSON types: "variants" (per variant: file, bytes, the figures of `freezenet.train.task.Task.evaluate`, and against float32:
    paired differences of accuracy, macro-F1 and each recall, McNemar's test, flipped images), "environment".
    """
    conversion = read_json(models / "conversion.json")
    names = list(conversion["variants"])
    if REFERENCE not in names:
        raise FreezenetError(f"A folder with {REFERENCE}.tflite is required, to compare with. Got: {', '.join(names)}.")
    classifiers = {name: Classifier(models / conversion["variants"][name]["file"], threads) for name in names}
    card = classifiers[REFERENCE].card
    task, labels = task_of(card.content), card.labels
    judged = judged_images(data or conversion["data"], models / "splits.csv", task.name)
    truth = task.truth(judged.truth, labels)
    pixels = judged.pixels(card.preprocess)
    found = {name: _Found.of(classifier, pixels) for name, classifier in classifiers.items()}
    reference = found[REFERENCE]
    variants = {}
    for name, classifier in classifiers.items():
        variants[name] = {
            "file": classifier.path.name,
            "bytes": classifier.path.stat().st_size,
            "runtime": classifier.runtime,
            **task.evaluate(truth, found[name].answers, labels, judged.patients),
        }
        if name != REFERENCE:
            variants[name]["against_float32"] = paired(
                truth, reference.answers, found[name].answers, labels, judged.patients
            )
            variants[name]["flipped"] = _flipped(judged, labels, reference, found[name])
    return {
        "reference": REFERENCE,
        "side": judged.split,
        "images": len(truth),
        "data_root": str(judged.dataset.root.resolve()),
        "variants": variants,
        "environment": environment(),
    }


@dataclass(frozen=True)
class _Found:
    """answers: (n, classes) bool, which labels are answered. confidence: (n,) of the answers."""

    answers: NDArray[np.bool_]
    confidence: NDArray[np.float64]

    @classmethod
    def of(cls, classifier: Classifier, pixels: NDArray[np.uint8]) -> _Found:
        rule = classifier.rule
        probabilities = rule.probabilities(model_scores(classifier, pixels))
        answers = rule.chosen(probabilities)
        return cls(answers, rule.certainties(probabilities, answers).min(-1))


def paired(
    truth: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    answer: NDArray[np.bool_],
    labels: tuple[str, ...],
    patients: tuple[str, ...],
) -> dict[str, Any]:
    """Return what changed from `reference` to `answer`, (n, classes) bool: which labels are answered for the same images.

    Differences are answer - reference with 95 % intervals from a bootstrap that draws the same patients for both. An answer is
    right where it holds exactly the labels of the truth; a multi-class answer holds one.
    mcnemar: exact two-sided p of the images that exactly one of the two gets right (McNemar 1947).
    """
    draws = patient_draws(patients)
    # The images themselves before the draws of them.
    weights = np.concatenate([np.ones((1, len(truth))), draws])
    before, after = (label_matrices(truth, one, weights) for one in (reference, answer))
    right_before, right_after = ((one == truth).all(1) for one in (reference, answer))

    def difference(values: NDArray) -> dict[str, float]:
        return Figure(float(values[0]), *interval(values[1:])).to_dict()

    recalls = recall(after) - recall(before)
    only_reference = int(np.sum(right_before & ~right_after))
    only_answer = int(np.sum(~right_before & right_after))
    return {
        "accuracy": difference(subset_accuracy(right_after, weights) - subset_accuracy(right_before, weights)),
        "macro_f1": difference(macro_f1(after) - macro_f1(before)),
        "recall": {label: difference(recalls[:, one]) for one, label in enumerate(labels)},
        "only_float32_right": only_reference,
        "only_this_right": only_answer,
        "mcnemar_p": _mcnemar(only_reference, only_answer),
        "flipped": int((reference != answer).any(1).sum()),
    }


def _mcnemar(first: int, second: int) -> float:
    from scipy.stats import binomtest

    return float(binomtest(first, first + second).pvalue) if first + second else 1.0


def _flipped(judged: JudgedImages, labels: tuple[str, ...], reference: _Found, found: _Found) -> list[dict[str, Any]]:
    """Return the images with another answer; a score is the answer's confidence."""
    texts = {
        name: judged.dataset.task.texts(one.answers, labels) for name, one in (("float32", reference), ("this", found))
    }
    return [
        {
            "file": judged.dataset.samples[row].file,
            "class": judged.dataset.samples[row].label,
            "float32": texts["float32"][row],
            "this": texts["this"][row],
            "float32_score": round(float(reference.confidence[row]), 4),
            "this_score": round(float(found.confidence[row]), 4),
        }
        for row in np.flatnonzero((reference.answers != found.answers).any(1))
    ]
