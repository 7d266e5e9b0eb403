"""The question that a model answers: exactly one class of an image is true, or any number of labels.

Truth and answers are label sets in both cases, (n, labels) bool: for "multi-class" exactly one is true in each row. What then
differs is here, and in `freezenet.edge_runtime.decision`, which turns scores into answers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.errors import DataError
from freezenet.train.answers.thresholds import DEFAULT, choose_thresholds
from freezenet.train.data import label_sets
from freezenet.train.metrics.draws import PatientDraws
from freezenet.train.metrics.evaluation import evaluate


class Task(ABC):
    """A recipe's `task`, which stands in decision.json and in the card of a model."""

    name: str
    #: Whether exactly one label is true.
    exclusive: bool

    @abstractmethod
    def labels_of(self, text: str) -> tuple[str, ...]:
        """Return the labels that a text of the class column names; DataError where it cannot be one of this task."""

    @abstractmethod
    def text_of(self, labels: Iterable[str]) -> str:
        """Return the one text for these labels."""

    @abstractmethod
    def first_thresholds(self, count: int) -> NDArray[np.float64] | None:
        """Return what decides about `count` labels as long as nothing has been chosen: (labels,), None without thresholds."""

    @abstractmethod
    def thresholds(self, probabilities: NDArray, truth: NDArray[np.bool_], metric: str) -> NDArray[np.float64] | None:
        """Return what decides about each label, chosen on validation images; see `freezenet.train.answers.thresholds.choose_thresholds`."""

    @abstractmethod
    def accuracy(self) -> Any:
        """Return the Keras metric of the same accuracy, for the figures of each epoch."""

    def evaluate(
        self,
        truth: NDArray[np.bool_],
        answer: NDArray[np.bool_],
        labels: Sequence[str],
        patients: Sequence[str],
        draws: PatientDraws | None = None,
    ) -> dict[str, Any]:
        """Return the figures of answers (n, labels), see `freezenet.train.metrics.evaluation.evaluate` (JSON types)."""
        return evaluate(truth, answer, labels, patients, exclusive=self.exclusive, draws=draws)

    def truth(self, classes: Sequence[str], labels: Sequence[str]) -> NDArray[np.bool_]:
        """Return which labels each image has, (n, labels) bool; DataError where a class is not made of these labels."""
        named = [self.labels_of(text) for text in classes]
        unknown = sorted({label for one in named for label in one} - set(labels))
        if unknown:
            raise DataError(
                f"Data with the model's classes {', '.join(labels)} is required. Got: {', '.join(unknown)}; leave images "
                "of other classes out of the CSV."
            )
        return np.array([[label in one for label in labels] for one in named])

    def texts(self, answers: NDArray[np.bool_], labels: Sequence[str]) -> list[str]:
        """Return each of the label sets (n, labels) bool as text."""
        return [self.text_of(label for label, there in zip(labels, one, strict=True) if there) for one in answers]


class MultiClass(Task):
    """Exactly one class is true."""

    name = "multi-class"
    exclusive = True

    def labels_of(self, text):
        """Return the class as it is."""
        if label_sets.SEPARATOR in text:
            raise DataError(
                f"One class for each image is required by task multi-class. Got: {text!r:.80}; for several labels train with "
                "--set task=multi-label --set loss=binary-cross-entropy."
            )
        return (text,)

    def text_of(self, labels):
        """Return the only class."""
        (text,) = labels
        return text

    def first_thresholds(self, count):
        """The most probable class is answered."""

    def thresholds(self, probabilities, truth, metric):
        """The most probable class is answered."""

    def accuracy(self):
        """Share of images whose most probable class is the true one."""
        import keras

        return keras.metrics.CategoricalAccuracy(name="accuracy")


class MultiLabel(Task):
    """Any number of labels is true."""

    name = "multi-label"
    exclusive = False

    def labels_of(self, text):
        """See `freezenet.train.data.label_sets.labels_of`."""
        return label_sets.labels_of(text)

    def text_of(self, labels):
        """See `freezenet.train.data.label_sets.text_of`."""
        return label_sets.text_of(labels)

    def first_thresholds(self, count):
        """A label is answered where it is more probable than not."""
        return np.full(count, DEFAULT)

    def thresholds(self, probabilities, truth, metric):
        """One threshold for each label."""
        return choose_thresholds(probabilities, truth, metric)

    def accuracy(self):
        """Share of images with exactly the right labels at .5."""
        import keras

        def subset_accuracy(y_true, y_pred):
            same = keras.ops.equal(y_true > DEFAULT, y_pred >= DEFAULT)
            return keras.ops.all(same, axis=-1)

        return keras.metrics.MeanMetricWrapper(subset_accuracy, name="accuracy")


#: Value of the recipe key `task` -> what it means.
TASKS: dict[str, Task] = {task.name: task for task in (MultiClass(), MultiLabel())}


def task_of(content: Mapping[str, Any]) -> Task:
    """Return the task that a decision.json or a card names; multi-class where it is older than the question."""
    return TASKS[content.get("task", MultiClass.name)]
