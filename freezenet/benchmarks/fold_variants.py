"""The files of every fold: int8 against float32 on each image of the data, by networks that did not see it.

A single test split of some hundred images cannot tell what quantization costs; a cross-validation tests all of them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.benchmarks.compare import REFERENCE
from freezenet.convert.folder import ModelsFolder
from freezenet.convert.models import convert
from freezenet.convert.options import ConvertOptions
from freezenet.convert.scores import StoredScores
from freezenet.convert.variants import VARIANTS
from freezenet.edge_runtime.decision import DecisionRule
from freezenet.edge_runtime.errors import DataError, SettingError
from freezenet.train.crossval.plan import CrossValidation, Fold
from freezenet.train.crossval.table import SUMMARY
from freezenet.train.files import read_json, write_json
from freezenet.train.metrics.draws import patient_draws
from freezenet.train.metrics.paired import PairedAnswers
from freezenet.train.metrics.verdict import two_digits, verdicts
from freezenet.train.run import Run

logger = logging.getLogger(__name__)

_MODELS = "models"


def check_variants(variants: Sequence[str]) -> None:
    """Raise SettingError where there is nothing to compare with."""
    if REFERENCE not in variants:
        raise SettingError(
            f"The variant {REFERENCE} is required by --variants, to compare with. Got: {', '.join(variants)}."
        )


def compare_fold_variants(asked: CrossValidation, out: Path, variants: Sequence[str]) -> dict[str, Any]:
    """Convert every fold that is not converted yet, and write the pooled figures into crossval.json.

    Files that acceptance would refuse are measured, too. Of a fold there stay the scores; its files and network only where the plan
    keeps models.

    Args:
        asked: the plan, finished.
        out: its folder.
        variants: names, REFERENCE among them.

    Returns:
        For each arm: for each variant the figures over all images and seeds as `freezenet.train.task.Task.evaluate` gives them, and
        "against_float32" as `freezenet.benchmarks.compare.compare` gives it, and "verdict" as `freezenet.train.metrics.verdict` does.
    """
    folds = list(asked.all_folds())
    for number, fold in enumerate(folds, 1):
        logger.info(f"[{number}/{len(folds)}] files of {fold.arm}, seed {fold.seed}, {fold.name}")
        _convert(asked, fold, out, variants)
    found = {arm: pooled_variants(asked.folds_of(arm), out, variants) for arm in asked.recipes}
    summary = read_json(out / SUMMARY)
    write_json(out / SUMMARY, {**summary, "variants": found})
    return found


def _has_all_scores(fold: Fold, out: Path, variants: Sequence[str]) -> bool:
    """Whether a fold has been converted: only then can it do without its network."""
    models = _models(fold, out)
    return all(StoredScores.read(models.scores(name)) is not None for name in variants)


def _models(fold: Fold, out: Path) -> ModelsFolder:
    return ModelsFolder(fold.run(out).folder / _MODELS)


def _convert(asked: CrossValidation, fold: Fold, out: Path, variants: Sequence[str]) -> None:
    models = _models(fold, out)
    if not _has_all_scores(fold, out, variants):
        run = Run.open(fold.run(out).folder)
        if not run.model_file.is_file():
            raise DataError(
                f"Folds with their networks are required by --variants. Got: {run.folder} without; train them with --variants or "
                "--keep-models, or pass --overwrite."
            )
        options = ConvertOptions(variants=tuple(variants), profiles=("app",), acceptance=False, overwrite=True)
        convert(run, models.path, options=options)
    if not asked.keep_models:
        fold.run(out).model_file.unlink(missing_ok=True)
        for path in models.path.glob("*.tflite*"):
            path.unlink()


def pooled_variants(folds: list[Fold], out: Path, variants: Sequence[str]) -> dict[str, Any]:
    """Return the figures of one arm's files on all images, from the scores that the folds keep; see `compare_fold_variants`."""
    runs = [Run.open(fold.run(out).folder) for fold in folds]
    task, labels = runs[0].task, runs[0].labels
    rows = [row for run in runs for row in run.splits if row["split"] == "test"]
    truth, patients = task.truth([row["class"] for row in rows], labels), [row["patient_id"] for row in rows]
    draws = patient_draws(patients)
    answers = {name: np.concatenate([_answers(fold, out, name) for fold in folds]) for name in variants}
    images = len({row["file"] for row in rows})
    others = {name: one for name, one in answers.items() if name != REFERENCE}
    judged = verdicts(truth, answers[REFERENCE], others, labels, patients, exclusive=task.exclusive)
    found = {}
    for name, one in answers.items():
        found[name] = {**task.evaluate(truth, one, labels, patients, draws), "images": images}
        if name == REFERENCE:
            continue
        found[name]["against_float32"] = {
            **PairedAnswers(truth, answers[REFERENCE], one, patients, draws).to_dict(),
            **judged[name].differences(),
            "answers": len(one),
        }
        # Several seeds answer the same images: they make each answer surer, and no more images.
        needed = judged[name].needed
        needed = None if needed is None else two_digits(needed * images / len(one))
        found[name]["verdict"] = replace(judged[name], images=images, needed=needed).to_dict(name, REFERENCE)
    return found


def _answers(fold: Fold, out: Path, name: str) -> NDArray[np.bool_]:
    run, stored = Run.open(fold.run(out).folder), StoredScores.read(_models(fold, out).scores(name))
    if stored is None:
        raise DataError(f"Folds that were converted are required. Got: {run.folder} without scores of {name}.")
    rule = DecisionRule.from_dict({**run.decision, "arithmetic": VARIANTS[name].arithmetic}, run.labels)
    return rule.answers(np.nan_to_num(stored.scores))
