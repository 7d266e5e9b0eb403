"""A Keras classifier of another maker becomes a RUN folder, so that everything behind the training works on it.

Of what a training leaves, the network is the maker's; split, temperature, abstention, the OOD gate (where the network pools its
last maps) and the figures are made here, of DATA. Whether its training saw some of these images nobody here knows, and the run says so.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras

from freezenet.convert.foreign.asked import Asked, spelt_as
from freezenet.convert.foreign.keras_network import image_side, load_keras, our_network, our_normalization
from freezenet.edge_runtime.errors import SettingError
from freezenet.train.data.split import split
from freezenet.train.files import MARK, check_output, prepare_output, sha256_file
from freezenet.train.fitting.phases import Fitted
from freezenet.train.frozen.cache import default_cache_folder
from freezenet.train.losses.criterion import Criterion
from freezenet.train.manifest import begin_run, make_manifest
from freezenet.train.network.host_settings import own_settings
from freezenet.train.options import TrainingOptions
from freezenet.train.recipes.recipe import Recipe
from freezenet.train.results import Trained, write_results
from freezenet.train.run_folder import RunFolder
from freezenet.train.training import load_classes, read_data

logger = logging.getLogger(__name__)

#: Name of the recipe of such a run, which says nothing of how the network was trained.
RECIPE = "adopted"


@own_settings()
def adopt(model: Path, data: Path, out: Path, asked: Asked, *, overwrite: bool = False) -> RunFolder:
    """Write a RUN folder of a Keras model and DATA; one that is there already, of the same model and data, is taken as it is.

    Args:
        model: A .keras or .h5 file.
        data: DATA in one of the layouts of docs/data.md; a split that it names is kept.
        out: The RUN folder.
        asked: Normalization and labels of the model.
        overwrite: Replace what is there.

    Raises:
        ModelError: The file is no classifier that can be converted.
        SettingError: What has to be known of it is not, or `out` holds another run.
        DataError: DATA cannot be used.
    """
    adopted: dict[str, Any] = {"file": model.name, "sha256": _digest(model), "asked": _kept(asked)}
    run = RunFolder(out)
    _refuse_others(run)
    if run.metrics_file.is_file() and not overwrite:
        manifest = run.read_manifest()
        if manifest.get("adopted") != adopted or manifest["data"] != str(data.resolve()):
            raise SettingError(
                f"The RUN folder of the same model, DATA and --preprocess is required. Got: {out}, which is another; pass --overwrite or "
                "choose another name with --out."
            )
        return run
    check_output(out, run.metrics_file.name, overwrite)
    network = load_keras(model)
    mean, std = our_normalization(asked)
    if asked.color is not None:
        logger.info(f"color={asked.color} changes nothing: images are read as gray values, the same in each channel")
    side = image_side(network, asked)
    recipe = Recipe().with_settings(
        {
            "name": RECIPE,
            "summary": f"a network of another maker, {model.name}; the keys of the training say nothing of it",
            "image_size": side,
            "mean": mean,
            "std": std,
            "cache": "none",
        }
    )
    dataset = load_classes(data, recipe)
    labels = _labels(asked, dataset.labels, network.output_shape[-1], model.name)
    converted = our_network(network, asked, labels, dataset.labels)
    splits = split(dataset, recipe.validation_share, recipe.test_share, recipe.seed)
    read = read_data(dataset, recipe).with_splits(splits)
    options = TrainingOptions(weights="none")
    manifest = make_manifest(read, recipe, options=options)
    manifest["adopted"] = adopted
    prepare_output(out, run.metrics_file.name, overwrite)
    begin_run(run, manifest, recipe=recipe, data=read)
    has_pool = "pool" in [layer.name for layer in converted.layers]
    if not has_pool:
        logger.warning(f"{model.name} does not pool its last maps: no OOD gate and no class activation map is made")
    logger.warning(
        f"Whether any image of DATA took part in the training of {model.name} is not known: freezenet did not train it."
    )
    trained = Trained(
        converted,
        Criterion(keras.losses.CategoricalCrossentropy()),
        Fitted(features=None, history=[], seconds={}),
        default_cache_folder(),
    )
    write_results(run, trained, data=read, recipe=recipe, manifest=manifest, ood=has_pool)
    return run


def _refuse_others(run: RunFolder) -> None:
    """Refuse a folder of ours that holds anything else than an adopted network: nobody has named it, so it is not to be emptied."""
    if not (run.folder / MARK).exists():
        return
    # All that lies there between the first file and the manifest.
    ours = {MARK, run.splits_file.name, run.recipe_file.name}
    if run.manifest_file.is_file():
        if not run.adopted:
            raise SettingError(
                f"A folder of no training is required beside --out. Got: {run.folder.name}, a RUN that freezenet trained; choose another "
                "--out."
            )
    elif any(path.name not in ours and ".partial" not in path.name for path in run.folder.iterdir()):
        raise SettingError(
            f"A folder of no other results is required beside --out. Got: {run.folder.name}, which holds others; choose another --out."
        )


def _digest(model: Path) -> str:
    return sha256_file(model) if model.is_file() else ""


def _kept(asked: Asked) -> dict[str, Any]:
    """Return what was said as JSON types, as a file gives them back."""
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in asdict(asked).items()
        if value is not None
    }


def _labels(asked: Asked, known: Sequence[str], scores: int, name: str) -> tuple[str, ...]:
    if asked.labels is None:
        raise SettingError(
            f"The names of the {max(scores, 2)} classes of {name}, in the order of its scores, are required. Got: none; pass --labels. "
            f"In alphabetical order, Keras's own, they are: --labels {','.join(known)}."
        )
    return spelt_as(asked.labels, known)
