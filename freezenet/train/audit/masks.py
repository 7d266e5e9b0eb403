"""Lung masks that the user has: which image has one, and its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.reader import read_gray
from freezenet.train.data.dataset import Sample

_ENDINGS = (".png", ".bmp", ".tif", ".tiff", ".jpg", ".jpeg")


def find_masks(folder: Path, samples: Sequence[Sample]) -> dict[int, Path]:
    """Return row -> mask: a file of the same path or the same name within the folder, whatever its ending.

    Raises:
        DataError: there is no such folder, no image has a mask, or two masks are of one name where the path does not decide.
    """
    if not folder.is_dir():
        raise DataError(f"A folder of lung masks is required. Got: {folder}, which is none.")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _ENDINGS)
    by_path = {path.relative_to(folder).with_suffix("").as_posix(): path for path in files}
    by_name: dict[str, list[Path]] = {}
    for path in files:
        by_name.setdefault(path.stem, []).append(path)
    found = {}
    for row, sample in enumerate(samples):
        place = Path(sample.file).with_suffix("")
        named = by_name.get(place.name, [])
        if place.as_posix() in by_path:
            found[row] = by_path[place.as_posix()]
        elif len(named) == 1:
            found[row] = named[0]
        elif named:
            raise DataError(
                f"One mask for each image is required. Got: {len(named)} named {place.name} in {folder}; sort them into the folders of the images."
            )
    if not found:
        raise DataError(
            f"Masks named as the images are required. Got: none of the {len(files)} images in {folder}, such as {samples[0].file}, is."
        )
    return found


def read_masks(paths: Sequence[Path], side: int) -> NDArray[np.bool_]:
    """Return masks (n, side, side), stretched as images are; every pixel of more than half the largest value is lung."""
    out = np.zeros((len(paths), side, side), bool)
    for row, path in enumerate(paths):
        gray = read_gray(path)
        out[row] = (
            cv2.resize(
                (gray > max(0, int(gray.max()) // 2)).astype(np.float32), (side, side), interpolation=cv2.INTER_AREA
            )
            > 0.5
        )
    return out
