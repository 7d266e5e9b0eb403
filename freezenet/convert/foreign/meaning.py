"""What the scores of a model of another maker mean: one class or any number of labels, probabilities or logits, and when a label is answered."""

from __future__ import annotations

from dataclasses import dataclass

from freezenet.convert.foreign.asked import Asked
from freezenet.edge_runtime.errors import ModelError, SettingError
from freezenet.train.task import MultiClass, MultiLabel

#: Operators whose numbers are probabilities: softmax shares 1 among the classes, a sigmoid gives each its own.
_PROBABILITIES = {"SOFTMAX": "softmax", "LOGISTIC": "sigmoid"}
_DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class Meaning:
    """What scores are.

    Args:
        end: "softmax" or "sigmoid" where the network ends so, "probabilities" where that is said, "logits" else.
        task: Name of a `freezenet.train.task.Task`.
        thresholds: Of several labels, the probability from which on each is answered; empty where one class is.
    """

    end: str
    task: str
    thresholds: tuple[float, ...]

    @classmethod
    def of(cls, maker: str, asked: Asked, count: int, name: str, said: list[str]) -> Meaning:
        """Say what scores mean.

        Args:
            maker: The operator that makes them, "" where it is not known.
            asked: What the user says of the model.
            count: How many scores there are.
            name: Of the file.
            said: Gets a sentence about each thing that is assumed.

        Raises:
            ModelError: They say nothing.
            SettingError: What was said contradicts the network, or what changes answers is open.
        """
        end = _end(maker, asked.scores, count, name)
        task = _task(end, asked, count, name)
        several = task == MultiLabel.name
        if end == "logits" and asked.scores is None:
            kind = f"it ends in {maker}" if maker else "what makes them is not known"
            said.append(
                f"its scores are taken for logits, because {kind} and in no {'sigmoid' if several else 'softmax'}; where they are "
                "probabilities, pass --preprocess scores=probabilities"
            )
        if end == "sigmoid" and count > 1 and not several:
            said.append(
                "each of its scores is a sigmoid of its own; the largest is taken for the answer, and they do not add up to 1"
            )
        return cls(end, task, _thresholds(asked, count, name, said) if several else ())


def _end(maker: str, asked: str | None, count: int, name: str) -> str:
    end = _PROBABILITIES.get(maker, "logits")
    if end == "softmax" and count == 1:
        raise ModelError(
            f"A softmax of two scores or more is required. Got: {name} with a softmax of one, which is always 1, whatever the image."
        )
    if asked == "logits" and end != "logits":
        raise SettingError(
            f"scores=probabilities, or nothing, is required for a network that ends in a {end}. Got: scores=logits for {name}."
        )
    return asked if asked == "probabilities" and end == "logits" else end


def _task(end: str, asked: Asked, count: int, name: str) -> str:
    if end == "softmax" and asked.task == MultiLabel.name:
        raise SettingError(
            f"task={MultiClass.name}, or nothing, is required for a network that ends in a softmax, whose scores share 1 among the classes. "
            f"Got: task={asked.task} for {name}."
        )
    if end == "sigmoid" and count > 1 and asked.task is None:
        # Either is usual, and the answers are others.
        raise SettingError(
            f"Whether an image may have several of the labels is required for a network with a sigmoid for each of {count} scores. Got: {name}, "
            f"which does not say; pass --preprocess task={MultiLabel.name}, or task={MultiClass.name} where exactly one class is true."
        )
    task = asked.task or MultiClass.name
    if asked.thresholds is not None and task != MultiLabel.name:
        raise SettingError(
            f"task={MultiLabel.name} is required by thresholds: of classes that exclude one another the most probable is answered. Got: "
            f"thresholds for {name} without it."
        )
    return task


def _thresholds(asked: Asked, count: int, name: str, said: list[str]) -> tuple[float, ...]:
    given = asked.thresholds
    if given is None:
        said.append(
            f"a label is answered from a probability of {_DEFAULT_THRESHOLD} on; where its maker has other thresholds, pass them, as --preprocess "
            "thresholds=0.3/0.5/0.4, in the order of the labels"
        )
        given = (_DEFAULT_THRESHOLD,)
    if len(given) not in (1, count):
        raise SettingError(
            f"One threshold, or one for each of {count} labels, is required. Got: {len(given)} for {name}."
        )
    return given * count if len(given) == 1 else given
