"""What a finished training leaves in its RUN folder: the model, its scores and answers, the decision, the figures."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
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
from freezenet.train.metrics.sources import UNKNOWN_ELSEWHERE, source_table
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
    ood: bool = True,
) -> Metrics:
    """Write model, history, predictions, decision and, last, the figures of a run, which are returned.

    ood: fit an OOD gate; False for a network without pooled features that it could read.
    """
    task, labels, truth, patients = data.dataset.task, data.labels, data.truth, data.patients
    write_network(run, trained)
    scores = predict(trained.model, data.images.pixels, recipe.preprocess, features=trained.fitted.features)
    validation, test = data.rows("validation"), data.rows("test")
    chosen = ChosenRule.fit(recipe, labels, scores[validation], truth[validation])
    answers = chosen.rule.answers(scores)
    write_predictions(run, data, [sample.split for sample in data.dataset.samples], answers, scores)
    decision, decided = _decide(trained, scores, data, recipe, chosen, negatives, ood)
    write_json(run.decision_file, decision)
    figures = {
        split: task.evaluate(truth[rows], answers[rows], labels, patients[rows].tolist())
        for split in SPLITS
        for rows in [data.rows(split)]
    }
    metrics: Metrics = {
        **figures["test"],  # type: ignore[typeddict-item]
        "validation": figures["validation"],
        "train": figures["train"],
        **chosen.figures(scores[test], truth[test], patients[test].tolist()),
        **decided,
        **training_facts(trained, data, recipe, manifest),  # type: ignore[typeddict-item]
    }
    finish(run, metrics)
    return metrics


def training_facts(trained: Trained, data: TrainingData, recipe: Recipe, manifest: Manifest) -> dict[str, Any]:
    """Return what metrics.json says of a training, whatever its figures are measured on (JSON types)."""
    weights = trained.criterion.weights
    by_source = data.dataset.table("source")
    return {
        "recipe": recipe.name,
        "seed": recipe.seed,
        "data_sha256": manifest["data_sha256"],
        "parameters": count_parameters(trained.model),
        "epochs": len(trained.fitted.history),
        "seconds": {stage: round(value, 2) for stage, value in trained.fitted.seconds.items()},
        "images_by_class_and_side": {
            label: {split: int(data.truth[rows, one].sum()) for split in SPLITS if len(rows := data.rows(split))}
            for one, label in enumerate(data.labels)
        },
        "images_by_class_and_source": by_source,
        "class_statistics": trained.criterion.statistics,
        "loss_weights": None if weights is None else dict(zip(data.labels, weights.round(6).tolist(), strict=True)),
        "elsewhere": UNKNOWN_ELSEWHERE if "adopted" in manifest else source_table(by_source).elsewhere,
    }


def write_network(run: RunFolder, trained: Trained) -> None:
    """Write the model and its history."""
    history = trained.fitted.history
    write_atomically(run.model_file, trained.model.save)
    # A network that was not trained here has none.
    if history:
        write_csv(run.history_file, list(history[0]), [list(epoch.values()) for epoch in history])


def finish(run: RunFolder, metrics: Metrics) -> None:
    """Write the figures, by which a run counts as finished, and remove what only a killed one needs."""
    write_json(run.metrics_file, metrics)
    remove_checkpoints(run.folder)
    shutil.rmtree(run.first_run, ignore_errors=True)


def images_by_source(data: TrainingData, rows: NDArray[np.integer]) -> dict[str, int]:
    """Return source -> images, of the images of these row numbers."""
    return dict(sorted(Counter(data.dataset.samples[row].source for row in rows).items()))


def write_predictions(
    run: RunFolder, data: TrainingData, splits: Sequence[str], answers: NDArray[np.bool_], scores: NDArray
) -> None:
    """Write predictions.csv: a row for each image, with its split (n,), the answer (n, labels) bool and the scores (n, labels)."""
    samples, task = data.dataset.samples, data.dataset.task
    rows = zip([sample.file for sample in samples], splits,
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
    ood: bool,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what decision.json holds, chosen on the validation split, and the figures of it, measured on the test split."""
    train, validation, test = (data.rows(split) for split in SPLITS)
    names = data.patients[test].tolist()
    decision = chosen.to_dict()
    figures: dict[str, Any] = {
        "confidence": {
            **decision["confidence"],
            "sources": images_by_source(data, validation),
            "test": measure_confidence([(chosen.rule, scores[test], data.truth[test])], names),
        }
    }
    if not ood:
        return decision, figures
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
    figures["gate"] = measure_ood_gate(
        gate,
        validation=features[validation],
        test=features[test],
        patients=names,
        negatives=held_out,
        versions=versions.of(test),
    )
    return {**decision, "gate": ood_to_dict(gate)}, figures
