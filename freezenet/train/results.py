"""What a finished training leaves in its RUN folder: the model, its scores and answers, the decision, the figures."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.ood import ood_to_dict
from freezenet.train.answers.calibration import measure_confidence
from freezenet.train.answers.rule import ChosenRule
from freezenet.train.data.dataset import SPLITS
from freezenet.train.data.training_data import TrainingData
from freezenet.train.files import write_atomically, write_csv, write_json
from freezenet.train.fitting.phases import Fitted, remove_checkpoints
from freezenet.train.frozen.backbone import backbone_features
from freezenet.train.losses.criterion import Criterion
from freezenet.train.metrics.sources import source_table
from freezenet.train.network.model import count_parameters
from freezenet.train.network.predict import predict
from freezenet.train.ood.choice import choose_ood_gate, measure_ood_gate
from freezenet.train.ood.negatives import Negatives
from freezenet.train.ood.versions import version_features
from freezenet.train.recipes.recipe import Recipe
from freezenet.train.run_folder import Manifest, Metrics, RunFolder


@dataclass(frozen=True)
class Trained:
    """What the fit left.

    Args:
        model: with its best weights.
        criterion: what it was trained by.
        fitted: the history, and the features of all images.
        cache: folder of the cache of the frozen backbone.
    """

    model: keras.Model
    criterion: Criterion
    fitted: Fitted
    cache: Path


def write_results(
    run: RunFolder,
    trained: Trained,
    *,
    data: TrainingData,
    recipe: Recipe,
    manifest: Manifest,
    negatives: Negatives | None = None,
) -> Metrics:
    """Write model, history, predictions, decision and, last, the figures of a run, which are returned."""
    model, history = trained.model, trained.fitted.history
    task, labels, truth, patients = data.dataset.task, data.labels, data.truth, data.patients
    write_atomically(run.model_file, model.save)
    write_csv(run.history_file, list(history[0]), [list(epoch.values()) for epoch in history])
    scores = predict(model, data.images.pixels, recipe.preprocess, features=trained.fitted.features)
    validation, test = data.rows("validation"), data.rows("test")
    chosen = ChosenRule.fit(recipe, labels, scores[validation], truth[validation])
    answers = chosen.rule.answers(scores)
    _write_predictions(run, data, answers, scores)
    decision, decided = _decide(trained, scores, data, recipe, chosen, negatives)
    write_json(run.decision_file, decision)
    figures = {
        split: task.evaluate(truth[rows], answers[rows], labels, patients[rows].tolist())
        for split in SPLITS
        for rows in [data.rows(split)]
    }
    weights = trained.criterion.weights
    metrics: Metrics = {
        **figures["test"],  # type: ignore[typeddict-item]
        "validation": figures["validation"],
        "train": figures["train"],
        **chosen.figures(scores[test], truth[test], patients[test].tolist()),
        **decided,
        "recipe": recipe.name,
        "seed": recipe.seed,
        "data_sha256": manifest["data_sha256"],
        "parameters": count_parameters(model),
        "epochs": len(history),
        "seconds": {stage: round(value, 2) for stage, value in trained.fitted.seconds.items()},
        "images_by_class_and_side": {
            label: {split: int(truth[data.rows(split), one].sum()) for split in SPLITS}
            for one, label in enumerate(labels)
        },
        "images_by_class_and_source": data.dataset.table("source"),
        "class_statistics": trained.criterion.statistics,
        "loss_weights": None if weights is None else dict(zip(labels, weights.round(6).tolist(), strict=True)),
    }
    metrics["elsewhere"] = source_table(metrics["images_by_class_and_source"]).elsewhere
    write_json(run.metrics_file, metrics)
    remove_checkpoints(run.folder)
    shutil.rmtree(run.first_run, ignore_errors=True)
    return metrics


def _by_source(data: TrainingData, rows: NDArray[np.integer]) -> dict[str, int]:
    """Return source -> images, of the images of these row numbers."""
    return dict(sorted(Counter(data.dataset.samples[row].source for row in rows).items()))


def _write_predictions(run: RunFolder, data: TrainingData, answers: NDArray[np.bool_], scores: NDArray) -> None:
    samples, task = data.dataset.samples, data.dataset.task
    rows = zip([sample.file for sample in samples], [sample.split for sample in samples],
               [sample.label for sample in samples], task.texts(answers, data.labels),
               *scores.T.astype(float).round(6).tolist(), strict=True)  # fmt: skip
    write_csv(run.predictions_file, ["file", "split", "class", "answer", *data.labels], list(rows))


def _decide(
    trained: Trained,
    scores: NDArray,
    data: TrainingData,
    recipe: Recipe,
    chosen: ChosenRule,
    negatives: Negatives | None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what decision.json holds, chosen on the validation split, and the figures of it, measured on the test split."""
    train, validation, test = (data.rows(split) for split in SPLITS)
    model = trained.model
    features = backbone_features(model, data.images.pixels, recipe.preprocess, cached=trained.fitted.features)
    versions = version_features(model, data.images, recipe=recipe, cache=trained.cache)
    taught = held_out = None
    if negatives is not None:
        others = backbone_features(model, negatives.images.pixels, recipe.preprocess)
        half, held_out = negatives.rows("train"), others[negatives.rows("test")]
        changed = version_features(model, negatives.images, recipe=recipe, cache=trained.cache)
        taught = np.concatenate([others[half], changed.of(half)])
    fitted, judged = (np.concatenate([features[rows], versions.of(rows)]) for rows in (train, validation))
    gate = choose_ood_gate(fitted, judged, taught)
    names = data.patients[test].tolist()
    decision = {**chosen.to_dict(), "gate": ood_to_dict(gate)}
    figures = {
        "confidence": {
            **decision["confidence"], "sources": _by_source(data, validation), "test": measure_confidence([(chosen.rule, scores[test], data.truth[test])], names)
        },
        "gate": measure_ood_gate(
            gate, validation=features[validation], test=features[test], patients=names, negatives=held_out,
            versions=versions.of(test),
        ),
    }  # fmt: skip
    return decision, figures
