"""Chest X-rays as other hospitals store them: versions of the training images that the OOD gate is fitted on, too.

A gate that was shown images of one collection alone takes the way in which that collection was saved for what makes a chest X-ray:
a slight blur, noise, a black frame or one more JPEG is then "no chest X-ray". Mean, covariance and threshold are therefore fitted on
the images as they are and on versions of them.

Each image has three: with one change, with all of them, and as another JPEG (docs/training.md says what they bring). A version depends on the
content of its image and on its number alone, so every split, fold and seed finds the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from freezenet.train.data.images import Images
from freezenet.train.fitting.storage import Change, all_changes, one_change, saved_again
from freezenet.train.frozen.backbone import backbone_features
from freezenet.train.frozen.cache import cached_features
from freezenet.train.frozen.cut import backbone_means, find_cut
from freezenet.train.frozen.versions import changed_images
from freezenet.train.recipes.recipe import Recipe

#: Images that have versions; a gate of 64 directions learns nothing from more.
MOST_IMAGES = 2000
#: Below the cache of the frozen backbone: where they are kept.
FOLDER = "ood-versions"
#: Of the rules of `freezenet.train.fitting.storage`; a change of rules is a new number, so that no cache holds versions by the old ones.
#: It concerns AUGMENT_VERSION of `freezenet.train.fitting.augment`, too: bump both.
_RULES = 1


@dataclass(frozen=True)
class VersionFeatures:
    """What the OOD gate reads of versions of images.

    Args:
        rows: (m,) which images have versions.
        values: (VERSIONS, m, c) float32, the channel means of the frozen backbone's output.
    """

    rows: NDArray[np.integer]
    values: NDArray[np.float32]

    def of(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return the features (k, c) of all versions of those of these images that have some."""
        return np.concatenate(self.values[:, np.isin(self.rows, rows)])


def version_features(model: keras.Model, images: Images, *, recipe: Recipe, cache: Path) -> VersionFeatures:
    """Compute the OOD gate's features of versions of images, of at most MOST_IMAGES, chosen by their content.

    Args:
        model: the whole network.
        images: n of them, after preprocessing.
        recipe: of the training.
        cache: folder of the cache of the frozen backbone, where they are kept: a few numbers for each image.
    """
    if images.whole is not None and images.rows is not None:
        everything = version_features(model, images.whole, recipe=recipe, cache=cache)
        place = {int(row): number for number, row in enumerate(images.rows)}
        there = [number for number, row in enumerate(everything.rows) if int(row) in place]
        rows = np.array([place[int(everything.rows[number])] for number in there], int)
        return VersionFeatures(rows, everything.values[:, there])
    rows = np.sort(np.argsort(images.hashes, kind="stable")[:MOST_IMAGES])
    if len(rows) < len(images.hashes):
        images = Images(images.pixels[rows], tuple(images.hashes[row] for row in rows))
    versions = [image_version(images, number) for number in range(VERSIONS)]
    if not recipe.caches or find_cut(model) is None:
        values = [backbone_features(model, one.pixels, recipe.preprocess) for one in versions]
    else:
        means = keras.Model(model.input, backbone_means(model))
        kept, folder = recipe.with_settings({"cache": "float32"}), cache / FOLDER
        values = [cached_features(means, one, recipe=kept, folder=folder).values for one in versions]
    return VersionFeatures(rows, np.stack(values))


def image_version(images: Images, number: int) -> Images:
    """Return the version of a number, 0 to VERSIONS - 1, of all images, its pixels made when they are asked for.

    Its hashes name the content as those of `images` do, so the cache takes it for what it is: other images.
    """
    return changed_images(images, lambda content: ["ood", _RULES, content, number], _KINDS[number])


#: What makes each version.
_KINDS: tuple[Change, ...] = (one_change, all_changes, saved_again)
#: Versions of each image.
VERSIONS = len(_KINDS)
