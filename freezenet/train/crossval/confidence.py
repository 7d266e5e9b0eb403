"""Calibration and abstention of a cross-validation: every image is tested once in each seed, so all of them count.

A single test side of some hundred images shows a calibrated model a large error, by chance alone; all folds together show less.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from freezenet.edge_runtime.decision import DecisionRule
from freezenet.train.answers.calibration import measure_confidence
from freezenet.train.run import Run


def pooled_confidence(folders: Iterable[Path]) -> dict[str, Any]:
    """Return `freezenet.train.answers.calibration.measure_confidence` of the tested images of all these RUN folders, each by its own rule."""
    parts, patients = [], []
    for folder in folders:
        run = Run.open(folder)
        with (folder / "predictions.csv").open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
        scores = np.array([[float(row[label]) for label in run.labels] for row in rows])
        truth = run.task.truth([row["class"] for row in rows], run.labels)
        parts.append((DecisionRule.from_dict(run.decision, run.labels), scores, truth))
        patient_of = {row["file"]: row["patient_id"] for row in run.splits}
        patients += [patient_of[row["file"]] for row in rows]
    return measure_confidence(parts, patients)
