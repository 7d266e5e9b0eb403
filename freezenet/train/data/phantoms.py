"""Chest phantoms: drawn X-ray-like images with a known pattern, to try everything without a patient's image.

Ribs, lungs, heart, diaphragm and mediastinum are drawn with random sizes and positions; the pattern of the class comes
on top. Every image is brought to a mean and contrast drawn from one distribution for all classes, so that mean
brightness says nothing about the class. A network that learns phantoms has shown that the machinery works, not that
it can read X-rays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from freezenet.train.data.label_sets import NONE, labels_of
from freezenet.train.files import write_csv

#: Patients drawn of each class for a data set of scale 1: imbalanced, as hospitals' data is.
PATIENTS = {"Clear": 300, "Focal": 72, "Diffuse": 120, "Reticular": 180}
#: The same for a multi-label task: some have two findings, some none.
LABEL_SET_PATIENTS = {
    NONE: 240,
    "Focal": 72,
    "Diffuse": 96,
    "Reticular": 120,
    "Diffuse;Focal": 60,
    "Focal;Reticular": 84,
}


def draw_phantom(pattern: str, size: int, rng: np.random.Generator, noise: float = 6.0) -> NDArray[np.uint8]:
    """Draw one phantom: (size, size) uint8.

    Args:
        pattern: of PATTERNS, or several of them as a label set.
        size: of the image in pixels.
        rng: what all sizes and positions are drawn from.
        noise: standard deviation of the detector noise in gray levels.
    """
    y, x = np.mgrid[0 : 1 : complex(size), 0 : 1 : complex(size)].astype(np.float32)
    middle = 0.5 + rng.normal(0, 0.015)
    top, bottom = 0.14 + rng.normal(0, 0.02), 0.80 + rng.normal(0, 0.03)
    half = 0.17 + rng.normal(0, 0.012)
    offset = 0.20 + rng.normal(0, 0.01)
    # Air is dark; 1 stands for dense tissue.
    density = 0.75 - 0.5 * np.clip(np.abs(x - middle) - 0.42, 0, 1) * 10
    lungs = np.zeros_like(x)
    for side in (-1, 1):
        center_y, tall = (top + bottom) / 2, (bottom - top) / 2
        ellipse = ((x - middle - side * offset) / half) ** 2 + ((y - center_y) / tall) ** 2
        lungs = np.maximum(lungs, _soft(1 - ellipse, 0.12))
    density -= 0.5 * lungs
    for one in labels_of(pattern):
        density += 0.5 * PATTERNS[one](x, y, lungs, rng)
    density += _ribs(x, y, middle, rng)
    heart = ((x - middle - 0.06) / (0.13 + rng.normal(0, 0.012))) ** 2 + ((y - 0.62) / 0.17) ** 2
    density = np.maximum(density, 0.72 * _soft(1 - heart, 0.1))
    density += 0.15 * _soft(0.045 - np.abs(x - middle), 0.01)
    image = cv2.GaussianBlur(density, (0, 0), size / 200)
    image = (image - image.mean()) / image.std()
    image = rng.uniform(115, 140) + rng.uniform(45, 58) * image
    image = image + rng.normal(0, noise, image.shape) if noise else image
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def write_phantoms(
    folder: Path, scale: float = 1.0, size: int = 160, seed: int = 0, patients: Mapping[str, int] = PATIENTS
) -> Path:
    """Write a data set of phantoms: PNG files in class folders and `phantoms.csv`, whose path is returned.

    Equal arguments write equal files.

    Args:
        folder: where they are written.
        scale: times the number of patients.
        size: of each image in pixels.
        seed: of all drawing.
        patients: class or label set -> number of patients, of whom some have two images.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for pattern, count in patients.items():
        (folder / pattern).mkdir(parents=True, exist_ok=True)
        for number in range(max(4, round(count * scale))):
            for view in range(1 + int(rng.random() < 0.25)):
                file = f"{pattern}/{pattern.lower()}-{number:03d}-{view}.png"
                cv2.imwrite(str(folder / file), draw_phantom(pattern, size, rng))
                rows.append((file, pattern, f"{pattern.lower()}-{number:03d}", "phantom"))
    table = folder / "phantoms.csv"
    write_csv(table, ("file", "class", "patient_id", "source"), rows)
    return table


def _clear(x: NDArray, y: NDArray, lungs: NDArray, rng: np.random.Generator) -> NDArray:
    """No pattern."""
    return np.zeros_like(x)


def _focal(x: NDArray, y: NDArray, lungs: NDArray, rng: np.random.Generator) -> NDArray:
    """One or two dense patches in one lung."""
    out = np.zeros_like(x)
    side = rng.choice([-1, 1])
    for _ in range(rng.integers(1, 3)):
        cx, cy = 0.5 + side * rng.uniform(0.14, 0.26), rng.uniform(0.3, 0.68)
        rx, ry = rng.uniform(0.05, 0.09, 2)
        out = np.maximum(out, rng.uniform(0.7, 1.0) * np.exp(-(((x - cx) / rx) ** 2) - ((y - cy) / ry) ** 2))
    return out * lungs


def _diffuse(x: NDArray, y: NDArray, lungs: NDArray, rng: np.random.Generator) -> NDArray:
    """Hazy clouds in both lungs, denser below."""
    size = x.shape[0]
    clouds = cv2.GaussianBlur(rng.normal(0, 1, x.shape).astype(np.float32), (0, 0), size / 18)
    clouds = (clouds - clouds.min()) / (clouds.max() - clouds.min())
    return rng.uniform(0.8, 1.1) * clouds * (0.4 + 0.8 * y) * lungs


def _reticular(x: NDArray, y: NDArray, lungs: NDArray, rng: np.random.Generator) -> NDArray:
    """A fine net of lines in both lungs."""
    turn = rng.uniform(0, np.pi)
    lines = np.zeros_like(x)
    for angle in (turn, turn + rng.uniform(0.8, 1.5)):
        wave = np.sin(2 * np.pi * rng.uniform(16, 22) * (x * np.cos(angle) + y * np.sin(angle)) + rng.uniform(0, 6.28))
        lines = np.maximum(lines, _soft(wave - 0.6, 0.2))
    return rng.uniform(0.5, 0.8) * lines * lungs


#: Class name -> the function that draws its pattern, density 0..1 on the grid x, y in 0..1.
PATTERNS: dict[str, Callable[[NDArray, NDArray, NDArray, np.random.Generator], NDArray]] = {
    "Clear": _clear,
    "Focal": _focal,
    "Diffuse": _diffuse,
    "Reticular": _reticular,
}


def _ribs(x: NDArray, y: NDArray, middle: float, rng: np.random.Generator) -> NDArray:
    """Bright arcs that fall away from the spine."""
    across = np.abs(x - middle)
    spacing, start = rng.uniform(0.078, 0.092), rng.uniform(0.05, 0.12)
    arcs = y - 0.55 * across + 1.1 * across**2
    phase = np.abs((arcs - start) % spacing - spacing / 2)
    return rng.uniform(0.07, 0.12) * _soft(0.014 - phase, 0.004) * (across > 0.05) * (across < 0.4) * (y < 0.85)


def _soft(value: NDArray, width: float) -> NDArray:
    """A step from 0 to 1 of the given width."""
    return 1 / (1 + np.exp(-np.clip(value / width, -20, 20)))
