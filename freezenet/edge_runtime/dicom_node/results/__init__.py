"""An answer as DICOM objects that every archive and viewer knows: a Structured Report, a Secondary Capture, a Parametric Map.

All stand in the study and name the image they speak of. Their UIDs follow from the image's content, the model and the kind, and
their times are the answer's, so a repetition after a power cut gives the same objects, and the archive keeps one. Text is
written in UTF-8 (ISO_IR 192), whatever the image's character set is.
"""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
from pydicom import Dataset

from freezenet.edge_runtime.dicom_node.results.capture import secondary_capture as secondary_capture
from freezenet.edge_runtime.dicom_node.results.heat import parametric_map as parametric_map
from freezenet.edge_runtime.dicom_node.results.place import NOTICE as NOTICE
from freezenet.edge_runtime.dicom_node.results.report import structured_report as structured_report
from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.overlay import cam_of

#: Kinds of result: a Structured Report; a Secondary Capture and a Parametric Map of the class activation map.
KINDS = ("report", "capture", "map")
#: Those that are made of the overlay, so of no image that is not a chest X-ray.
OF_OVERLAY = frozenset({"capture", "map"})


def make_result(kind: str, source: Dataset, answer: dict[str, Any], overlay: bytes | None) -> Dataset:
    """Return a result.

    Args:
        kind: Of KINDS.
        source: The image's attributes.
        answer: The line of `freezenet predict --json`.
        overlay: The PNG file with the class activation map, for the kinds in OF_OVERLAY.

    Raises:
        DataError: There can be no such result.
    """
    if kind == "report":
        return structured_report(source, answer)
    picture = cv2.imdecode(np.frombuffer(overlay or b"\0", np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise DataError(
            f"The picture of the class activation map is required for a {kind}. Got: none that can be read."
        )
    if kind == "capture":
        return secondary_capture(source, answer, np.asarray(picture, np.uint8))
    cam = cam_of(overlay or b"")
    if cam is None:
        raise DataError("A picture that holds its class activation map is required. Got: one of an earlier version.")
    return parametric_map(source, answer, cam, picture.shape[:2])


def to_bytes(result: Dataset) -> bytes:
    """Return a result as the bytes of a DICOM file."""
    stream = io.BytesIO()
    result.save_as(stream, enforce_file_format=True)
    return stream.getvalue()
