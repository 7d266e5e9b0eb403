"""Which images of a data set are the same picture: the same file, or one stored anew, resized, or slightly cropped.

Chest X-rays look alike, so a perceptual hash alone joins different patients. Here it only finds candidates, generously; each
candidate is then aligned and compared by its fine detail. `docs/data.md` says how the limits were chosen.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.cluster.hierarchy import DisjointSet
from sklearn.neighbors import NearestNeighbors

from freezenet.edge_runtime.images.preprocess import PreprocessSpec
from freezenet.train.progress import track

#: The images that are compared, small enough that all stay in memory.
THUMBNAIL = PreprocessSpec(size=(128, 128))
#: Side of the hash, so 256 bits; how many of them a candidate may differ in; how many candidates an image has at most.
HASH_SIDE, MOST_BITS, MOST_CANDIDATES = 16, 80, 4
#: Correlation of the aligned shapes that a candidate must reach, and of the fine detail that makes it the same picture.
LEAST_SHAPES, LEAST_DETAIL = 0.8, 0.9

_STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4)
# Pixels at the border that a moved image does not have, or that the filters mixed with what it does not have.
_BORDER = np.ones((9, 9), np.uint8)


@dataclass(frozen=True)
class Duplicates:
    """Images that show one picture.

    Args:
        rows: their numbers, at least two.
        exact: whether their files are equal byte by byte.
    """

    rows: tuple[int, ...]
    exact: bool


def find_duplicates(thumbnails: NDArray[np.uint8], hashes: Sequence[str]) -> list[Duplicates]:
    """Return the groups of images that show one picture, in the order of their first images.

    An image stands in one group at most.

    Args:
        thumbnails: (n, 128, 128) uint8, pixels of THUMBNAIL.
        hashes: SHA-256 of the n files.
    """
    groups = DisjointSet(range(len(hashes)))
    first: dict[str, int] = {}
    for row, digest in enumerate(hashes):
        groups.merge(first.setdefault(digest, row), row)
    unique = np.array(list(first.values()), int)
    pairs = [(int(unique[one]), int(unique[other])) for one, other in _candidates(thumbnails[unique])]
    # Threads, because OpenCV releases the interpreter lock.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        same = pool.map(lambda pair: same_picture(thumbnails[pair[0]], thumbnails[pair[1]]), pairs)
        for pair, joined in zip(pairs, track(same, "Comparing similar images", len(pairs)), strict=True):
            if joined:
                groups.merge(*pair)
    several = sorted(tuple(sorted(rows)) for rows in groups.subsets() if len(rows) > 1)
    return [Duplicates(rows, exact=len({hashes[row] for row in rows}) == 1) for rows in several]


def same_picture(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Whether two thumbnails (128, 128) uint8 show one picture, also with other brightness or slightly cropped.

    The second is aligned to the first by the affine transformation that correlates their shapes best (Evangelidis &
    Psarakis, IEEE PAMI 30:1858-1865, 2008), at half the size and then at the full one. Then the fine detail is correlated,
    which two patients do not share.
    """
    if _correlation(_detail(one), _detail(other)) >= LEAST_DETAIL:
        return True
    a, b = (_band(image, 1.0, 6.0) for image in (one, other))
    warp: NDArray[np.float32] = np.eye(2, 3, dtype=np.float32)
    try:
        reached, _ = cv2.findTransformECC(cv2.pyrDown(a), cv2.pyrDown(b), warp, cv2.MOTION_AFFINE, _STEPS)
        if reached < LEAST_SHAPES:
            return False
        warp[:, 2] *= 2
        cv2.findTransformECC(a, b, warp, cv2.MOTION_AFFINE, _STEPS)
    except cv2.error:  # nothing in common, or nothing to see
        return False
    moved = _moved(other.astype(np.float32), warp, cv2.INTER_CUBIC)
    inside = cv2.erode(
        _moved(np.ones_like(other), warp, cv2.INTER_NEAREST), _BORDER, borderType=cv2.BORDER_CONSTANT, borderValue=0
    ).astype(bool)
    # Less than half in common is compared by chance.
    return inside.mean() > 0.5 and _correlation(_detail(one)[inside], _detail(moved)[inside]) >= LEAST_DETAIL


def _candidates(thumbnails: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Return the pairs (lower row, higher row) of nearest neighbours by perceptual hash within MOST_BITS."""
    if len(thumbnails) < 2:
        return []
    hashes = (_bits(image) for image in track(thumbnails, "Hashing images", len(thumbnails)))
    bits = np.array(list(hashes), np.float32)
    # Of zeros and ones the squared Euclidean distance is the number of bits that differ, and its search is a product of
    # matrices.
    neighbours = NearestNeighbors(
        n_neighbors=min(MOST_CANDIDATES + 1, len(bits)), algorithm="brute", metric="sqeuclidean"
    )
    distances, rows = neighbours.fit(bits).kneighbors(bits)
    near = np.argwhere(distances < MOST_BITS + 0.5)
    return sorted({(min(row, found), max(row, found)) for row, column in near if (found := rows[row, column]) != row})


def _bits(thumbnail: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return imagehash.phash(Image.fromarray(thumbnail), HASH_SIDE).hash.ravel()


def _detail(image: NDArray) -> NDArray[np.float32]:
    return _band(image, 0.7, 1.6)


def _band(image: NDArray, fine: float, coarse: float) -> NDArray[np.float32]:
    """Return what an image has between two scales, given as standard deviations of Gaussian filters in pixels."""
    values = image.astype(np.float32)
    return np.subtract(
        cv2.GaussianBlur(values, (0, 0), fine), cv2.GaussianBlur(values, (0, 0), coarse), dtype=np.float32
    )


def _moved(image: NDArray, warp: NDArray, interpolation: int) -> NDArray:
    return cv2.warpAffine(image, warp, image.shape[::-1], flags=interpolation | cv2.WARP_INVERSE_MAP)


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return Pearson's correlation of two arrays, each clipped at twice its mean absolute value; 0 where one is flat.

    Of a normal distribution that clips the strongest tenth. Unclipped, the edge of a black border alone would correlate two
    patients.
    """
    a, b = (np.clip(values, -most, most) for values in (one, other) for most in [2 * np.abs(values).mean()])
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale > 0 else 0.0
