"""Make and measure the arms."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.system.environment import environment
from freezenet.train.metrics.matrices import label_matrices, macro_f1
from freezenet.train.run import Run
from studies.quantization.answers import Answers
from studies.quantization.arms import ARMS, REFERENCE
from studies.quantization.bench import Bench
from studies.results import mean_and_spread

logger = logging.getLogger(__name__)


def measure(runs: Sequence[Run], arms: Sequence[str], data: Path | None = None) -> dict[str, Any]:
    """Make and measure each arm of each run; return all figures with their means (JSON types).

    Of each row: on the validation split `logit_size` (root mean square of the logits, centred in each image), `logit_error`
    (the same of their difference to float32's) and `validation_changed` (share of other answers than float32's); on the
    test split `changed` (share), `macro_f1`, `macro_f1_difference` (this - float32) and `score_difference` (mean absolute
    difference of a score, 0..1).
    Raises DataError where the runs were not trained on the same images.
    """
    if len({run.manifest["data_sha256"] for run in runs}) > 1:
        names = ", ".join(sorted({Path(run.manifest["data"]).name for run in runs}))
        raise DataError(f"Runs on the same images are required, for means over them. Got: runs on {names}.")
    rows: list[dict[str, Any]] = []
    for run in runs:
        bench = Bench(run, data)
        rows.append(_row(bench, REFERENCE, bench.trained.file, bench.reference))
        for name in arms:
            logger.info(f"{run.folder}: {name}")
            file = ARMS[name].make(bench)
            rows.append(_row(bench, name, file, {split: bench.answers(file, split) for split in bench.splits}))
    measured = [REFERENCE, *arms]
    return {
        "data": Path(runs[0].manifest["data"]).name,
        "recipe": runs[0].recipe.name,
        "weights": Path(runs[0].manifest["weights"]).name,
        "seeds": [run.recipe.seed for run in runs],
        "images": {split: len(pixels) for split, (pixels, _) in bench.splits.items()},
        "calibration_images": len(bench.calibration.images),
        "writer": f"ai-edge-quantizer {version('ai-edge-quantizer')}",
        "command": f"python -m studies.quantization RUN...{_option(arms)} --out results",
        "arms": {name: "the float file" if name == REFERENCE else ARMS[name].summary for name in measured},
        "summary": {name: _summary([row for row in rows if row["arm"] == name]) for name in measured},
        "rows": rows,
        "environment": environment(),
    }


def _row(bench: Bench, arm: str, file: bytes, found: dict[str, Answers]) -> dict[str, Any]:
    classes = np.eye(len(bench.run.labels), dtype=bool)
    changed, f1 = {}, {}
    for split, (_, truth) in bench.splits.items():
        answer, wanted = found[split].scores.argmax(1), bench.reference[split].scores.argmax(1)
        changed[split] = float(np.mean(answer != wanted))
        f1[split] = [float(macro_f1(label_matrices(classes[truth], classes[one]))) for one in (answer, wanted)]
    validation = found["validation"].logits - bench.reference["validation"].logits
    test = found["test"].scores - bench.reference["test"].scores
    return {
        "arm": arm,
        "seed": bench.run.recipe.seed,
        "bytes": len(file),
        "logit_size": round(_size(found["validation"].logits), 6),
        "logit_error": round(_size(validation), 6),
        "validation_changed": round(changed["validation"], 6),
        "changed": round(changed["test"], 6),
        "macro_f1": round(f1["test"][0], 6),
        "macro_f1_difference": round(f1["test"][0] - f1["test"][1], 6),
        "score_difference": round(float(np.abs(test).mean()), 6),
    }


def _size(values: NDArray) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.mean(values**2)))


def _summary(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return mean and standard deviation over the runs of every figure."""
    names = [name for name in rows[0] if name not in ("arm", "seed")]
    return {name: mean_and_spread([row[name] for row in rows]) for name in names}


def _option(arms: Sequence[str]) -> str:
    return "" if list(arms) == list(ARMS) else f" --arms {','.join(arms)}"
