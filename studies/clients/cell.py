"""One cell of the table client x variant: what a client made of a model file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from studies.clients.question import Question


@dataclass(frozen=True)
class Cell:
    """What was seen; of `cannot` and `missing` at most one is set, and then nothing else is.

    file: name of the model file. largest_difference: of any score to the promised one, 0..1, or None where the client
    gives no scores. differs: what else was not as promised, in words.
    cannot: why the client cannot use the file. missing: why the client was not run.
    """

    file: str
    largest_difference: float | None = None
    differs: tuple[str, ...] = ()
    cannot: str | None = None
    missing: str | None = None

    @classmethod
    def judge(cls, question: Question, answer: dict[str, Any]) -> Cell:
        """Compare a client's answer with what the model file promises.

        answer: {"scores": (n, classes)} and, where the client gives names, "labels"; {"differs": [words]}; or
        {"cannot": reason}.
        """
        file = question.model.name
        if "cannot" in answer:
            return cls(file, cannot=answer["cannot"])
        if "scores" not in answer:
            return cls(file, differs=tuple(answer["differs"]))
        scores = np.array(answer["scores"], np.float64)
        if scores.shape != question.expected.shape:
            return cls(file, differs=(f"scores of shape {scores.shape}, not {question.expected.shape}",))
        # max() would pass over NaN.
        largest = float(np.nan_to_num(np.abs(scores - question.expected), nan=np.inf).max())
        others = int((scores.argmax(axis=1) != question.expected.argmax(axis=1)).sum())
        differs = [f"{others} of {len(scores)} answers"] if others else []
        if answer.get("labels", list(question.card.labels)) != list(question.card.labels):
            differs.append("labels")
        return cls(file, largest_difference=largest, differs=tuple(differs))

    @property
    def same(self) -> bool:
        """Whether everything is as promised, to the bit."""
        return not (self.cannot or self.missing or self.differs or self.largest_difference)

    @property
    def reason(self) -> str | None:
        """Why there are no figures, or None where there are."""
        return self.cannot or self.missing

    def text(self) -> str:
        """Return the cell in a few characters: "same", the largest difference, "cannot" or "not run"."""
        if self.reason:
            return "cannot" if self.cannot else "not run"
        parts = [f"{self.largest_difference:.1e}"] if self.largest_difference else []
        parts += [f"{one} differ" for one in self.differs]
        return ", ".join(parts) or "same"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types only, with the text."""
        return {**asdict(self), "differs": list(self.differs), "text": self.text()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Cell:
        """Make a cell from `to_dict`'s return value."""
        fields = {key: value for key, value in values.items() if key != "text"}
        return cls(**{**fields, "differs": tuple(fields["differs"])})
