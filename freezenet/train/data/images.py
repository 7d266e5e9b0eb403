"""The one way to read many images: in threads, each file once, its SHA-256 from the bytes that are decoded."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.errors import DataError, FreezenetError
from freezenet.edge_runtime.images.header import image_format, image_size
from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.train.data.dataset import Dataset
from freezenet.train.progress import track

_TITLE = "Reading images"


@dataclass(frozen=True)
class Images:
    """Images after preprocessing.

    Args:
        pixels: (n, h, w) uint8 gray values.
        hashes: SHA-256 of each file in hexadecimal.
        whole: the images that these are some of, for the cache of the frozen backbone; None where they are all.
        rows: (n,) their numbers among those.
    """

    pixels: NDArray[np.uint8]
    hashes: tuple[str, ...]
    whole: Images | None = None
    rows: NDArray[np.integer] | None = None

    def some(self, rows: NDArray[np.integer]) -> Images:
        """Return the images of these row numbers, which share the cache of all."""
        return Images(self.pixels[rows], tuple(self.hashes[row] for row in rows), self, np.asarray(rows))


@dataclass(frozen=True)
class Reading:
    """What reading files gave, in their order.

    Args:
        pixels: (n, h, w) uint8, of a model in colour (n, h, w, 3); undefined for a failure.
        hashes: SHA-256 of each file, "" for a failure.
        sizes: (n, 2) width and height as stored, 0 for a failure.
        formats: of each file, see `stored_format`; "" for a failure.
        failures: row -> why the image cannot be read.
        again: (n, h2, w2) uint8, the same images at another size, where it was asked for.
    """

    pixels: NDArray[np.uint8]
    hashes: tuple[str, ...]
    sizes: NDArray[np.integer]
    formats: tuple[str, ...]
    failures: dict[int, str]
    again: NDArray[np.uint8] | None = None


def read_what_can_be_read(
    paths: Sequence[Path],
    spec: PreprocessSpec,
    *,
    and_at: PreprocessSpec | None = None,
    trust_tags: bool = True,
    title: str = _TITLE,
) -> Reading:
    """Read files and note which of them cannot be read.

    Args:
        paths: n files.
        spec: what makes pixels of a file.
        and_at: of which the size is taken in addition, so that a file need not be read twice.
        trust_tags: see `freezenet.edge_runtime.images.dicom.read_dicom_gray`.
        title: of the progress bar.
    """
    again = None if and_at is None else np.empty((len(paths), *and_at.shape), np.uint8)
    pixels, sizes = np.empty((len(paths), *spec.shape), np.uint8), np.zeros((len(paths), 2), np.int64)
    hashes, formats = [""] * len(paths), [""] * len(paths)
    failures: dict[int, str] = {}

    def read(row: int, path: Path) -> None:
        try:
            content = path.read_bytes()
            gray = spec.decode(content, trust_tags)
            pixels[row] = spec.resized(gray)
            if and_at is not None and again is not None:
                again[row] = and_at.resized(gray)
            # A JPEG may have been decoded at a smaller scale.
            sizes[row] = (image_size(content) if content[:2] == b"\xff\xd8" else None) or gray.shape[1::-1]
            hashes[row], formats[row] = hashlib.sha256(content).hexdigest(), stored_format(content)
        except OSError as error:
            failures[row] = str(error.strerror)
        except FreezenetError as error:
            failures[row] = str(error)

    _in_threads(read, paths, title)
    return Reading(pixels, tuple(hashes), sizes, tuple(formats), dict(sorted(failures.items())), again)


def stored_format(content: bytes) -> str:
    """Return the format of a file's bytes, of a JPEG with the sum of its first quantization table, e.g. "JPEG 1523"."""
    name = image_format(content) or "other"
    start = content.find(b"\xff\xdb") if content[:2] == b"\xff\xd8" else -1
    return f"{name} {sum(content[start + 5 : start + 69])}" if start >= 0 else name


def read_images(dataset: Dataset, spec: PreprocessSpec, *, trust_tags: bool = True) -> Images:
    """Read every image of a data set.

    Args:
        dataset: n samples.
        spec: what makes pixels of a file.
        trust_tags: see `freezenet.edge_runtime.images.dicom.read_dicom_gray`.

    Raises:
        DataError: names the unreadable files (up to three) and their number.
    """
    reading = read_what_can_be_read(dataset.paths, spec, trust_tags=trust_tags)
    refuse_failures(dataset, reading)
    return Images(reading.pixels, reading.hashes)


def refuse_failures(dataset: Dataset, reading: Reading) -> None:
    """Raise DataError where an image of the data set could not be read."""
    if reading.failures:
        lines = sorted(failure_lines(dataset, reading))
        shown = "; ".join(lines[:3]) + (f"; and {len(lines) - 3} more" if len(lines) > 3 else "")
        raise DataError(
            f"Readable images are required. Got: {len(lines)} of {len(dataset.samples)} that are not "
            f"(remove them, or pass --skip-unreadable): {shown}"
        )


def failure_lines(dataset: Dataset, reading: Reading) -> list[str]:
    """Return "path: reason" for each image that could not be read."""
    return [f"{dataset.root / dataset.samples[row].file}: {reason}" for row, reason in reading.failures.items()]


def read_pixels(
    paths: Sequence[Path],
    spec: PreprocessSpec,
    *,
    expected_sha256: Sequence[str] | None = None,
    title: str = _TITLE,
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Read the images of a finished run again: pixels (n, h, w) uint8, and the SHA-256 of each file.

    Args:
        paths: n files.
        spec: what makes pixels of a file.
        expected_sha256: of each file, as its row in splits.csv holds it; None: any will do.
        title: of the progress bar.

    Raises:
        DataError: the first file that is missing, has another SHA-256 than expected, or cannot be decoded.
    """
    pixels = np.empty((len(paths), *spec.size), np.uint8)
    hashes = [""] * len(paths)

    def read(row: int, path: Path) -> None:
        try:
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise DataError(
                f"The images of the run are required. Got: {path}, which does not exist; if the data was moved, pass --data."
            ) from None
        hashes[row] = hashlib.sha256(content).hexdigest()
        if expected_sha256 is not None and hashes[row] != expected_sha256[row]:
            raise DataError(
                f"The images of the run are required. Got: {path}, which has changed since the training; train again."
            )
        try:
            pixels[row] = spec.pixels(content)
        except FreezenetError as error:
            raise DataError(f"Readable images are required. Got: {path}: {error}") from None

    _in_threads(read, paths, title)
    return pixels, tuple(hashes)


def _in_threads(read: Callable[[int, Path], None], paths: Sequence[Path], title: str) -> None:
    """Call `read` with the row and the path of each file; what the first of them raises, in their order, ends it."""
    # Threads, because OpenCV releases the interpreter lock while it decodes.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in track(pool.map(read, range(len(paths)), paths), title, len(paths)):
            pass
