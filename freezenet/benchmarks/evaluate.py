"""Accuracy of one `.tflite` file through the edge runtime."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.train.data.dataset import Dataset
from freezenet.train.data.images import read_images
from freezenet.train.data.loading import load
from freezenet.train.data.split import read_splits
from freezenet.train.progress import track
from freezenet.train.task import MultiClass


@dataclass(frozen=True)
class JudgedImages:
    """The images that a model is judged on.

    Args:
        dataset: n of them.
        split: "test", or "all" where none of them took part in the training.
    """

    dataset: Dataset
    split: str

    @property
    def truth(self) -> tuple[str, ...]:
        """The class (n,) of each, or the text of its label set."""
        return tuple(sample.label for sample in self.dataset.samples)

    @property
    def patients(self) -> tuple[str, ...]:
        """The patient (n,) of each."""
        return tuple(sample.patient for sample in self.dataset.samples)

    def pixels(self, spec: PreprocessSpec) -> NDArray[np.uint8]:
        """Read them through the device's preprocessing: (n, h, w) uint8; DataError where one cannot be read."""
        return read_images(self.dataset, spec).pixels


def judged_images(data: str | Path, splits: Path | None, task: str = MultiClass.name) -> JudgedImages:
    """Return the test images of DATA by a splits.csv, or all of DATA; one class is enough.

    Args:
        data: a folder or a CSV.
        splits: a splits.csv; None: all images count.
        task: of the model, see `freezenet.train.task`.

    Raises:
        DataError: a test image of the split is not in DATA.
    """
    dataset = load(data, task, least_classes=1)
    if splits is None:
        return JudgedImages(dataset, "all")
    test = {row["file"] for row in read_splits(splits) if row["split"] == "test"}
    rows = [number for number, sample in enumerate(dataset.samples) if sample.file in test]
    if len(rows) != len(test):
        raise DataError(
            f"The data that the model was trained on is required. Got: {data} with {len(rows)} of the {len(test)} test "
            f"images in {splits}; freezenet evaluate --all takes all images of other data."
        )
    return JudgedImages(dataset.only(rows), "test")


def model_scores(classifier: Classifier, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the model's scores (n, classes) of pixels (n, h, w) uint8."""
    title = f"Running {classifier.path.name}"
    return np.concatenate([classifier.scores(image[None]) for image in track(pixels, title, len(pixels))])


def evaluate_model(classifier: Classifier, judged: JudgedImages) -> dict[str, Any]:
    """Return the figures of one model's answers, abstaining left out, with split, model and runtime named.

    See `freezenet.train.task.Task.evaluate`. Raises DataError where DATA has other classes than the model.
    """
    labels, task = classifier.card.labels, judged.dataset.task
    truth = task.truth(judged.truth, labels)
    answers = classifier.rule.answers(model_scores(classifier, judged.pixels(classifier.card.preprocess)))
    return {
        "model": classifier.path.name,
        "runtime": classifier.runtime,
        "side": judged.split,
        **task.evaluate(truth, answers, labels, judged.patients),
    }
