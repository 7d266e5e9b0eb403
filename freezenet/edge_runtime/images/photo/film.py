"""The film in a photograph: its four corners, found by OpenCV.

The film is what differs from the surround along the picture's edge. Its outline is taken from the convex hull, because a film's own dark or white
parts run into a black or white surround, then each side is laid on the edge itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Corners = NDArray[np.float64]

#: Pixels of the longest side on which the film is looked for; its sides are then laid on the edge in the picture itself.
_LOOKED_AT = 640
#: The film's share of the picture, at least: a smaller one has fewer pixels than a network reads.
_LEAST_SHARE = 0.15
#: The share of the quadrilateral that differs from the surround, at least: what is less full is no film.
_LEAST_FILLED = 0.8
#: Least cosine of the angle by which a corner may differ from a right one (30 degrees).
_MOST_OBLIQUE = 0.5
#: Gray levels by which most of a film differs from its surround.
_LEAST_STEP = 14.0
#: Places along a side at which its edge is looked for, and those at which it must be found.
_PLACES, _LEAST_PLACES = 96, 24
#: How far a side is moved to a longer edge, in sizes of the film; in how many parts of the side a step is looked for; the step in gray levels that counts as
#: a whole one, so that a faint edge along all of a side counts more than the outline of a body along half of it; what lying outside counts.
_REACH, _SEGMENTS, _WHOLE_STEP, _OUTER = 0.18, 8, 1.2, 0.5


def find_film(gray: NDArray[np.uint8]) -> Corners | None:
    """Return the corners of the film in a photograph, or None where none was found.

    Args:
        gray: (h, w) uint8. The surround must be lighter or darker than most of the film's edge, and lie around the whole film.

    Returns:
        (4, 2) x and y in pixels, clockwise from the film's upper left; (0, 0) is the upper left corner of the first pixel. The film may be turned by
        less than 45 degrees.
    """
    shrink = min(1.0, _LOOKED_AT / max(gray.shape))
    small = cv2.resize(gray, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA) if shrink < 1 else gray
    scale = np.array([gray.shape[1] / small.shape[1], gray.shape[0] / small.shape[0]])
    calm = cv2.GaussianBlur(small, (0, 0), 1.0).astype(np.float32)
    found = []
    for differs in (_unlike_surround(np.asarray(cv2.medianBlur(calm.astype(np.uint8), 5), np.uint8)), _walled_in(calm)):
        outline = None if differs is None else _outline(differs)
        if outline is not None:
            corners, score = _on_longest_edges(calm, _clockwise(outline))
            found.append((score, corners))
    for _, rough in sorted(found, key=lambda one: -one[0]):
        corners = _on_the_edge(gray, rough * scale)
        if _is_film(corners, gray.shape):
            return corners
    return None


def _unlike_surround(gray: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Return where a picture differs from what lies along its edge, as 0 and 1; None where that is not one surround."""
    wide = max(2, max(gray.shape) // 80)
    places = np.ones(gray.shape, bool)
    places[wide:-wide, wide:-wide] = False
    y, x = np.indices(gray.shape, np.float32)
    plane = np.stack([np.ones_like(x), x / gray.shape[1], y / gray.shape[0]], -1)
    known, seen = plane[places], gray[places].astype(np.float32)
    # Light falls off to one side: the surround is a plane. What is no surround is left out, step by step.
    kept = np.abs(seen - np.median(seen)) <= 40
    for _ in range(4):
        fit = np.linalg.lstsq(known[kept], seen[kept], rcond=None)[0]
        away = np.abs(seen - known @ fit)
        step = max(_LEAST_STEP, 5 * 1.4826 * float(np.median(away[kept])))
        kept = away <= step
    if kept.mean() < 0.75:
        return None
    differs = (np.abs(gray - plane @ fit) > step).astype(np.uint8)
    return np.asarray(cv2.morphologyEx(differs, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)), np.uint8)


