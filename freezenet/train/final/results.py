"""What a final training leaves in its RUN folder: its model, and decision and figures from the out-of-fold answers."""

from __future__ import annotations

from typing import Any

import numpy as np

from freezenet.edge_runtime.ood import ood_to_dict
from freezenet.train.answers.calibration import Decided, measure_confidence
from freezenet.train.answers.rule import ChosenRule
from freezenet.train.data.training_data import TrainingData
from freezenet.train.files import write_json
from freezenet.train.final.out_of_fold import OutOfFold
from freezenet.train.frozen.backbone import backbone_features
from freezenet.train.metrics.figure import share
from freezenet.train.network.predict import predict
from freezenet.train.ood.gates import fit_one_class_gate_by_folds, patient_folds
from freezenet.train.ood.versions import version_features
from freezenet.train.recipes.recipe import Recipe
from freezenet.train.results import Trained, finish, images_by_source, training_facts, write_network, write_predictions
from freezenet.train.run_folder import Manifest, Metrics, RunFolder

#: What the figures of a final model are measured on, in metrics.json and on the card.
OUT_OF_FOLD = "out-of-fold"


def write_final_results(
    run: RunFolder, trained: Trained, *, data: TrainingData, recipe: Recipe, manifest: Manifest, found: OutOfFold
) -> Metrics:
    """Write model, history, predictions, decision and, last, the figures of a final run, which are returned.

    predictions.csv holds the out-of-fold scores, the mean over the seeds, and the answers to them.
    """
    task, labels = data.dataset.task, data.labels
    write_network(run, trained)
    truth, patients = np.tile(data.truth, (found.seeds, 1)), np.tile(data.patients, found.seeds).tolist()
    chosen = ChosenRule.fit(recipe, labels, found.stacked, truth, repeats=found.seeds, elsewhere=found.elsewhere)
    write_predictions(run, data, [OUT_OF_FOLD] * len(data.truth), chosen.rule.answers(found.soft), found.soft)
    gate, measured = _gate(trained, data, recipe)
    decision = {**chosen.to_dict(), "gate": gate}
    write_json(run.decision_file, decision)
    scores = predict(trained.model, data.images.pixels, recipe.preprocess, features=trained.fitted.features)
    metrics: Metrics = {
        **task.evaluate(truth, chosen.rule.answers(found.stacked), labels, patients),  # type: ignore[typeddict-item]
        "images": len(data.truth),
        "measured_on": OUT_OF_FOLD,
        "train": task.evaluate(data.truth, chosen.rule.answers(scores), labels, data.patients.tolist()),
        **chosen.figures(found.stacked, truth, patients),
        "confidence": {
            **decision["confidence"],
            "images": len(data.truth),
            "sources": images_by_source(data, np.arange(len(data.truth))),
            "test": _confidence(recipe, data, found),
            **_elsewhere(recipe, data, found),
        },
        "gate": measured,
        "variants": found.variants,
        **training_facts(trained, data, recipe, manifest),
    }
    finish(run, metrics)
    return metrics


def _confidence(recipe: Recipe, data: TrainingData, found: OutOfFold) -> dict[str, Any]:
    """Return what calibration and abstention do to images that took no part in their choice: each fold by a rule of the others."""
    parts, patients = [], []
    for seed, (scores, folds) in enumerate(zip(found.scores, found.folds, strict=True)):
        for fold in np.unique(folds):
            held = folds == fold
            away = found.elsewhere
            away = None if away is None else away.only((away.seeds == seed) & ~held[away.rows])
            rule = ChosenRule.fit(recipe, data.labels, scores[~held], data.truth[~held], elsewhere=away).rule
            parts.append((rule, scores[held], data.truth[held]))
            patients += data.patients[held].tolist()
    return {**measure_confidence(parts, patients), "images": len(data.truth)}


def _elsewhere(recipe: Recipe, data: TrainingData, found: OutOfFold) -> dict[str, Any]:
    """Return under "left_out" what is answered of each source left out, and right of that (JSON types).

    The rule is chosen without these images and all others of their patients, also without the folds' answers about them.
    """
    away = found.elsewhere
    if away is None:
        return {}
    figures = {}
    for source in np.unique(away.sources):
        there = away.only(away.sources == source)
        kept = ~np.isin(data.patients, data.patients[there.rows])
        scores, truth = np.concatenate(found.scores[:, kept]), np.tile(data.truth[kept], (found.seeds, 1))
        others = away.only((away.sources != source) & kept[away.rows])
        rule = ChosenRule.fit(recipe, data.labels, scores, truth, repeats=found.seeds, elsewhere=others).rule
        decided, patients = Decided.by(rule, there.scores, there.truth), data.patients[there.rows].tolist()
        figures[str(source)] = {
            "images": len(np.unique(there.rows)),
            "answered": share(decided.answered, np.ones(len(there.rows), bool), patients).to_dict(),
            "accuracy_answered": share(decided.correct, decided.answered, patients).to_dict(),
        }
    return {"left_out": figures}


def _gate(trained: Trained, data: TrainingData, recipe: Recipe) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the `gate` object of the card, and what it does with images that their own gate was not fitted on."""
    features = backbone_features(trained.model, data.images.pixels, recipe.preprocess, cached=trained.fitted.features)
    versions = version_features(trained.model, data.images, recipe=recipe, cache=trained.cache)
    rows = versions.rows
    shown = np.concatenate([features[rows][None], versions.values])
    names = data.patients[rows].tolist()
    gate, distances = fit_one_class_gate_by_folds(shown, patient_folds(names))
    passed = distances <= gate.threshold
    content = ood_to_dict(gate)
    return content, {
        "kind": content["kind"],
        "threshold": content["threshold"],
        "chest_passed": share(passed[0], np.ones(len(rows), bool), names).to_dict(),
        "versions": int(passed[1:].size),
        "versions_passed": round(float(passed[1:].mean()), 6),
    }
