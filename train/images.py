"""All images of a data set in memory: pixels after preprocessing, and the hash of each file."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import FreezenetError
from edge_runtime.preprocess import PreprocessSpec
from train.dataset import Dataset
from train.progress import track


@dataclass(frozen=True)
class Images:
    """pixels: (n, h, w) uint8 gray values. hashes: SHA-256 of each file in hexadecimal."""

    pixels: NDArray[np.uint8]
    hashes: tuple[str, ...]


def read_images(dataset: Dataset, spec: PreprocessSpec) -> Images:
    """Read every image of a data set.

    Raises FreezenetError that names the unreadable files (up to three) and their number.
    """
    pixels = np.empty((len(dataset.samples), *spec.size), np.uint8)
    hashes = [""] * len(dataset.samples)
    failures: list[str] = []

    def read(index: int, path: Path) -> None:
        try:
            data = path.read_bytes()
            pixels[index] = spec.pixels(data)
            hashes[index] = hashlib.sha256(data).hexdigest()
        except OSError as error:
            failures.append(f"{path}: {error.strerror}")
        except FreezenetError as error:
            failures.append(f"{path}: {error}")

    # Threads, because OpenCV releases the interpreter lock while it decodes.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        done = pool.map(read, range(len(dataset.samples)), dataset.paths)
        for _ in track(done, "Reading images", len(dataset.samples)):
            pass
    if failures:
        failures.sort()
        shown = "; ".join(failures[:3]) + (f"; and {len(failures) - 3} more" if len(failures) > 3 else "")
        raise FreezenetError(
            f"Readable images are required. Got: {len(failures)} of {len(dataset.samples)} that are not "
            f"(remove them, or pass --skip-unreadable): {shown}"
        )
    return Images(pixels, tuple(hashes))


def readable(dataset: Dataset, spec: PreprocessSpec) -> tuple[Dataset, list[str]]:
    """Return the data set without the images that cannot be read, and one line about each of those."""
    good: list[int] = []
    skipped: list[str] = []
    for index, path in track(enumerate(dataset.paths), "Checking images", len(dataset.samples)):
        try:
            spec.pixels(path)
            good.append(index)
        except FreezenetError as error:
            skipped.append(f"{path}: {error}")
    return dataset.only(good), skipped
