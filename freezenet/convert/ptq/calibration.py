"""Which training images the integer ranges are measured on, and those images as converter input."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.train.data.dataset import content_hash
from freezenet.train.data.images import read_pixels
from freezenet.train.data.label_sets import strata
from freezenet.train.files import write_csv
from freezenet.train.run import Run

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Calibration:
    """pixels: (n, h, w) uint8. images: file and SHA-256 of each, in order; they stay with the run."""

    pixels: NDArray[np.uint8]
    images: tuple[dict[str, str], ...]

    @property
    def sha256(self) -> str:
        """One digest over the sorted SHA-256 of all images: it tells another choice, and no single image."""
        return content_hash(sorted(one["sha256"] for one in self.images))

    def write(self, path: Path) -> None:
        """Write the list of the images; where the folder cannot be written, say so and do without."""
        if path.is_file():
            return
        try:
            write_csv(path, ("file", "sha256"), [(one["file"], one["sha256"]) for one in self.images])
        except OSError as error:
            logger.warning(
                f"The list of calibration images was not written: {path.parent} cannot be written to ({error.strerror}). "
                "The same conversion chooses the same images again."
            )

    def representative(self, spec: PreprocessSpec) -> Callable[[], Iterator[list[NDArray[np.float32]]]]:
        """Return the generator function that the TensorFlow converter asks for.

        The first image gets one black and one white corner pixel: the measured input range is then exactly that of
        uint8 pixels, so that the raw pixel is the quantized input and no client has to round.
        """

        def images() -> Iterator[list[NDArray[np.float32]]]:
            for number, image in enumerate(self.pixels):
                if number == 0:
                    image = image.copy()
                    image[0, 0], image[0, -1] = 0, 255
                yield [spec.network_input(image, np.float32)]

        return images


def choose_calibration(run: Run, images: int, data: Path | None = None) -> Calibration:
    """Choose about `images` training images, each class by its share and at least once; seeded by the run.

    A class is a label set for a multi-label task; a set whose share is less than an image counts as the rarest of its labels.
    Raises DataError where an image is missing or is no longer the one that was trained on.
    """
    candidates = run.paths("train", data)
    rng = np.random.default_rng(run.recipe.seed)
    chosen: list[tuple[Path, dict[str, Any]]] = []
    files, classes = ([row[column] for _, row in candidates] for column in ("file", "class"))
    kinds = strata(classes, files, len(candidates) / images)
    for kind in sorted(set(kinds)):
        of_class = [one for one, own in zip(candidates, kinds, strict=True) if own == kind]
        count = min(len(of_class), max(1, round(images * len(of_class) / len(candidates))))
        chosen += [of_class[i] for i in sorted(rng.choice(len(of_class), count, replace=False))]
    # Mixed, so that the first few are not all of one class.
    chosen = [chosen[i] for i in rng.permutation(len(chosen))]
    return Calibration(
        read_checked(chosen, run.recipe.preprocess),
        tuple({"file": row["file"], "sha256": row["sha256"]} for _, row in chosen),
    )


def read_checked(files: list[tuple[Path, dict[str, str]]], spec: PreprocessSpec) -> NDArray[np.uint8]:
    """Read images (n, h, w) uint8, each only if it still has the SHA-256 of its row in splits.csv.

    Args:
        files: path and row of each, as `freezenet.train.run.Run.paths` gives them.
        spec: of the run.

    Raises:
        DataError: an image is missing, was changed, or cannot be read.
    """
    paths, rows = [path for path, _ in files], [row for _, row in files]
    return read_pixels(paths, spec, expected_sha256=[row["sha256"] for row in rows])[0]
