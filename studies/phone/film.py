"""Photographs of films, simulated: what is answered of them as they are, of the film found in them, and with a frame on, inside or outside of its edge.

    python -m studies.phone.film MODEL XRAY... --not-cxr FOLDER --source TEXT [--out results]

A photograph has perspective, a white or black surround with a gradient, a smaller range of gray, glare, moire, blur, noise, a tint, and is a JPEG.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
from numpy.typing import NDArray

from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.decision import NOT_CHEST
from freezenet.edge_runtime.images.inputs import images_below
from freezenet.edge_runtime.images.photo.reading import Photo, read_photo
from freezenet.edge_runtime.images.photo.straighten import inside, straighten
from freezenet.edge_runtime.images.reader import read_gray
from freezenet.edge_runtime.system.environment import environment
from freezenet.train.metrics.figure import share
from studies.command import StudyCommand, hand_over, images_argument, model_argument, not_cxr_option, result_options

#: X-rays by the answer of their scan, and pictures that are none.
KINDS = ("answered", "uncertain", "refused", "other")
SURROUNDS = {"white": 235.0, "black": 8.0}
_FRAME = (1200, 1600)


@dataclass(frozen=True)
class Photograph:
    """A photograph of a film.

    Args:
        jpeg: The file.
        corners: (4, 2), the film's in pixels, clockwise from its upper left; a corner is an edge of pixels, not their centre.
    """

    jpeg: bytes
    corners: NDArray[np.float64]

    @cached_property
    def gray(self) -> NDArray[np.uint8]:
        """What is read of it."""
        return read_gray(self.jpeg)

    @cached_property
    def read(self) -> tuple[NDArray[np.uint8], Photo]:
        """What `freezenet predict --photo` reads of it."""
        return read_photo(self.jpeg)

    @cached_property
    def framed(self) -> NDArray[np.uint8]:
        """What the apps read of it with a frame on the film's edge."""
        return straighten(self.gray, inside(self.corners))


