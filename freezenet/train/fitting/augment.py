"""Random changes of training images, on gray values in 0..255, by OpenCV."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from freezenet.train.fitting.storage import all_changes
from freezenet.train.recipes.recipe import Recipe

Prepare = Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.float32]]
#: Version of the rules in this module and in `freezenet.train.fitting.storage`; a change of rules is a new number, so that no cache holds
#: augmented versions by the old ones. A change in storage.py concerns `freezenet.train.ood.versions`, too: bump both.
AUGMENT_VERSION = 2
#: Smallest and largest share of the sides that a rectangle over a marker takes.
_MARKER = (0.08, 0.22)


def normalizer(recipe: Recipe) -> Prepare:
    """Return the function that only normalizes: pixels (n, h, w) uint8 to (n, h, w, 3) float32."""
    return lambda pixels, _: recipe.preprocess.normalized(pixels)


def augmenter(recipe: Recipe) -> Prepare:
    """Return the function that prepares raw pixels (n, h, w) uint8 for the network: (n, h, w, 3) float32.

    Each image is changed by `augmented_image`. A recipe without augmentation only normalizes.
    """

    def prepare(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
        return recipe.preprocess.normalized(np.stack([augmented_image(image, recipe, rng) for image in pixels]))

    return prepare if recipe.augments else normalizer(recipe)


def augmented_image(image: NDArray[np.uint8], recipe: Recipe, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return an image (h, w) uint8 changed by chance, as the recipe says.

    With the probability `augment_rotation_probability` it is rotated by up to `augment_rotation` degrees. It is zoomed by up
    to a factor 1 +- `augment_zoom`, sheared by up to `augment_shear` (how far a row moves aside per row above it), shifted by up
    to `augment_shift` of its sides (black comes in), flipped with probability 1/2 along each axis for which the recipe says
    so, its contrast scaled by up to 1 +- `augment_contrast`, and it is brightened by up to `augment_brightness` of the range. Last come what
    hides or changes how it was saved: see `restored` and `hidden`.
    """
    height, width = image.shape
    # All numbers are drawn for every image, whatever the recipe, so that one key does not change what another one does. How many storage
    # and hiding draw depends on their keys, so each has a generator of its own.
    storing, hiding = rng.spawn(2)
    angle, zoom, shear, right, down, bright, contrast = rng.uniform(-1, 1, 7)
    rotates, mirrors, upends = rng.random(3) < (recipe.augment_rotation_probability, 0.5, 0.5)
    center_x, center_y = (width - 1) / 2, (height - 1) / 2
    turned = cv2.getRotationMatrix2D(
        (center_x, center_y), recipe.augment_rotation * angle * rotates, 1 + recipe.augment_zoom * zoom
    )
    slope = recipe.augment_shear * shear
    sheared = np.array([[1, slope, -slope * center_y], [0, 1, 0], [0, 0, 1]])
    matrix = turned @ sheared
    matrix[:, 2] += recipe.augment_shift * right * width, recipe.augment_shift * down * height
    moved = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR)
    if recipe.augment_horizontal_flip and mirrors:
        moved = moved[:, ::-1]
    if recipe.augment_vertical_flip and upends:
        moved = moved[::-1]
    scale = 1 + recipe.augment_contrast * contrast
    changed = (moved.astype(np.float32) - 127.5) * scale + 127.5 + 255 * recipe.augment_brightness * bright
    whole = np.clip(np.rint(changed), 0, 255).astype(np.uint8)
    return hidden(restored(whole, recipe, storing), recipe, hiding)


def restored(image: NDArray[np.uint8], recipe: Recipe, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return an image, with the probability `augment_storage`, as another hospital would have saved it (`freezenet.train.fitting.storage`)."""
    if not recipe.augment_storage:
        return image
    return all_changes(image, rng) if rng.random() < recipe.augment_storage else image


def hidden(image: NDArray[np.uint8], recipe: Recipe, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return an image without what lies beside the chest: border and markers.

    Each of its four edges is blacked out by up to `augment_border` of the sides. With the probability `augment_markers`, each for itself, a
    rectangle in each corner, where side markers and burned-in text stand, takes the mean of its gray values.
    """
    if not recipe.augment_border and not recipe.augment_markers:
        return image
    height, width = image.shape
    shown = image.copy()
    covered, high, wide = rng.random(4) < recipe.augment_markers, rng.uniform(*_MARKER, 4), rng.uniform(*_MARKER, 4)
    for number in np.flatnonzero(covered):
        rows, columns = round(height * high[number]), round(width * wide[number])
        part = shown[
            slice(0, rows) if number < 2 else slice(height - rows, None),
            slice(0, columns) if number % 2 else slice(width - columns, None),
        ]
        part[...] = np.rint(part.mean())
    top, bottom, left, right = (recipe.augment_border * rng.random(4) * (height, height, width, width)).astype(int)
    black = np.zeros_like(shown)
    inside = slice(top, height - bottom), slice(left, width - right)
    black[inside] = shown[inside]
    return black
