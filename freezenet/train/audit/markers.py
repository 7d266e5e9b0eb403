"""Laterality letters and burned-in text: found in the border of an image, and tested for whether they go with the class.

A mark is a small, bright, sharply bounded spot that stands out from its surroundings (white top-hat; Meyer, in Serra, Image Analysis
and Mathematical Morphology, 1982, chapter XII) and lies wholly in the border or a corner. What is drawn into the lungs is not looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

#: Side at which marks are sought, in pixels; cells along a side.
SIDE, CELLS = 256, 8
#: Share of the side that border and corners take up.
_BORDER, _CORNER = 0.125, 0.1875
#: Gray values that a mark is brighter than its surroundings, at least.
_CONTRAST = 75
#: Side of the surroundings, in pixels: wider than the stroke of a letter.
_STROKE = 15
_LEAST_AREA, _MOST_AREA = 8, 500
_LEAST_HEIGHT, _MOST_HEIGHT, _MOST_WIDTH = 4, 30, 40
#: Random orders of the classes of the test.
ORDERS = 999
#: A mark is said to go with the class below this p, and from this strength of association (Cramér's V) on.
P_LIMIT, V_LIMIT = 0.01, 0.15


@dataclass(frozen=True)
class MarkTest:
    """Whether marks go with the class.

    Args:
        p: of the permutation test, corrected for the number of cells (the largest statistic of each order is compared).
        cramers_v: strength of the association in the cell where it is strongest, 0 to 1.
        cell: (row, column) of this cell, counted from the upper left, 0..7; (-1, -1): any mark anywhere.
        shares: class -> share of its images with a mark there, 0..1.
    """

    p: float
    cramers_v: float
    cell: tuple[int, int]
    shares: dict[str, float]

    @property
    def found(self) -> bool:
        """Whether it is to be said."""
        return self.p <= P_LIMIT and self.cramers_v >= V_LIMIT


def mark_places(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return where the marks of an image (h, w) lie, (h, w) bool, grown by the pixels around them; SIDE is meant to be its side."""
    side = pixels.shape[0]
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (_STROKE, _STROKE))
    raised = np.asarray(cv2.morphologyEx(pixels, cv2.MORPH_TOPHAT, kernel))
    bright = np.asarray(raised >= _CONTRAST, np.uint8)
    allowed: NDArray[np.bool_] = _allowed(side)
    places = np.zeros(pixels.shape, np.uint8)
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(bright, connectivity=8)
    for number in range(1, count):
        x, y, width, height, area = boxes[number].tolist()
        shaped = _LEAST_AREA <= area <= _MOST_AREA and _LEAST_HEIGHT <= height <= _MOST_HEIGHT and width <= _MOST_WIDTH
        if not shaped or width < 2 or max(width, height) > 12 * min(width, height):
            continue
        box = (slice(y, y + height), slice(x, x + width))
        spot = np.equal(labels[box], number)
        if (allowed[box] | ~spot).all():
            places[box] |= spot.astype(np.uint8)
    return np.asarray(cv2.dilate(places, np.ones((5, 5), np.uint8)), np.bool_)


def _allowed(side: int) -> NDArray[np.bool_]:
    border, corner = round(side * _BORDER), round(side * _CORNER)
    allowed = np.ones((side, side), bool)
    allowed[border:-border, border:-border] = False
    for rows in (slice(0, corner), slice(side - corner, side)):
        for columns in (slice(0, corner), slice(side - corner, side)):
            allowed[rows, columns] = True
    return allowed


def mark_cells(places: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return in which cells (n, 65) images have marks, and last whether they have any. places: (n, h, w)."""
    n, side = places.shape[:2]
    cell = side // CELLS
    cells = places[:, : cell * CELLS, : cell * CELLS].reshape(n, CELLS, cell, CELLS, cell)
    # The dilated rim of a mark does not count for the next cell.
    found = (cells.sum((2, 4)) >= 20).reshape(n, -1)
    return np.concatenate([found, places.reshape(n, -1).max(1, keepdims=True)], 1)


def painted_over(pixels: NDArray[np.uint8], places: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return an image (h, w) whose marks are filled in from their surroundings (Telea, J. Graphics Tools 9, 2004).

    Args:
        pixels: (h, w) uint8.
        places: of `mark_places`, of the same image at any size.
    """
    if not places.any():
        return pixels
    size = pixels.shape[1], pixels.shape[0]
    fraction = cv2.resize(places.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.inpaint(pixels, (fraction > 0).astype(np.uint8), 3, cv2.INPAINT_TELEA), np.uint8)


def test_by_class(
    cells: NDArray[np.bool_], classes: NDArray[np.str_], patients: NDArray[np.str_], seed: int
) -> MarkTest:
    """Test by random orders of the classes whether marks in any one cell go with the class.

    The statistic is the largest chi-squared over the cells, of patients and not of images: a patient has a mark in a cell where any image of
    the patient with this class has. Westfall & Young, Resampling-Based Multiple Testing, 1993 (max T).

    Args:
        cells: (n, cells) of `mark_cells`.
        classes: (n,) of the images.
        patients: (n,) of the images.
        seed: of the orders.
    """
    names, numbers = np.unique(classes, return_inverse=True)
    _, first, unit = np.unique(
        np.char.add(np.char.add(classes, "\n"), patients), return_index=True, return_inverse=True
    )
    marked = np.zeros((len(first), cells.shape[1]), np.float64)
    np.maximum.at(marked, unit.ravel(), cells.astype(np.float64))
    truth = np.eye(len(names))[numbers[first]]
    there = marked.mean(0)
    used = np.flatnonzero((there * len(first) >= 4) & (there < 1))
    if not len(used):
        return MarkTest(1.0, 0.0, (-1, -1), dict.fromkeys(names.tolist(), 0.0))
    marked, expected = marked[:, used], there[used]
    size = truth.sum(0)[:, None]

    def chi2(order: NDArray[np.integer]) -> NDArray[np.float64]:
        counts = truth[order].T @ marked
        return ((counts - size * expected) ** 2 / (size * expected * (1 - expected))).sum(0)

    observed = chi2(np.arange(len(first)))
    rng = np.random.default_rng(seed)
    with threadpool_limits(1):  # threads that wait for each other cost more than these small products
        larger = sum(chi2(rng.permutation(len(first))).max() >= observed.max() - 1e-9 for _ in range(ORDERS))
    best = int(used[observed.argmax()])
    shares = {name: float(cells[classes == name, best].mean()) for name in names.tolist()}
    cell = (-1, -1) if best == CELLS**2 else divmod(best, CELLS)
    return MarkTest(float((1 + larger) / (1 + ORDERS)), float(np.sqrt(observed.max() / len(first))), cell, shares)
