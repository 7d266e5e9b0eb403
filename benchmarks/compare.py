"""Every variant on the same test images, and the paired difference of each to float32."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.evaluate import TestSide, choose_side, class_numbers, model_scores
from edge_runtime.classifier import Classifier
from edge_runtime.environment import environment
from edge_runtime.errors import FreezenetError
from train.files import read_json
from train.metrics import (
    Figure,
    accuracy,
    confusion_matrix,
    drawn_matrices,
    evaluate,
    interval,
    macro_f1,
    patient_draws,
    recall,
)

#: What the others are compared with.
REFERENCE = "float32"


def compare(models: Path, data: str | Path | None = None, threads: int = 1) -> dict[str, Any]:
    """Compare the variants of a MODELS folder on the test side of DATA (default: where it lay at the training).

    Returns JSON types: "variants" (per variant: file, bytes, the figures of `train.metrics.evaluate`, and against float32:
    paired differences of accuracy, macro-F1 and each recall, McNemar's test, flipped images), "environment".
    """
    conversion = read_json(models / "conversion.json")
    names = list(conversion["variants"])
    if REFERENCE not in names:
        raise FreezenetError(f"A folder with {REFERENCE}.tflite is required, to compare with. Got: {', '.join(names)}.")
    side = choose_side(data or conversion["data"], models / "splits.csv")
    classifiers = {name: Classifier(models / conversion["variants"][name]["file"], threads) for name in names}
    labels = classifiers[REFERENCE].card.labels
    truth = class_numbers(side, labels)
    scores = {name: model_scores(classifier, side) for name, classifier in classifiers.items()}
    answers = {name: found.argmax(1) for name, found in scores.items()}
    variants = {}
    for name, classifier in classifiers.items():
        variants[name] = {
            "file": classifier.path.name,
            "bytes": classifier.path.stat().st_size,
            "runtime": classifier.runtime,
            **evaluate(truth, answers[name], labels, side.patients),
        }
        if name != REFERENCE:
            variants[name]["against_float32"] = paired(truth, answers[REFERENCE], answers[name], labels, side.patients)
            variants[name]["flipped"] = _flipped(side, labels, scores[REFERENCE], scores[name])
    return {
        "reference": REFERENCE,
        "side": side.side,
        "images": len(truth),
        "data_root": str(side.dataset.root.resolve()),
        "variants": variants,
        "environment": environment(),
    }


def paired(
    truth: NDArray, reference: NDArray, answer: NDArray, labels: tuple[str, ...], patients: tuple[str, ...]
) -> dict[str, Any]:
    """Return what changed from `reference` to `answer` (class numbers of the same images).

    Differences are answer - reference with 95 % intervals from a bootstrap that draws the same patients for both.
    mcnemar: exact two-sided p of the images that exactly one of the two gets right (McNemar 1947).
    """
    classes = len(labels)
    draws = patient_draws(patients)
    before, after = (confusion_matrix(truth, one, classes) for one in (reference, answer))
    drawn_before, drawn_after = (drawn_matrices(truth, one, classes, draws) for one in (reference, answer))

    def difference(of: Callable[[NDArray], NDArray]) -> dict[str, float]:
        low, high = interval(of(drawn_after) - of(drawn_before))
        return Figure(float(of(after) - of(before)), low, high).to_dict()

    only_reference = int(np.sum((reference == truth) & (answer != truth)))
    only_answer = int(np.sum((reference != truth) & (answer == truth)))
    return {
        "accuracy": difference(accuracy),
        "macro_f1": difference(macro_f1),
        "recall": {label: difference(partial(_class_recall, one=one)) for one, label in enumerate(labels)},
        "only_float32_right": only_reference,
        "only_this_right": only_answer,
        "mcnemar_p": _mcnemar(only_reference, only_answer),
        "flipped": int(np.sum(reference != answer)),
    }


def _class_recall(matrix: NDArray, one: int) -> NDArray:
    return recall(matrix)[..., one]


def _mcnemar(first: int, second: int) -> float:
    from scipy.stats import binomtest

    return float(binomtest(first, first + second).pvalue) if first + second else 1.0


def _flipped(side: TestSide, labels: tuple[str, ...], reference: NDArray, found: NDArray) -> list[dict[str, Any]]:
    return [
        {
            "file": side.dataset.samples[row].file,
            "class": side.truth[row],
            "float32": labels[int(reference[row].argmax())],
            "this": labels[int(found[row].argmax())],
            "float32_score": round(float(reference[row].max()), 4),
            "this_score": round(float(found[row].max()), 4),
        }
        for row in np.flatnonzero(reference.argmax(1) != found.argmax(1))
    ]
