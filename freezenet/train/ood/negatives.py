"""Images that are no chest X-rays, for the gate to be taught and measured with."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.errors import DataError
from freezenet.train.data.dataset import Dataset, Manifest, Sample
from freezenet.train.data.layouts.tree import walk
from freezenet.train.data.training_data import TrainingData
from freezenet.train.recipes.recipe import Recipe

logger = logging.getLogger(__name__)

#: With fewer, neither a gate nor its figures would mean anything.
LEAST = 10
_LABEL = "not a chest X-ray"


@dataclass(frozen=True)
class Negatives(TrainingData):
    """Images of one folder, each in the split "train" or "test"."""

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return self.dataset.root

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return columns and rows: each file with its split and SHA-256."""
        files = [sample.file for sample in self.dataset.samples]
        return ("file", "split", "sha256"), list(zip(files, self.splits, self.images.hashes, strict=True))

    def refuse_known(self, data: TrainingData) -> None:
        """Raise DataError where one of them is also an image of the data."""
        known = set(data.images.hashes)
        both = [
            sample.file for sample, one in zip(self.dataset.samples, self.images.hashes, strict=True) if one in known
        ]
        if both:
            raise DataError(
                f"Images that are no chest X-rays are required by --not-cxr. Got: {len(both)} that DATA holds too, "
                f"first {both[0]}."
            )


def read_negatives(folder: Path, recipe: Recipe, skip_unreadable: bool = False) -> Negatives:
    """Read all images below a folder and share them out by the recipe's seed: one half teaches the gate, the other tests it.

    Nothing is chosen on them, so they need no validation split. A DICOM file's tags
    are not asked, since they would refuse what is wanted here. Raises DataError where there are fewer than LEAST images.
    """
    if not folder.is_dir():
        raise DataError(f"A folder of images that are no chest X-rays is required by --not-cxr. Got: {folder}.")
    data = TrainingData.read(
        all_below(folder, _LABEL), recipe.preprocess, skip_unreadable=skip_unreadable, trust_tags=False
    )
    different = len(set(data.images.hashes))
    if different < LEAST:
        raise DataError(
            f"At least {LEAST} different images that are no chest X-rays are required by --not-cxr. "
            f"Got: {different} below {folder}."
        )
    return Negatives(data.dataset.with_splits(splits_of(data.images.hashes, recipe.seed)), data.images)


def all_below(folder: Path, label: str) -> Dataset:
    """Return all images below a folder as samples of one label, each its own patient; say what is not used."""
    found = dict(walk(folder))
    samples = tuple(Sample(file, label, file, "") for file, reason in found.items() if not reason)
    manifest = Manifest(len(samples), unused={file: reason for file, reason in found.items() if reason})
    if manifest.sentence:
        logger.info(f"{folder}: {manifest.sentence}")
    return Dataset(folder, samples, has_patients=False, manifest=manifest)


def splits_of(hashes: Sequence[str], seed: int) -> NDArray[np.str_]:
    """Return the split (n,) of each image by its content: a random half of the contents is "train", the rest "test"."""
    contents = sorted(set(hashes))
    taught = np.random.default_rng(seed).permutation(contents)[: len(contents) // 2]
    return np.where(np.isin(hashes, taught), "train", "test")
