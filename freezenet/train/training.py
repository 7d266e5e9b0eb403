"""One training run: from DATA and a recipe to a RUN folder.

recipe.toml       the resolved recipe            history.csv       one row per epoch
run.json          data, weights, versions        metrics.json      figures on the three sides
splits.csv        every image and its side       predictions.csv   scores of every image
model.keras       the trained model              decision.json     confidence and gate, for the model's card
events/           for TensorBoard                  negatives.csv     with --not-cxr: its images and their sides
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.ood import ood_to_dict
from freezenet.edge_runtime.system.environment import environment
from freezenet.train.answers.calibration import measure_confidence
from freezenet.train.answers.rule import ChosenRule
from freezenet.train.data.dataset import SPLITS, Dataset, content_hash, load, spelling_warning
from freezenet.train.data.images import Images, read_readable
from freezenet.train.data.split import read_splits, split, write_splits
from freezenet.train.files import prepare_output, read_json, sha256_file, write_atomically, write_csv, write_json
from freezenet.train.fitting.fit import TrainingData
from freezenet.train.fitting.phases import Fitted, fit_phases, remove_checkpoints
from freezenet.train.fitting.traces import forgotten_traces
from freezenet.train.frozen.backbone import backbone_features
from freezenet.train.frozen.cache import default_cache_folder
from freezenet.train.losses.criterion import Criterion, choose_criterion, needs_recall
from freezenet.train.metrics.matrices import label_matrices, recall
from freezenet.train.network.devices import configure_devices, device_scope
from freezenet.train.network.model import build_model, count_parameters
from freezenet.train.network.predict import predict
from freezenet.train.ood.choice import choose_ood_gate, measure_ood_gate
from freezenet.train.ood.negatives import Negatives, read_negatives
from freezenet.train.recipes.files import changed_keys
from freezenet.train.recipes.recipe import Recipe
from freezenet.train.run import DECISION, FINISHED, NEGATIVES, weights_origin

logger = logging.getLogger(__name__)

#: Of the first short run, where the loss asks for one; gone when the run is finished.
_FIRST_RUN = "first-run"


def train(
    data: str | Path,
    out: Path,
    recipe: Recipe,
    weights: str = "imagenet",
    cache: Path | None = None,
    overwrite: bool = False,
    skip_unreadable: bool = False,
    not_cxr: Path | None = None,
) -> dict[str, Any]:
    """Train a recipe on DATA into the folder `out` and return its metrics.

    weights: see `freezenet.train.network.model.build_model`. cache: folder of the frozen-half cache, None for the user's.
    not_cxr: folder of images that are no chest X-rays, for the gate.
    A run that was killed goes on when it is called again with the same arguments.
    """
    dataset = load_classes(data, recipe)
    split(dataset, recipe.validation_share, recipe.test_share, recipe.seed)  # refuses before minutes of reading
    material = read_material(data, dataset, recipe, skip_unreadable)
    sides = split(material.dataset, recipe.validation_share, recipe.test_share, recipe.seed)
    negatives = None if not_cxr is None else read_negatives(not_cxr, recipe, skip_unreadable)
    return train_on(material, sides, out, recipe, weights, cache, overwrite, negatives)


@dataclass(frozen=True)
class Material:
    """What all runs on the same DATA share. data: its path. images: of all samples."""

    data: str | Path
    dataset: Dataset
    images: Images


def load_classes(data: str | Path, recipe: Recipe) -> Dataset:
    """Load the classes of DATA that a recipe asks for, and say what a reader of its figures must know."""
    dataset = load(data, recipe.task).of_classes(recipe.classes)
    for names in dataset.spellings:
        logger.info(spelling_warning(names))
    if not dataset.has_patients:
        logger.info(
            "No patient_id: each image counts as its own patient, so images of one person may stand on two sides."
        )
    return dataset


def read_material(data: str | Path, dataset: Dataset, recipe: Recipe, skip_unreadable: bool) -> Material:
    """Read the images of a data set, without those that cannot be read where that is asked for; say where files are equal."""
    material = Material(data, *read_readable(dataset, recipe.preprocess, skip_unreadable))
    copies = len(material.images.hashes) - len(set(material.images.hashes))
    if copies:
        logger.info(
            f"Files that equal another: {copies}. freezenet data names them and finds other copies; its --clean leaves them out."
        )
    return material


@forgotten_traces()
def train_on(
    material: Material,
    sides: NDArray[np.str_],
    out: Path,
    recipe: Recipe,
    weights: str = "imagenet",
    cache: Path | None = None,
    overwrite: bool = False,
    negatives: Negatives | None = None,
) -> dict[str, Any]:
    """Train as `train` does, on images that have been read and with the side (n,) of each given."""
    dataset, images = material.dataset, material.images
    account = _account(material.data, recipe, weights, images)
    if negatives is not None:
        negatives.refuse_known(dataset, images)
        account |= negatives.account()
    keras.utils.set_random_seed(recipe.seed)
    keras.config.set_dtype_policy(recipe.precision)
    gpus = configure_devices(recipe)
    with device_scope(recipe):
        model = build_model(recipe, dataset.labels, weights)
        # Only now, so that data or weights that cannot be used leave nothing behind and cost no earlier results.
        prepare_output(out, FINISHED, overwrite)
        _begin(out, account, recipe, dataset, sides, images)
        if negatives is not None:
            write_csv(out / NEGATIVES, *negatives.table())
        classes = np.array([dataset.classes.index(sample.label) for sample in dataset.samples])
        data = TrainingData(images, classes, sides, dataset.labels, dataset.truth)
        cache = cache or default_cache_folder()
        first = first_recall(model, data, recipe, out, cache, gpus) if needs_recall(recipe) else None
        criterion = choose_criterion(recipe, data, first)
        if criterion.weights is not None:
            shown = ", ".join(f"{label} {one:.4g}" for label, one in zip(data.labels, criterion.weights, strict=True))
            # Published as a remedy for imbalance, which readers of the numbers would take them for.
            note = " (from the images of the classes; they do not balance rare ones)" if criterion.statistics else ""
            logger.info(f"loss weights: {shown}{note}")
        fitted = fit_phases(model, data, recipe=recipe, loss=criterion.loss, folder=out, cache=cache, gpus=gpus)
    # Outside of the scope: under a distribution strategy each device would predict the whole batch.
    return _write_results(model, out, dataset, data, fitted, criterion, recipe, account, negatives)


def _account(data: str | Path, recipe: Recipe, weights: str, images: Images) -> dict[str, Any]:
    file = Path(weights)
    return {
        "data": str(Path(data).resolve()),
        "data_sha256": content_hash(images.hashes),
        "images": len(images.hashes),
        "weights": weights_origin(weights),
        "weights_sha256": sha256_file(file) if file.is_file() else None,
        "recipe": recipe.name,
        "seed": recipe.seed,
        "backend": keras.backend.backend(),
        "environment": environment(),
    }


def _begin(
    out: Path, account: dict[str, Any], recipe: Recipe, dataset: Dataset, sides: NDArray, images: Images
) -> None:
    """Write what is known before training, or check that a killed run had the same arguments."""
    record = out / "run.json"
    if record.is_file():
        before = read_json(record)
        images_before = [(row["file"], row["class"], row["split"]) for row in read_splits(out / "splits.csv")]
        images_now = [(sample.file, sample.label, side) for sample, side in zip(dataset.samples, sides, strict=True)]
        changed = changed_keys((out / "recipe.toml").read_text(encoding="utf-8"), recipe.to_toml())
        same = {
            "images": before["data_sha256"] == account["data_sha256"],
            "files, classes or sides": images_before == images_now,
            "weights": all(before[key] == account[key] for key in ("weights", "weights_sha256")),
            f"recipe settings ({', '.join(changed)})": not changed,
            "images of --not-cxr": before.get("not_cxr_sha256") == account.get("not_cxr_sha256"),
        }
        if not all(same.values()):
            raise FreezenetError(
                f"The same data, weights and recipe are required to go on with a run. Got: {out}, begun with other "
                f"{', other '.join(what for what in same if not same[what])}; pass --overwrite or choose another name."
            )
        return
    write_splits(out / "splits.csv", dataset, sides, images.hashes)
    write_atomically(out / "recipe.toml", lambda path: path.write_text(recipe.to_toml(), encoding="utf-8"))
    write_json(record, account)


def first_recall(
    model: keras.Model, data: TrainingData, recipe: Recipe, out: Path, cache: Path, gpus: int
) -> NDArray[np.float64]:
    """Return the validation recall (C,) after a first run of `difficulty_epochs` with plain cross-entropy.

    The model gets its own weights back afterwards. The run lies in `out`/first-run, so that it too survives a kill.
    """
    folder = out / _FIRST_RUN
    folder.mkdir(exist_ok=True)
    short = recipe.with_settings({"loss": "cross-entropy", "epochs": recipe.difficulty_epochs, "head_epochs": 0})
    before = model.get_weights()
    loss = choose_criterion(short, data).loss
    features = fit_phases(model, data, recipe=short, loss=loss, folder=folder, cache=cache, gpus=gpus).features
    rows = data.rows("validation")
    features = None if features is None else features[rows]
    scores = predict(model, data.images.pixels[rows], recipe.preprocess, features=features)
    model.set_weights(before)
    answers = np.eye(len(data.labels), dtype=bool)[scores.argmax(1)]
    return recall(label_matrices(data.truth[rows], answers))


def _write_results(
    model: keras.Model,
    out: Path,
    dataset: Dataset,
    data: TrainingData,
    fitted: Fitted,
    criterion: Criterion,
    recipe: Recipe,
    account: dict[str, Any],
    negatives: Negatives | None,
) -> dict[str, Any]:
    history = fitted.history
    labels, sides, truth, task = data.labels, data.sides, data.truth, dataset.task
    write_atomically(out / "model.keras", model.save)
    write_csv(out / "history.csv", list(history[0]), [list(epoch.values()) for epoch in history])
    scores = predict(model, data.images.pixels, recipe.preprocess, features=fitted.features)
    patients = np.array([sample.patient for sample in dataset.samples])
    validation = data.rows("validation")
    chosen = ChosenRule.fit(recipe, labels, scores[validation], truth[validation])
    answers = chosen.rule.answers(scores)
    rows = zip([sample.file for sample in dataset.samples], sides, [sample.label for sample in dataset.samples],
               task.texts(answers, labels), *scores.T.astype(float).round(6).tolist(), strict=True)  # fmt: skip
    write_csv(out / "predictions.csv", ["file", "split", "class", "answer", *labels], list(rows))
    decision, decided = _decision(model, scores, patients, data, fitted.features, recipe, chosen, negatives)
    write_json(out / DECISION, decision)
    figures = {
        side: task.evaluate(truth[rows], answers[rows], labels, patients[rows].tolist())
        for side in SPLITS
        for rows in [data.rows(side)]
    }
    metrics = {
        **figures["test"],
        "validation": figures["validation"],
        "train": figures["train"],
        **chosen.figures(scores[data.rows("test")], truth[data.rows("test")], patients[data.rows("test")].tolist()),
        **decided,
        "recipe": recipe.name,
        "seed": recipe.seed,
        "data_sha256": account["data_sha256"],
        "parameters": count_parameters(model),
        "epochs": len(history),
        "seconds": {stage: round(value, 2) for stage, value in fitted.seconds.items()},
        "images_by_class_and_side": {
            label: {side: int(truth[data.rows(side), one].sum()) for side in SPLITS} for one, label in enumerate(labels)
        },
        "images_by_class_and_source": dataset.table("source"),
        "class_statistics": criterion.statistics,
        "loss_weights": None if criterion.weights is None else dict(zip(labels, criterion.weights.round(6).tolist(), strict=True)),
    }  # fmt: skip
    write_json(out / FINISHED, metrics)
    remove_checkpoints(out)
    shutil.rmtree(out / _FIRST_RUN, ignore_errors=True)
    return metrics


def _decision(
    model: keras.Model,
    scores: NDArray,
    patients: NDArray,
    data: TrainingData,
    features: NDArray | None,
    recipe: Recipe,
    chosen: ChosenRule,
    negatives: Negatives | None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what decision.json holds, chosen on the validation side, and the figures of it, measured on the test side."""
    train, validation, test = (data.rows(side) for side in SPLITS)
    features = backbone_features(model, data.images.pixels, recipe.preprocess, cached=features)
    taught = held_out = None
    if negatives is not None:
        others = backbone_features(model, negatives.images.pixels, recipe.preprocess)
        taught, held_out = others[negatives.sides == "train"], others[negatives.sides == "test"]
    gate = choose_ood_gate(features[train], features[validation], taught)
    names = patients[test].tolist()
    decision = {**chosen.to_dict(), "gate": ood_to_dict(gate)}
    figures = {
        "confidence": {
            **decision["confidence"], "test": measure_confidence([(chosen.rule, scores[test], data.truth[test])], names)
        },
        "gate": measure_ood_gate(gate, features[validation], features[test], names, held_out),
    }  # fmt: skip
    return decision, figures
