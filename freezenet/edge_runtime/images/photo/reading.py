"""A photograph as an answer reads it: straightened where its film was found, else as it is; and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.dicom.recognition import is_dicom
from freezenet.edge_runtime.images.gray import to_gray
from freezenet.edge_runtime.images.limits import check_size
from freezenet.edge_runtime.images.photo.film import find_film
from freezenet.edge_runtime.images.photo.straighten import inside, straighten
from freezenet.edge_runtime.images.reader import file_bytes, read_gray

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Photo:
    """What was found in a photograph.

    Args:
        corners: Of the film, x and y in pixels of the upright photograph, clockwise from its upper left; None where no film was found.
    """

    corners: tuple[tuple[float, float], ...] | None

    @property
    def said(self) -> str:
        """What was done, as a sentence for people."""
        if self.corners is None:
            return "No film was found; the picture was read as it is."
        return "A film was found and straightened."

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        corners = self.corners and [[round(x, 1), round(y, 1)] for x, y in self.corners]
        return {"film_found": self.corners is not None, "corners": corners, "said": self.said}


def read_photo(image: str | Path | bytes | NDArray) -> tuple[NDArray[np.uint8], Photo]:
    """Return gray values (h, w) uint8 of the straightened film, or of the whole picture, and what was found.

    Args:
        image: Path, the bytes of a file, or a decoded array (OpenCV's order); decoded at its full size.

    Raises:
        DataError: The picture cannot be used, or is a DICOM file, which no camera writes.
    """
    if isinstance(image, np.ndarray):
        gray = to_gray(image)
        check_size(gray.shape[1], gray.shape[0])
    else:
        data = image if isinstance(image, bytes) else file_bytes(Path(image))
        if is_dicom(data):
            raise DataError("A photograph of a film is required. Got: a DICOM file; read it without --photo.")
        gray = read_gray(data)
    corners = find_film(gray)
    if corners is None:
        return gray, Photo(None)
    return straighten(gray, inside(corners)), Photo(tuple((float(x), float(y)) for x, y in corners))
