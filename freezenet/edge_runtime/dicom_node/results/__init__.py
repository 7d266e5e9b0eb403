"""An answer as DICOM objects that every archive and viewer knows: a Structured Report, a Secondary Capture, a Parametric Map.

All stand in the study and name the image they speak of. Their UIDs follow from the image's content, the model and the kind, and
their times are the answer's, so a repetition after a power cut gives the same objects, and the archive keeps one. Text is
written in UTF-8 (ISO_IR 192), whatever the image's character set is.
"""

from __future__ import annotations

import io

from pydicom import Dataset

from freezenet.edge_runtime.dicom_node.results.capture import secondary_capture as secondary_capture
from freezenet.edge_runtime.dicom_node.results.place import NOTICE as NOTICE
from freezenet.edge_runtime.dicom_node.results.report import structured_report as structured_report


def to_bytes(result: Dataset) -> bytes:
    """Return a result as the bytes of a DICOM file."""
    stream = io.BytesIO()
    result.save_as(stream, enforce_file_format=True)
    return stream.getvalue()
