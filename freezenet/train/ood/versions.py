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

import cv2
import keras
import numpy as np
from numpy.typing import NDArray

from freezenet.train.data.images import Images
from freezenet.train.frozen.backbone import backbone_features
from freezenet.train.frozen.cache import cached_features
from freezenet.train.frozen.cut import backbone_means, find_cut
from freezenet.train.frozen.versions import Change, changed_images
from freezenet.train.recipes.recipe import Recipe

#: Images that have versions; a gate of 64 directions learns nothing from more.
MOST_IMAGES = 2000
#: Below the cache of the frozen backbone: where they are kept.
FOLDER = "ood-versions"
#: Side in pixels for which the changes of detail are meant.
_SIDE = 224
#: Of the rules in this module; a change of rules is a new number, so that no cache holds versions by the old ones.
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


def one_change(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return an image (h, w) uint8 with other gray values and one of eight changes of detail, field of view or frame."""
    changes = (*_DETAILS, _equalized, cropped, framed)
    return changes[rng.integers(len(changes))](toned(image, rng, 0.25, 0.2, 12), rng)


def all_changes(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return an image (h, w) uint8 with other gray values, field of view, often a frame, and another detail in five of six cases."""
    moved = framed(cropped(toned(image, rng, 0.3, 0.2, 15), rng), rng, least=0.35)
    changes = (*_DETAILS, _kept)
    return changes[rng.integers(len(changes))](moved, rng)


def saved_again(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return an image (h, w) uint8 after a JPEG of quality 30 to 89."""
    return _through_jpeg(image, int(rng.integers(30, 90)))


def toned(
    image: NDArray[np.uint8], rng: np.random.Generator, gamma: float, contrast: float, brightness: float
) -> NDArray[np.uint8]:
    """Return an image with a gamma of e^+-gamma, its contrast scaled by 1 +- contrast, brightened by +-brightness of 255."""
    gray = (image / np.float32(255)) ** np.exp(rng.uniform(-gamma, gamma)) * 255
    scale, more = rng.uniform(1 - contrast, 1 + contrast), rng.uniform(-brightness, brightness)
    return _bytes((gray - 127.5) * scale + 127.5 + more)


def cropped(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a random part of 75 to 100 % of the sides, stretched by up to 10 %, in the size of the image."""
    height, width = image.shape
    scale, aspect = rng.uniform(0.75, 1), rng.uniform(0.9, 1.1)
    high, wide = (
        max(1, min(side, round(side * one))) for side, one in ((height, scale * aspect), (width, scale / aspect))
    )
    top, left = rng.integers(height - high + 1), rng.integers(width - wide + 1)
    part = image[top : top + high, left : left + wide]
    return np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def framed(image: NDArray[np.uint8], rng: np.random.Generator, least: float = 1.0) -> NDArray[np.uint8]:
    """Return the image made smaller in a black frame of 2 to 15 % of its sides, or with such a border blacked out.

    least: the share of images that this happens to, 0..1; the others stay as they are.
    """
    height, width = image.shape
    share, kind = rng.uniform(0.02, 0.15), rng.random()
    if kind >= least:
        return image
    high, wide = round(height * share), round(width * share)
    if kind < 0.57 * least:
        inner = cv2.resize(image, (width - 2 * wide, height - 2 * high), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.copyMakeBorder(inner, high, high, wide, wide, cv2.BORDER_CONSTANT, value=0), np.uint8)
    black = np.zeros_like(image)
    black[high : height - high, wide : width - wide] = image[high : height - high, wide : width - wide]
    return black


def _blur(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.2 * _strength(image)), np.uint8)


def _sharpen(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    return np.asarray(
        cv2.addWeighted(image, 1.7, cv2.GaussianBlur(image, (0, 0), 1.5 * _strength(image)), -0.7, 0), np.uint8
    )


def _noise(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    return _bytes(image + rng.normal(0, rng.uniform(4, 13) * _strength(image), image.shape))


def _jpeg(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    return _through_jpeg(image, 35)


def _locally_equalized(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    return np.asarray(cv2.createCLAHE(2.0, (8, 8)).apply(image), np.uint8)


def _equalized(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    return np.asarray(cv2.equalizeHist(image), np.uint8)


def _kept(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    return image


def _through_jpeg(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    quality = round(100 - (100 - quality) * _strength(image))
    written = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(written, cv2.IMREAD_GRAYSCALE), np.uint8)


def _strength(image: NDArray[np.uint8]) -> float:
    """Return how much of what spoils the detail of a file is left in so small an image: all of it from 224 pixels on."""
    return min(1.0, min(image.shape) / _SIDE)


def _bytes(values: NDArray) -> NDArray[np.uint8]:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


_DETAILS: tuple[Change, ...] = (_blur, _sharpen, _noise, _jpeg, _locally_equalized)
#: What makes each version.
_KINDS: tuple[Change, ...] = (one_change, all_changes, saved_again)
#: Versions of each image.
VERSIONS = len(_KINDS)
