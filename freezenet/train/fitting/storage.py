"""A chest X-ray as another hospital would have taken, cropped and saved it: gray values, detail, field of view, frame, JPEG."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

#: Makes the pixels (h, w) uint8 of a version of an image.
Change = Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]]
#: Side in pixels for which the changes of detail are meant.
_SIDE = 224


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
