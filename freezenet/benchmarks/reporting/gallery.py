"""Images that a report shows: small, and where the model can tell it, with what it looked at."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.images.reader import read_gray

#: Pixels of the longer side.
THUMBNAIL = 128


class Gallery:
    """Makes pictures of images, each once."""

    def __init__(self, root: Path, models: Path) -> None:
        """Remember where images and model files lie."""
        self._root, self._models = root, models
        self._classifiers: dict[str, Classifier | None] = {}
        self._thumbnails: dict[Path, str] = {}
        self._cams: dict[tuple[Path, str], str] = {}

    def shown(self, found: Iterable[Mapping[str, Any]], file: str) -> list[dict[str, Any]]:
        """Return each with "image" and "cam", contents of an <img src>; "cam" is "" where the model file gives no map.

        found: of `freezenet.benchmarks.quality.answers.AnswerPair`. file: name of the model file that answered.
        """
        return [
            {
                **one,
                "image": self._thumbnail(self._root / one["file"]),
                "cam": self._cam(self._root / one["file"], file),
            }
            for one in found
        ]

    def _thumbnail(self, path: Path) -> str:
        if path not in self._thumbnails:
            self._thumbnails[path] = thumbnail(path)
        return self._thumbnails[path]

    def _cam(self, path: Path, file: str) -> str:
        if (path, file) not in self._cams:
            self._cams[path, file] = self._new_cam(path, file)
        return self._cams[path, file]

    def _new_cam(self, path: Path, file: str) -> str:
        if file not in self._classifiers:
            self._classifiers[file] = self._open(file)
        classifier = self._classifiers[file]
        if classifier is None:
            return ""
        try:
            overlay = classifier.predict(path, overlay=True).overlay
        except FreezenetError:  # the picture itself has been read; without a map it says enough
            return ""
        return "" if overlay is None else _small(cv2.imdecode(np.frombuffer(overlay, np.uint8), cv2.IMREAD_COLOR))

    def _open(self, file: str) -> Classifier | None:
        try:
            classifier = Classifier(self._models / file)
        except FreezenetError:
            return None
        return classifier if classifier.has_cam else None


def thumbnail(path: Path) -> str:
    """Return a small picture of an image file as the content of an <img src>."""
    return _small(read_gray(path, shrink_to=(THUMBNAIL, THUMBNAIL)))


def png_source(content: bytes) -> str:
    """Return the bytes of a PNG file as the content of an <img src>."""
    return "data:image/png;base64," + base64.b64encode(content).decode()


def _small(image: Any) -> str:
    scale = THUMBNAIL / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return png_source(cv2.imencode(".png", cv2.resize(image, size, interpolation=cv2.INTER_AREA))[1].tobytes())
