"""One training run: from DATA and a recipe to a RUN folder (`freezenet.train.run_folder`).

The way of the data: `load_classes` says which images there are, `split` which of them train, validate and test, `read_data`
reads them, once; what comes after is given the one `TrainingData`.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.errors import require_type
from freezenet.train.data.dataset import Dataset, spelling_warning
from freezenet.train.data.loading import load
from freezenet.train.data.split import split
from freezenet.train.data.training_data import TrainingData
from freezenet.train.files import check_output, prepare_output
from freezenet.train.fitting.phases import fit_phases
from freezenet.train.fitting.traces import forgotten_traces
from freezenet.train.frozen.cache import default_cache_folder
from freezenet.train.losses.criterion import choose_criterion, needs_recall
from freezenet.train.manifest import begin_run, make_manifest
from freezenet.train.metrics.matrices import label_matrices, recall
from freezenet.train.network.devices import configure_devices, device_scope
from freezenet.train.network.host_settings import own_settings
from freezenet.train.network.model import build_model
from freezenet.train.network.predict import predict
from freezenet.train.ood.negatives import Negatives, read_negatives
from freezenet.train.options import DEFAULT_RECIPE, TrainingOptions
from freezenet.train.recipes.recipe import Recipe, load_recipe
from freezenet.train.results import Trained, write_results
from freezenet.train.run_folder import Manifest, Metrics, RunFolder

logger = logging.getLogger(__name__)


def train(
    data: str | Path,
    out: str | Path,
    *,
    recipe: Recipe | str = DEFAULT_RECIPE,
    options: TrainingOptions = TrainingOptions(),
) -> Metrics:
    """Train a recipe on DATA into the folder `out`; a run that was killed goes on when it is called again the same way.

    The split is drawn before the images are read, so that a refusal does not come after minutes of reading. It is drawn once more
    only where unreadable images were left out: then it is the one of the data without them, as if they had never been there.

    Args:
        data: a folder or a CSV in one of the layouts of docs/data.md.
        out: the RUN folder.
        recipe: what to train by, or its name or TOML file.
        options: the rest.

    Returns:
        What stands in metrics.json.
    """
    require_type("options", options, TrainingOptions)
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    check_output(Path(out), RunFolder(Path(out)).metrics_file.name, options.overwrite)
    shares = (recipe.validation_share, recipe.test_share, recipe.seed)
    dataset = load_classes(data, recipe)
    splits = split(dataset, *shares)
    read = read_data(dataset, recipe, skip_unreadable=options.skip_unreadable)
    if len(read.dataset.samples) < len(splits):
        splits = split(read.dataset, *shares)
    negatives = None
    if options.not_cxr is not None:
        negatives = read_negatives(options.not_cxr, recipe, options.skip_unreadable)
    return train_on(read.with_splits(splits), Path(out), recipe=recipe, options=options, negatives=negatives)


def load_classes(data: str | Path, recipe: Recipe, columns: Collection[str] = ()) -> Dataset:
    """Load the classes of DATA that a recipe asks for, and say what a reader of its figures must know. columns: see `load`."""
    dataset = load(data, recipe.task, columns=columns).of_classes(recipe.classes)
    for names in dataset.spellings:
        logger.warning(spelling_warning(names))
    if not dataset.has_patients:
        logger.warning(
            "No patient_id: each image counts as its own patient, so images of one person may stand in two splits."
        )
    return dataset


def read_data(dataset: Dataset, recipe: Recipe, *, skip_unreadable: bool = False) -> TrainingData:
    """Read the images of a data set, without those that cannot be read where that is asked for; say where files are equal."""
    data = TrainingData.read(dataset, recipe.preprocess, skip_unreadable=skip_unreadable)
    duplicates = len(data.images.hashes) - len(set(data.images.hashes))
    if duplicates:
        logger.warning(
            f"Files that equal another: {duplicates}. freezenet data names them and finds other duplicates; its --clean "
            "leaves them out."
        )
    return data


@own_settings()
@forgotten_traces()
def train_on(
    data: TrainingData,
    out: Path,
    *,
    recipe: Recipe,
    options: TrainingOptions = TrainingOptions(),
    negatives: Negatives | None = None,
) -> Metrics:
    """Train as `train` does, on images that have been read.

    Args:
        data: the images, each in one of the three splits.
        out: the RUN folder.
        recipe: what to train by.
        options: weights, cache and overwrite are used.
        negatives: images that are no chest X-rays, for the OOD gate.

    Returns:
        What stands in metrics.json.
    """
    run = RunFolder(out)
    manifest = make_manifest(data, recipe, options=options, negatives=negatives)
    if negatives is not None:
        negatives.refuse_known(data)
    trained = fit_network(run, data, recipe=recipe, options=options, manifest=manifest, negatives=negatives)
    return write_results(run, trained, data=data, recipe=recipe, manifest=manifest, negatives=negatives)


def fit_network(
    run: RunFolder,
    data: TrainingData,
    *,
    recipe: Recipe,
    options: TrainingOptions,
    manifest: Manifest,
    negatives: Negatives | None = None,
    recall: NDArray[np.float64] | None = None,
) -> Trained:
    """Begin a run, or go on with it, and train its network to the end.

    Args:
        run: the folder.
        data, recipe, options, negatives: as for `train_on`.
        manifest: what run.json is to hold.
        recall: (C,) where it is known, for a loss that asks for it; None for that of a first short run.
    """
    keras.utils.set_random_seed(recipe.seed)
    keras.config.set_dtype_policy(recipe.precision)
    gpus = configure_devices(recipe)
    with device_scope(recipe):
        model = build_model(recipe, data.labels, options.weights)
        # Only now, so that data or weights that cannot be used leave nothing behind and cost no earlier results.
        prepare_output(run.folder, run.metrics_file.name, options.overwrite)
        begin_run(run, manifest, recipe=recipe, data=data, negatives=negatives)
        cache = options.cache or default_cache_folder()
        if recall is None and needs_recall(recipe):
            recall = first_recall(model, data, recipe, run.first_run, cache, gpus)
        criterion = choose_criterion(recipe, data, recall)
        if criterion.weights is not None:
            shown = ", ".join(f"{label} {one:.4g}" for label, one in zip(data.labels, criterion.weights, strict=True))
            # Published as a remedy for imbalance, which readers of the numbers would take them for.
            note = " (from the images of the classes; they do not balance rare ones)" if criterion.statistics else ""
            logger.info(f"loss weights: {shown}{note}")
        fitted = fit_phases(model, data, recipe=recipe, loss=criterion.loss, folder=run.folder, cache=cache, gpus=gpus)
    # Outside of the scope: under a distribution strategy each device would predict the whole batch.
    return Trained(model, criterion, fitted, cache)


def first_recall(
    model: keras.Model, data: TrainingData, recipe: Recipe, folder: Path, cache: Path, gpus: int
) -> NDArray[np.float64]:
    """Return the validation recall (C,) after a first run of `difficulty_epochs` with plain cross-entropy.

    The model gets its own weights back afterwards. The run lies in a folder, so that it too survives a kill.
    """
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
