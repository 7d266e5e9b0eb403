"""What a run is made of, written down before it is trained; a killed run only goes on with the same."""

from __future__ import annotations

from pathlib import Path

import keras

from freezenet.edge_runtime.errors import SettingError
from freezenet.edge_runtime.system.environment import environment
from freezenet.train.data.dataset import content_hash
from freezenet.train.data.split import split_rows, write_splits
from freezenet.train.data.training_data import TrainingData
from freezenet.train.files import sha256_file, write_atomically, write_csv, write_json
from freezenet.train.ood.negatives import Negatives
from freezenet.train.options import TrainingOptions
from freezenet.train.recipes.files import changed_keys
from freezenet.train.recipes.recipe import Recipe, kept_recipe
from freezenet.train.run_folder import Manifest, RunFolder


def make_manifest(
    data: TrainingData, recipe: Recipe, *, options: TrainingOptions, negatives: Negatives | None = None
) -> Manifest:
    """Return what run.json holds.

    Args:
        data: the images of the run.
        recipe: what it is trained by.
        options: which weights it starts from.
        negatives: the images of --not-cxr.
    """
    file = Path(options.weights)
    manifest: Manifest = {
        "data": str(Path(data.dataset.data or data.dataset.root).resolve()),
        "data_sha256": content_hash(data.images.hashes),
        "images": len(data.images.hashes),
        "weights": options.weights_origin,
        "weights_sha256": sha256_file(file) if file.is_file() else None,
        "recipe": recipe.name,
        "seed": recipe.seed,
        "backend": keras.backend.backend(),
        "environment": environment(),
    }
    if negatives is not None:
        manifest["not_cxr"] = str(negatives.folder.resolve())
        manifest["not_cxr_sha256"] = content_hash(negatives.images.hashes)
    return manifest


def begin_run(
    run: RunFolder, manifest: Manifest, *, recipe: Recipe, data: TrainingData, negatives: Negatives | None = None
) -> None:
    """Write what is known before training, or check that a killed run was begun with the same.

    Raises:
        SettingError: the folder was begun with other images, splits, weights or settings.
    """
    if run.manifest_file.is_file():
        _refuse_another(run, manifest, recipe, data)
    else:
        write_splits(run.splits_file, data.dataset, data.images.hashes)
        write_atomically(run.recipe_file, lambda path: path.write_text(recipe.to_toml(), encoding="utf-8"))
        write_json(run.manifest_file, manifest)
    if negatives is not None:
        write_csv(run.negatives_file, *negatives.table())


def _refuse_another(run: RunFolder, manifest: Manifest, recipe: Recipe, data: TrainingData) -> None:
    before = run.read_manifest()
    images_before = [tuple(row.values()) for row in run.read_splits()]
    images_now = split_rows(data.dataset, data.images.hashes)
    kept = kept_recipe(run.recipe_file.read_text(encoding="utf-8"))
    changed = changed_keys(kept.to_toml(), recipe.to_toml())
    same = {
        "images": before["data_sha256"] == manifest["data_sha256"],
        "files, classes, patients, sources or splits": images_before == images_now,
        "weights": (before["weights"], before["weights_sha256"]) == (manifest["weights"], manifest["weights_sha256"]),
        f"recipe settings ({', '.join(changed)})": not changed,
        "cross-validation of --final": before.get("final") == manifest.get("final"),
        "images of --not-cxr": before.get("not_cxr_sha256") == manifest.get("not_cxr_sha256"),
    }
    if not all(same.values()):
        raise SettingError(
            f"The same data, weights and recipe are required to go on with a run. Got: {run.folder}, begun with other "
            f"{', other '.join(what for what in same if not same[what])}; pass --overwrite or choose another name."
        )
