"""How many of the test images of a run each way answers rightly: the reader's pixels and the network's arithmetic together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.errors import SettingError
from freezenet.train.metrics.evaluation import evaluate
from freezenet.train.task import MultiClass
from studies.peers.process import WayProcess
from studies.peers.ways import FLOAT, Start

if TYPE_CHECKING:
    from freezenet.train.run import Run


@dataclass(frozen=True)
class KnownFiles:
    """Images whose truth is known.

    Args:
        paths: (n,) files.
        truth: (n, labels) bool.
        labels: in the order of the scores.
        patients: (n,) names.
    """

    paths: tuple[Path, ...]
    truth: NDArray[np.bool_]
    labels: tuple[str, ...]
    patients: tuple[str, ...]

    @classmethod
    def of(cls, run: Run, data: Path | None) -> KnownFiles:
        """Take the test split of a run. data: where its DATA lies now, if it was moved."""
        if run.task.name != MultiClass.name:
            raise SettingError(f"A run of task {MultiClass.name} is required. Got: {run.task.name}.")
        rows = run.paths("test", data)
        if not rows:
            raise SettingError(f"A run with test images is required. Got: {run.folder}, which has none.")
        return cls(
            tuple(path for path, _ in rows), run.truth(rows), run.labels, tuple(row["patient_id"] for _, row in rows)
        )


def accuracies(started: Mapping[str, Start], images: KnownFiles, cores: list[int]) -> dict[str, dict[str, Any]]:
    """Return way -> "macro_f1" with its interval and "other_answers" than FLOAT's (None without FLOAT), or "cannot" with the reason.

    The class of the highest score counts, whether the rule would answer or abstain.
    """
    answers: dict[str, NDArray[np.integer]] = {}
    found: dict[str, dict[str, Any]] = {}
    for way, start in started.items():
        with WayProcess(start, cores) as process:
            replies = [process.ask(path, 0) for path in images.paths]
        reasons = [one["cannot"] for one in replies if "cannot" in one]
        if reasons or replies[0]["scores"] is None:
            found[way] = {"cannot": reasons[0] if reasons else "it ends before the answer"}
        else:
            answers[way] = np.argmax([one["scores"] for one in replies], axis=1)
    for way, answer in answers.items():
        said = np.eye(len(images.labels), dtype=bool)[answer]
        figures = evaluate(images.truth, said, images.labels, images.patients, exclusive=True)
        other = int((answer != answers[FLOAT]).sum()) if FLOAT in answers else None
        found[way] = {"macro_f1": figures["macro_f1"], "other_answers": other}
    return {way: found[way] for way in started}
