"""All images of a data set in memory: pixels after preprocessing, and the hash of each file."""

from __future__ import annotations

import hashlib
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.images.header import image_size
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.train.data.dataset import Dataset
from freezenet.train.progress import track

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Images:
    """pixels: (n, h, w) uint8 gray values. hashes: SHA-256 of each file in hexadecimal."""

    pixels: NDArray[np.uint8]
    hashes: tuple[str, ...]


@dataclass(frozen=True)
class Reading:
    """What reading a data set gave, in sample order.

    pixels: (n, h, w) uint8, undefined for a failure. hashes: SHA-256 of each file, "" for a failure. sizes: (n, 2) width and
    height as stored, 0 for a failure. failures: row -> why the image cannot be read.
    """

    pixels: NDArray[np.uint8]
    hashes: tuple[str, ...]
    sizes: NDArray[np.integer]
    failures: dict[int, str]


def read_images(dataset: Dataset, spec: PreprocessSpec, trust_tags: bool = True) -> Images:
    """Read every image of a data set.

    trust_tags: see `freezenet.edge_runtime.images.dicom.read_dicom_gray`.
    Raises FreezenetError that names the unreadable files (up to three) and their number.
    """
    reading = read_what_can_be_read(dataset, spec, "Reading images", trust_tags)
    if reading.failures:
        failures = sorted(_lines(dataset, reading))
        shown = "; ".join(failures[:3]) + (f"; and {len(failures) - 3} more" if len(failures) > 3 else "")
        raise FreezenetError(
            f"Readable images are required. Got: {len(failures)} of {len(dataset.samples)} that are not "
            f"(remove them, or pass --skip-unreadable): {shown}"
        )
    return Images(reading.pixels, reading.hashes)


def read_readable(
    dataset: Dataset, spec: PreprocessSpec, skip_unreadable: bool, trust_tags: bool = True
) -> tuple[Dataset, Images]:
    """Read as `read_images` does; or leave out what cannot be read, name it on stderr, and return the data set without it."""
    if not skip_unreadable:
        return dataset, read_images(dataset, spec, trust_tags)
    reading = read_what_can_be_read(dataset, spec, "Reading images", trust_tags)
    for line in _lines(dataset, reading):
        logger.info(f"skipped {line}")
    if not reading.failures:  # a selection would copy all pixels
        return dataset, Images(reading.pixels, reading.hashes)
    good = [row for row in range(len(dataset.samples)) if row not in reading.failures]
    return dataset.only(good), Images(reading.pixels[good], tuple(reading.hashes[row] for row in good))


def read_what_can_be_read(dataset: Dataset, spec: PreprocessSpec, title: str, trust_tags: bool = True) -> Reading:
    """Read the images of a data set and note which cannot be read. title: of the progress bar."""
    count = len(dataset.samples)
    pixels, sizes = np.empty((count, *spec.size), np.uint8), np.zeros((count, 2), np.int64)
    hashes = [""] * count
    failures: dict[int, str] = {}

    def read(row: int, path: Path) -> None:
        try:
            data = path.read_bytes()
            gray = spec.decode(data, trust_tags)
            pixels[row] = spec.resized(gray)
            # A JPEG may have been decoded at a smaller scale.
            sizes[row] = (image_size(data) if data[:2] == b"\xff\xd8" else None) or gray.shape[::-1]
            hashes[row] = hashlib.sha256(data).hexdigest()
        except OSError as error:
            failures[row] = str(error.strerror)
        except FreezenetError as error:
            failures[row] = str(error)

    # Threads, because OpenCV releases the interpreter lock while it decodes.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in track(pool.map(read, range(count), dataset.paths), title, count):
            pass
    return Reading(pixels, tuple(hashes), sizes, dict(sorted(failures.items())))


def _lines(dataset: Dataset, reading: Reading) -> list[str]:
    return [f"{dataset.root / dataset.samples[row].file}: {reason}" for row, reason in reading.failures.items()]