def _walled_in(calm: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return what cannot be reached from the picture's edge without a step across an edge, as 0 and 1: glare has none."""
    across, down = cv2.Sobel(calm, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(calm, cv2.CV_32F, 0, 1, scale=1 / 8)
    steep = cv2.magnitude(across, down)
    wall = steep > max(2.0, 5 * float(np.median(steep)))
    closed = cv2.morphologyEx(wall.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    _, parts = cv2.connectedComponents(1 - closed, connectivity=4)
    rim = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
    outside = np.isin(parts, rim[rim > 0])
    inner = cv2.morphologyEx((~outside).astype(np.uint8), cv2.MORPH_OPEN, np.ones((7, 7), np.uint8))
    return np.asarray(inner, np.uint8)


def _outline(differs: NDArray[np.uint8]) -> Corners | None:
    """Return the quadrilateral around the parts that differ, unordered; None where they make none."""
    contours, _ = cv2.findContours(differs, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    largest = max((cv2.contourArea(one) for one in contours), default=0.0)
    # A film whose middle is as dark as the surround falls into parts.
    parts = [one for one in contours if cv2.contourArea(one) > max(0.02 * largest, 1e-3 * differs.size)]
    if not parts:
        return None
    # A pixel that differs is a square; its contour runs through its centre.
    hull = cv2.convexHull(np.concatenate(parts))[:, 0].astype(np.float64) + 0.5
    # What runs out of the picture has no edge there.
    if (hull < 2).any() or (hull > np.array(differs.shape[::-1]) - 2).any():
        return None
    around = _four_sides(hull)
    if around is None or cv2.contourArea(hull.astype(np.float32)) < _LEAST_FILLED * cv2.contourArea(
        around.astype(np.float32)
    ):
        return None
    return around


def _four_sides(hull: Corners) -> Corners | None:
    """Return a quadrilateral around a convex polygon; the side that costs the least area is left out, until four are left.

    Low and Ilie, Computing a View Frustum to Maximize an Object's Image Area, Journal of Graphics Tools 8, 2003.
    """
    polygon = [np.array(one) for one in hull]
    while len(polygon) > 4:
        count, best = len(polygon), None
        for at in range(count):
            before, one, two, after = (polygon[(at + step) % count] for step in (-1, 0, 1, 2))
            tip = _crossing(before, one, after, two)
            # Neighbours that run apart meet on the other side.
            if tip is None or (tip - one) @ (one - before) < 0 or (tip - two) @ (two - after) < 0:
                continue
            area = abs(_cross(one - tip, two - tip)) / 2
            if best is None or area < best[0]:
                best = area, at, tip
        if best is None:
            return None
        _, at, tip = best
        polygon[at] = tip
        del polygon[(at + 1) % count]
    return np.array(polygon) if len(polygon) == 4 else None


def _clockwise(corners: Corners) -> Corners:
    """Order corners clockwise (y goes down) from the upper left."""
    away = corners - corners.mean(0)
    ordered = corners[np.argsort(np.arctan2(away[:, 1], away[:, 0]))]
    return np.roll(ordered, -int(ordered.sum(1).argmin()), axis=0)


def _on_longest_edges(calm: NDArray[np.float32], corners: Corners) -> tuple[Corners, float]:
    """Move each side to the line near it along which a step runs for longest, however small; and return how much of one there is."""
    reach = _REACH * float(np.sqrt(cv2.contourArea(corners.astype(np.float32))))
    sides = [_longest_edge(calm, corners[at], corners[(at + 1) % 4], reach) for at in range(4)]
    laid = [_crossing(*sides[at - 1][:2], *sides[at][:2]) for at in range(4)]
    if any(one is None for one in laid):
        return corners, 0.0
    return np.array(laid), float(np.mean([one[2] for one in sides]))


def _longest_edge(
    calm: NDArray[np.float32], one: Corners, two: Corners, reach: float
) -> tuple[Corners, Corners, float]:
    """Return two points of the line, and the share of a whole step along it (0 to `_WHOLE_STEP`)."""
    along = (two - one) / np.linalg.norm(two - one)
    outwards = np.array([along[1], -along[0]])
    part = np.linspace(0, 1, 8 * _SEGMENTS)
    # Near the corners the neighbouring sides are seen.
    begin, end = one + 0.05 * (two - one), two - 0.05 * (two - one)
    offsets = np.arange(-round(reach), round(reach) + 1)
    points = (begin + part[:, None] * (end - begin))[:, None] + offsets[None, :, None] * outwards
    seen = _sampled(calm, points)
    step = np.zeros_like(seen)
    # Two and three pixels on either side.
    step[:, 3:-3] = np.clip((seen[:, 5:-1] + seen[:, 6:] - seen[:, 1:-5] - seen[:, :-6]) / 2, -8, 8)
    ends = np.stack(np.meshgrid(np.arange(len(offsets)), np.arange(len(offsets))), -1).reshape(-1, 2)
    ends = ends[np.abs(ends[:, 0] - ends[:, 1]) <= 0.4 * len(offsets)]
    lines = np.rint(ends[:, :1] + part * (ends[:, 1:] - ends[:, :1])).astype(int)
    steps = step[np.arange(len(part)), lines].reshape(len(ends), _SEGMENTS, 8).mean(-1)
    length = np.minimum(np.abs(steps), _WHOLE_STEP).mean(-1)
    outer = offsets[ends].mean(-1) / reach
    best = int((length + _OUTER * outer).argmax())
    return points[0, ends[best, 0]], points[-1, ends[best, 1]], float(length[best])


def _sampled(image: NDArray, points: Corners) -> NDArray:
    """Return the gray values at points (n, m, 2) x and y, interpolated; beyond its edge the picture goes on."""
    # OpenCV counts from the centre of the first pixel.
    x, y = np.ascontiguousarray(np.moveaxis(points - 0.5, -1, 0), np.float32)
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _on_the_edge(gray: NDArray[np.uint8], corners: Corners) -> Corners:
    """Lay each side of a rough outline on the film's edge in the picture; a side whose edge is not seen stays where it is."""
    smooth = np.asarray(cv2.GaussianBlur(gray, (0, 0), max(1.0, max(gray.shape) / 1200)), np.uint8)
    size = float(np.sqrt(cv2.contourArea(corners.astype(np.float32))))
    lines = [_edge_line(smooth, corners[at], corners[(at + 1) % 4], 0.025 * size) for at in range(4)]
    laid = [_crossing(*lines[at - 1], *lines[at]) for at in range(4)]
    moved = np.array([old if new is None else new for old, new in zip(corners, laid, strict=True)])
    # A line that went astray takes its corners far away.
    return moved if np.abs(moved - corners).max() < 0.08 * size else corners


def _edge_line(smooth: NDArray[np.uint8], one: Corners, two: Corners, reach: float) -> tuple[Corners, Corners]:
    """Return two points of the edge near the side from `one` to `two`: where the gray values go half of their way from the surround."""
    along = (two - one) / np.linalg.norm(two - one)
    outwards = np.array([along[1], -along[0]])
    places = one + np.linspace(0.06, 0.94, _PLACES)[:, None] * (two - one)
    offsets = np.arange(reach, -reach, -0.5)
    points = places[:, None] + offsets[None, :, None] * outwards
    profiles = _sampled(smooth, points)
    outside = np.median(profiles[:, : max(1, len(offsets) // 8)], axis=1)
    away = np.abs(profiles - outside[:, None])
    is_film = away > _LEAST_STEP
    first = is_film.argmax(1)
    found = []
    for place in np.flatnonzero(is_film.any(1)):
        # The film's own level is that just behind the edge; further inside it may be anything.
        inner = away[place, first[place] : first[place] + 10].max()
        at = int((away[place] > inner / 2).argmax())
        if at == 0:
            continue
        part = (inner / 2 - away[place, at - 1]) / (away[place, at] - away[place, at - 1])
        found.append(places[place] + (offsets[at - 1] - 0.5 * part) * outwards)
    if len(found) < _LEAST_PLACES:
        return one, two
    return _line_of_most(np.array(found))


def _line_of_most(points: Corners) -> tuple[Corners, Corners]:
    """Return two points of the line through most of the points; what lies beside it is left out."""
    place, way = _line_through(points)
    for _ in range(5):
        beside = (points - place) @ np.array([way[1], -way[0]])
        spread = 1.4826 * float(np.median(np.abs(beside - np.median(beside))))
        kept = np.abs(beside) <= max(1.0, 2.5 * spread)
        if kept.all() or kept.sum() < _LEAST_PLACES // 2:
            break
        points = points[kept]
        place, way = _line_through(points)
    return place, place + way


def _line_through(points: Corners) -> tuple[Corners, Corners]:
    """Return a point of the line closest to points, and its direction."""
    line = np.asarray(cv2.fitLine(points.astype(np.float32), cv2.DIST_HUBER, 0, 0.01, 0.01), np.float64).ravel()
    return line[2:], line[:2]


def _is_film(corners: Corners, shape: tuple[int, ...]) -> bool:
    """Whether corners are those of a film that lies in the picture, seen not too much from the side."""
    high, wide = shape
    sides = np.roll(corners, -1, axis=0) - corners
    lengths = np.linalg.norm(sides, axis=1)
    if lengths.min() < 32 or cv2.contourArea(corners.astype(np.float32)) < _LEAST_SHARE * high * wide:
        return False
    turns = [_cross(sides[at - 1], sides[at]) for at in range(4)]
    cosines = [sides[at - 1] @ sides[at] / lengths[at - 1] / lengths[at] for at in range(4)]
    border = 0.004 * max(shape)
    inside = (corners > -border).all() and (corners < [wide + border, high + border]).all()
    # All of the picture is no film in a picture.
    return bool(
        inside and min(turns) > 0 and np.abs(cosines).max() < _MOST_OBLIQUE and _has_surround(corners, wide, high)
    )


def _has_surround(corners: Corners, wide: int, high: int) -> bool:
    """Whether something lies around the film on at least two of its sides."""
    left, right = corners[[0, 3], 0].mean(), wide - corners[[1, 2], 0].mean()
    above, below = corners[[0, 1], 1].mean(), high - corners[[2, 3], 1].mean()
    return sum(gap > 0.01 * max(wide, high) for gap in (left, right, above, below)) >= 2


def _crossing(a: Corners, b: Corners, c: Corners, d: Corners) -> Corners | None:
    """Return where the line through a and b meets that through c and d; None where they run side by side."""
    slope = _cross(b - a, d - c)
    if abs(slope) < 1e-9:
        return None
    return a + (b - a) * (_cross(c - a, d - c) / slope)


def _cross(one: Corners, two: Corners) -> float:
    return float(one[0] * two[1] - one[1] * two[0])
