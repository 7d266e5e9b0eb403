"""Augmented versions of all images, so that augmentation and the cache of the frozen backbone go together.

A version depends on the content of its image, the keys of the augmentation, the seed and its number alone: neither on the split
nor on the other images. So one validation fold finds the same versions as the next, and a resumed run the same as an unbroken
one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np
from numpy.typing import NDArray

from freezenet.train.data.images import Images
from freezenet.train.fitting.augment import AUGMENT_VERSION, augmented_image
from freezenet.train.fitting.storage import Change
from freezenet.train.frozen.cache import Features, cached_features, frozen_backbone
from freezenet.train.recipes.recipe import Recipe


def cached_versions(
    frozen: keras.Model, images: Images, *, recipe: Recipe, folder: Path, has_gpu: bool = False
) -> list[Features]:
    """Return the frozen backbone's output of all images as they are, and behind it that of each augmented version of them.

    Each has a folder of its own in the cache, so the images as they are serve runs without augmentation too, and more versions
    cost only the new ones. Some of a data set's images are served by what is kept of all of them. For the arguments see
    `freezenet.train.frozen.cache.cached_features`.
    """
    if images.whole is not None and images.rows is not None:
        everything = cached_versions(frozen, images.whole, recipe=recipe, folder=folder, has_gpu=has_gpu)
        return [Features(cast(NDArray, SelectedRows(one.values, images.rows)), one.engine) for one in everything]
    backbone = frozen_backbone(frozen, recipe, len(images.pixels), has_gpu=has_gpu)
    versions = [images, *(augmented_version(images, recipe, number) for number in range(1, 1 + recipe.versions))]
    return [cached_features(frozen, one, recipe=recipe, folder=folder, backbone=backbone) for one in versions]


def augmented_version(images: Images, recipe: Recipe, number: int) -> Images:
    """Return the version `number` (1, 2, ...) of all images, its pixels made when they are asked for.

    Its hashes name the content as those of `images` do, so the cache takes it for what it is: other images.
    """
    keys = recipe.augmentation
    return changed_images(
        images,
        lambda content: [AUGMENT_VERSION, content, keys, recipe.seed, number],
        lambda image, rng: augmented_image(image, recipe, rng),
    )


def changed_images(images: Images, name: Callable[[str], list[Any]], change: Change) -> Images:
    """Return a version of all images, its pixels made when they are asked for.

    Args:
        images: n of them.
        name: hash of an image -> what the version depends on (JSON types); its own hash is made of this.
        change: makes the pixels, by a generator seeded with that hash.
    """
    hashes = tuple(hashlib.sha256(json.dumps(name(one)).encode()).hexdigest() for one in images.hashes)
    return Images(cast(NDArray, _ChangedPixels(images.pixels, hashes, change)), hashes)


class _ChangedPixels:
    """Pixels (n, h, w) uint8 that are changed row by row, by a generator seeded with the row's hash."""

    def __init__(self, pixels: NDArray[np.uint8], hashes: Sequence[str], change: Change) -> None:
        self._pixels, self._hashes, self._change = pixels, hashes, change

    def __len__(self) -> int:
        return len(self._pixels)

    def __getitem__(self, rows: slice) -> NDArray[np.uint8]:
        return np.stack([
            self._change(image, np.random.default_rng(int(digest, 16)))
            for image, digest in zip(self._pixels[rows], self._hashes[rows], strict=True)
        ])  # fmt: skip


class SelectedRows:
    """Some rows of an array (n, ...), without a copy of them in memory."""

    def __init__(self, array: NDArray, rows: NDArray[np.integer]) -> None:
        """Keep the array, memory-mapped or not, and the numbers (m,) of its rows."""
        self._array, self._rows = array, rows
        self.shape, self.dtype, self.ndim = (len(rows), *array.shape[1:]), array.dtype, array.ndim

    def __len__(self) -> int:
        """Return the number of rows that were selected."""
        return len(self._rows)

    def __getitem__(self, rows: slice | NDArray[np.integer]) -> NDArray:
        """Return those of the selected rows that have these numbers."""
        return np.asarray(self._array[self._rows[rows]])


class StackedRows:
    """Arrays of equal shape (n, ...) as one with their rows one after the other, without a copy of them in memory."""

    def __init__(self, arrays: Sequence[NDArray]) -> None:
        """Keep the arrays, memory-mapped or not."""
        self._arrays = tuple(arrays)

    def __len__(self) -> int:
        """Return the number of rows of all arrays together."""
        return sum(len(one) for one in self._arrays)

    def __getitem__(self, rows: slice | NDArray[np.integer]) -> NDArray:
        """Return the rows of these numbers."""
        if len(self._arrays) == 1:
            return self._arrays[0][rows]
        numbers = np.arange(len(self))[rows] if isinstance(rows, slice) else np.asarray(rows)
        which, inside = np.divmod(numbers, len(self._arrays[0]))
        found = np.empty((len(numbers), *self._arrays[0].shape[1:]), self._arrays[0].dtype)
        for number in np.unique(which):
            found[which == number] = self._arrays[number][inside[which == number]]
        return found
