"""Accuracy of one `.tflite` file through the edge runtime."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import FreezenetError
from freezenet.train.data.dataset import Dataset
from freezenet.train.data.images import read_images
from freezenet.train.data.loading import load
from freezenet.train.data.split import read_splits
from freezenet.train.progress import track
from freezenet.train.task import MultiClass


@dataclass(frozen=True)
class TestSide:
    """The images a model is judged on. truth: class names, or texts of label sets. patients: names. side: "test" or "all"."""

    dataset: Dataset
    truth: tuple[str, ...]
    patients: tuple[str, ...]
    side: str


def choose_side(data: str | Path, splits: Path | None, task: str = MultiClass.name) -> TestSide:
    """Return the test side of DATA by a splits.csv, or all of DATA where `splits` is None; one class is enough.

    task: of the model, see `freezenet.train.task`.
    Raises FreezenetError where a test image of the split is not in DATA.
    """
    dataset = load(data, task, least_classes=1)
    side = "all"
    if splits is not None:
        test = {row["file"] for row in read_splits(splits) if row["split"] == "test"}
        rows = [number for number, sample in enumerate(dataset.samples) if sample.file in test]
        if len(rows) != len(test):
            raise FreezenetError(
                f"The data that the model was trained on is required. Got: {data} with {len(rows)} of the {len(test)} test "
                f"images in {splits}; freezenet evaluate --all takes all images of other data."
            )
        dataset, side = dataset.only(rows), "test"
    return TestSide(
        dataset,
        tuple(sample.label for sample in dataset.samples),
        tuple(sample.patient for sample in dataset.samples),
        side,
    )


def model_scores(classifier: Classifier, side: TestSide) -> NDArray[np.float32]:
    """Return the model's scores (n, classes) of every image, through the device's preprocessing."""
    pixels = read_images(side.dataset, classifier.card.preprocess).pixels
    title = f"Running {classifier.path.name}"
    return np.concatenate([classifier.scores(image[None]) for image in track(pixels, title, len(pixels))])


def evaluate_model(classifier: Classifier, side: TestSide) -> dict[str, Any]:
    """Return `freezenet.train.task.Task.evaluate` of one model's answers, abstaining left out, with side, model and runtime named.

    Raises FreezenetError where DATA has other classes than the model.
    """
    labels, task = classifier.card.labels, side.dataset.task
    truth = task.truth(side.truth, labels)
    answers = classifier.rule.answers(model_scores(classifier, side))
    return {
        "model": classifier.path.name,
        "runtime": classifier.runtime,
        "side": side.side,
        **task.evaluate(truth, answers, labels, side.patients),
    }