def photographed(gray: NDArray[np.uint8], seed: int, surround: str) -> Photograph:
    """Simulate a photograph of an X-ray (h, w) uint8; all that varies is drawn from the seed."""
    rng = np.random.default_rng(seed)
    high, wide = gray.shape
    rows, columns = _FRAME if wide >= high else _FRAME[::-1]
    scale = rng.uniform(0.62, 0.82) * min(rows / high, columns / wide)
    turn = np.deg2rad(rng.uniform(-8, 8))
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    place = np.array([columns / 2, rows / 2]) + rng.uniform(-0.04, 0.04, 2) * [columns, rows]
    corners = np.array([[-wide, -high], [wide, -high], [wide, high], [-wide, high]]) / 2 * scale @ turned.T + place
    corners += rng.uniform(-0.04, 0.04, (4, 2)) * rows
    move = cv2.getPerspectiveTransform(_box(wide, high), np.asarray(corners - 0.5, np.float32))
    darkest, brightest = rng.uniform(4, 14), rng.uniform(225, 245)
    film = (darkest + (brightest - darkest) * gray.astype(np.float64) / 255).astype(np.float32)
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    seen = cv2.warpPerspective(film, move, (columns, rows), flags=kind, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpPerspective(np.ones_like(film), move, (columns, rows))
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    around = SURROUNDS[surround] + rng.uniform(-8, 8) * (x / columns - 0.5) + rng.uniform(-8, 8) * (y / rows - 0.5)
    image = seen * inside + around * (1 - inside)
    center = rng.uniform(0.25, 0.75, 2) * [columns, rows]
    glare = ((x - center[0]) / (0.08 * columns)) ** 2 + ((y - center[1]) / (0.1 * rows)) ** 2
    image = image + rng.uniform(25, 60) * np.exp(-glare)
    along, period = rng.uniform(0, np.pi), rng.uniform(2.3, 6)
    wave = np.sin(2 * np.pi * (x * np.cos(along) + y * np.sin(along)) / period)
    image = image + rng.uniform(2, 5) * wave * inside
    image = cv2.GaussianBlur(image, (0, 0), 0.8) + rng.normal(0, 4, image.shape)
    tinted = np.clip(image[..., None] * np.array([1.03, 1.0, 0.97]), 0, 255).astype(np.uint8)
    return Photograph(cv2.imencode(".jpg", tinted, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes(), corners)


#: What is tried: name -> gray values to read of a photograph.
FRAMES: dict[str, Callable[[Photograph], NDArray[np.uint8]]] = {
    "as photographed": lambda photo: photo.gray,
    "film found (`--photo`)": lambda photo: photo.read[0],
    "frame 0.5 % outside": lambda photo: straighten(photo.gray, inside(photo.corners, -0.005)),
    "frame on the edge": lambda photo: straighten(photo.gray, photo.corners),
    "frame 0.5 % inside": lambda photo: photo.framed,
    "frame 2 % inside": lambda photo: straighten(photo.gray, inside(photo.corners, 0.02)),
    "the same, turned by 90 degrees": lambda photo: np.rot90(photo.framed).copy(),
    "the same, mirrored": lambda photo: photo.framed[:, ::-1].copy(),
    "the same, inverted": lambda photo: 255 - photo.framed,
}


def measure(model: Path, images: Sequence[Path], others: Sequence[Path] = (), source: str = "") -> dict[str, Any]:
    """Answer photographs of X-rays (JSON types), by what is answered of their scans, and of pictures that are no chest X-rays.

    Args:
        model: Which answers.
        images: X-rays.
        others: Pictures that are no chest X-rays.
        source: What the X-rays are, and whether the model was trained on them, in words.
    """
    classifier = Classifier(model)
    counts: dict[str, dict[str, Counter[str]]] = {name: {kind: Counter() for kind in KINDS} for name in FRAMES}
    away: dict[str, list[float]] = {surround: [] for surround in SURROUNDS}
    # Of photographs of X-rays whose scan is answered: what is answered by each frame, and the X-ray.
    answered: dict[str, list[str]] = {name: [] for name in FRAMES}
    shown: list[str] = []
    missed = 0
    for number, path in enumerate([*images, *others]):
        gray = read_gray(path)
        scan = classifier.predict(gray)
        is_xray = number < len(images)
        kind = (
            "other"
            if not is_xray
            else "refused"
            if scan.reason == NOT_CHEST
            else "uncertain"
            if scan.reason
            else "answered"
        )
        for surround in SURROUNDS:
            photo = photographed(gray, number, surround)
            if is_xray:
                corners = photo.read[1].corners
                missed += corners is None
                if corners is not None:
                    away[surround].append(float(np.abs(corners - photo.corners).max()))
            for name, seen in FRAMES.items():
                found = classifier.predict(seen(photo))
                answer = found.reason or ("same" if found.label == scan.label else "another")
                counts[name][kind][answer] += 1
                if kind == "answered":
                    answered[name].append(answer)
            if kind == "answered":
                shown.append(str(number))
    return {
        "variant": classifier.card.variant,
        "source": source,
        "xrays": len(images),
        "shares": {name: _shares(found, shown) for name, found in answered.items()},
        "frames": {name: {kind: dict(one) for kind, one in kinds.items()} for name, kinds in counts.items()},
        "corners": {
            "missed": missed,
            **{one: np.percentile(found or [0.0], [50, 75, 90]).round(1).tolist() for one, found in away.items()},
        },
        "environment": environment(),
    }


def _shares(answers: Sequence[str], xrays: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the shares of the same and of another answer with their intervals; two photographs of one X-ray are not independent."""
    if not answers:
        return {}
    found, every = np.array(answers), np.ones(len(answers), bool)
    return {name: share(found == name, every, xrays).to_dict() for name in ("same", "another")}


def _box(wide: int, high: int) -> NDArray[np.float32]:
    return np.array([[0, 0], [wide, 0], [wide, high], [0, high]], np.float32) - np.float32(0.5)


@click.command(cls=StudyCommand)
@model_argument
@images_argument
@not_cxr_option()
@click.option(
    "--source", default="", metavar="TEXT", help="What the X-rays are, and whether the model was trained on them."
)
@result_options
def main(
    model: Path, images: tuple[Path, ...], not_cxr: Path | None, source: str, as_json: bool, out: Path | None
) -> None:
    """Print what is answered of simulated photographs of films, with and without a frame over the film."""
    from studies.tables.phone_page import film_table

    others = [Path(one) for one in images_below(str(not_cxr))] if not_cxr else []
    result = measure(model, images, others, source)
    hand_over(result, f"film-{result['variant']}", film_table(result), as_json, out)


if __name__ == "__main__":
    main()
