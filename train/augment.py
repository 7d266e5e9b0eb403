"""Random changes of training images, on gray values in 0..255, by OpenCV."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from train.recipe import Recipe

Prepare = Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.float32]]


def normalizer(recipe: Recipe) -> Prepare:
    """Return the function that only normalizes: pixels (n, h, w) uint8 to (n, h, w, 3) float32."""
    return lambda pixels, _: recipe.preprocess.normalized(pixels)


def augmenter(recipe: Recipe) -> Prepare:
    """Return the function that prepares raw pixels (n, h, w) uint8 for the network: (n, h, w, 3) float32.

    Each image is rotated by up to `augment_rotation` degrees, zoomed by up to a factor 1 +- `augment_zoom`, shifted by
    up to `augment_shift` of its sides (black comes in), brightened by up to `augment_brightness` of the range, its
    contrast scaled by up to 1 +- `augment_contrast`, and flipped with probability 1/2 where the recipe flips.
    A recipe without augmentation only normalizes.
    """

    def change(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        height, width = image.shape
        angle, zoom, right, down, bright, contrast = rng.uniform(-1, 1, 6)
        matrix = cv2.getRotationMatrix2D(
            ((width - 1) / 2, (height - 1) / 2), recipe.augment_rotation * angle, 1 + recipe.augment_zoom * zoom
        )
        matrix[:, 2] += recipe.augment_shift * right * width, recipe.augment_shift * down * height
        moved = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR)
        if recipe.augment_horizontal_flip and rng.random() < 0.5:
            moved = moved[:, ::-1]
        scale = 1 + recipe.augment_contrast * contrast
        changed = (moved.astype(np.float32) - 127.5) * scale + 127.5 + 255 * recipe.augment_brightness * bright
        return np.clip(np.rint(changed), 0, 255).astype(np.uint8)

    def prepare(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
        return recipe.preprocess.normalized(np.stack([change(image, rng) for image in pixels]))

    return prepare if recipe.augments else normalizer(recipe)
