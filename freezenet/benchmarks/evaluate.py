"""Accuracy of one `.tflite` file through the edge runtime."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import DataError
from freezenet.train.data.dataset import Dataset
from freezenet.train.data.images import read_images
from freezenet.train.data.loading import load
from freezenet.train.data.split import read_splits
from freezenet.train.progress import track
from freezenet.train.task import MultiClass


@dataclass(frozen=True)
class JudgedImages:
    """The images a model is judged on.

    Args:
        dataset: these images alone.
        truth: class names, or texts of label sets.
        patients: names.
        split: "test" or "all".
    """

    dataset: Dataset
    truth: tuple[str, ...]
    patients: tuple[str, ...]
    split: str


def choose_images(data: str | Path, splits: Path | None, task: str = MultiClass.name) -> JudgedImages:
    """Return the test images of DATA by a splits.csv, or all of DATA where `splits` is None; one class is enough.

    Args:
        data: a folder or CSV, see `freezenet.train.data.loading.load`.
        splits: the table of a run.
        task: of the model, see `freezenet.train.task`.

    Raises:
        DataError: a test image of the split is not in DATA.
    """
    dataset = load(data, task, least_classes=1)
    split = "all"
    if splits is not None:
        test = {row["file"] for row in read_splits(splits) if row["split"] == "test"}
        rows = [number for number, sample in enumerate(dataset.samples) if sample.file in test]
        if len(rows) != len(test):
            raise DataError(
                f"The data that the model was trained on is required. Got: {data} with {len(rows)} of the {len(test)} test "
                f"images in {splits}; freezenet evaluate --all takes all images of other data."
            )
        dataset, split = dataset.only(rows), "test"
    return JudgedImages(
        dataset,
        tuple(sample.label for sample in dataset.samples),
        tuple(sample.patient for sample in dataset.samples),
        split,
    )


def model_scores(classifier: Classifier, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the model's scores (n, classes) of pixels (n, h, w) after its preprocessing, one image at a time."""
    title = f"Running {classifier.path.name}"
    return np.concatenate([classifier.scores(image[None]) for image in track(pixels, title, len(pixels))])


def evaluate_model(classifier: Classifier, images: JudgedImages) -> dict[str, Any]:
    """Return `freezenet.train.task.Task.evaluate` of one model's answers, abstaining left out, with split, model and runtime named.

    Raises:
        DataError: DATA has other classes than the model, or images that cannot be read.
    """
    labels, task = classifier.card.labels, images.dataset.task
    truth = task.truth(images.truth, labels)
    pixels = read_images(images.dataset, classifier.card.preprocess).pixels
    return {
        "model": classifier.path.name,
        "runtime": classifier.runtime,
        "side": images.split,
        **task.evaluate(truth, classifier.rule.answers(model_scores(classifier, pixels)), labels, images.patients),
    }
