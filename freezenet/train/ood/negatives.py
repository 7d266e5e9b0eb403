"""Images that are no chest X-rays, for the gate to be taught and measured with."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.images.inputs import images_below
from freezenet.train.data.dataset import Dataset, Sample, content_hash
from freezenet.train.data.images import Images, read_readable
from freezenet.train.recipes.recipe import Recipe

#: With fewer, neither a gate nor its figures would mean anything.
LEAST = 10
_LABEL = "not a chest X-ray"


@dataclass(frozen=True)
class Negatives:
    """folder: where they lie. dataset, images: n of them. sides: (n,) "train" or "test"."""

    folder: Path
    dataset: Dataset
    images: Images
    sides: NDArray[np.str_]

    def account(self) -> dict[str, str]:
        """Return what run.json says of them."""
        return {"not_cxr": str(self.folder.resolve()), "not_cxr_sha256": content_hash(self.images.hashes)}

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return columns and rows: each file with its side and SHA-256."""
        files = [sample.file for sample in self.dataset.samples]
        return ("file", "split", "sha256"), list(zip(files, self.sides, self.images.hashes, strict=True))

    def refuse_known(self, dataset: Dataset, images: Images) -> None:
        """Raise FreezenetError where one of them is also an image of the data set."""
        known = dict(zip(images.hashes, dataset.samples, strict=True))
        both = [
            sample.file for sample, one in zip(self.dataset.samples, self.images.hashes, strict=True) if one in known
        ]
        if both:
            raise FreezenetError(
                f"Images that are no chest X-rays are required by --not-cxr. Got: {len(both)} that DATA holds too, "
                f"first {both[0]}."
            )


def read_negatives(folder: Path, recipe: Recipe, skip_unreadable: bool = False) -> Negatives:
    """Read all images below a folder and share them out by the recipe's seed: one half teaches the gate, the other tests it.

    Nothing is chosen on them, so they need no validation side. A DICOM file's tags
    are not asked, since they would refuse what is wanted here. Raises FreezenetError where there are fewer than LEAST images.
    """
    if not folder.is_dir():
        raise FreezenetError(f"A folder of images that are no chest X-rays is required by --not-cxr. Got: {folder}.")
    dataset, images = read_readable(all_below(folder, _LABEL), recipe.preprocess, skip_unreadable, trust_tags=False)
    different = len(set(images.hashes))
    if different < LEAST:
        raise FreezenetError(
            f"At least {LEAST} different images that are no chest X-rays are required by --not-cxr. "
            f"Got: {different} below {folder}."
        )
    return Negatives(folder, dataset, images, sides_of(images.hashes, recipe.seed))


def all_below(folder: Path, label: str) -> Dataset:
    """Return all images below a folder as samples of one label, each its own patient."""
    files = [os.path.relpath(path, folder) for path in images_below(str(folder))]
    return Dataset(folder, tuple(Sample(file, label, file, "") for file in files), has_patients=False)


def sides_of(hashes: Sequence[str], seed: int) -> NDArray[np.str_]:
    """Return the side (n,) of each image by its content: a random half of the contents is "train", the rest "test"."""
    contents = sorted(set(hashes))
    taught = np.random.default_rng(seed).permutation(contents)[: len(contents) // 2]
    return np.where(np.isin(hashes, taught), "train", "test")
