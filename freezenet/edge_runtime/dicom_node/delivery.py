"""What happens to an answer: its DICOM results are written, and sent to the archive where one is named."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pydicom
from pydicom import Dataset

from freezenet.edge_runtime.dicom_node.archive import Archive
from freezenet.edge_runtime.dicom_node.results import OF_OVERLAY, make_result, to_bytes
from freezenet.edge_runtime.files import write_bytes
from freezenet.edge_runtime.system.chatter import without_pydicom_warnings

#: Kinds of result that are written unless others are asked for.
KINDS = ("report", "capture")


class Delivery:
    """Writes results as <name>.<kind>.dcm beside the answer and sends them.

    Args:
        answers: The folder that holds the answers and their overlays.
        kinds: Of `results.KINDS`; those of the overlay are made where the answer has one, so not of what is no chest X-ray.
        archive: Where results go, or None.
    """

    def __init__(self, answers: Path, kinds: Collection[str], *, archive: Archive | None = None) -> None:
        """Nothing is touched yet."""
        self.answers, self.kinds, self.archive = answers, kinds, archive

    def __call__(self, image: Path, answer: dict[str, Any], name: str) -> None:
        """Deliver the answer for an image, whose file is <name>.json; FreezenetError, to be tried again, where the archive does not take it.

        A repetition writes and sends the same objects. An image that names no study gets none: nothing could show them.
        """
        results = self._results(image, answer)
        for kind, result in results.items():
            write_bytes(self.answers / f"{name}.{kind}.dcm", to_bytes(result), durable=True)
        if self.archive is not None and results:
            self.archive.send(list(results.values()))

    def _results(self, image: Path, answer: dict[str, Any]) -> dict[str, Dataset]:
        source = pydicom.dcmread(image, stop_before_pixels=True)
        if not all(source.get(keyword) for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")):
            return {}
        results = {}
        # Remarks about unusual names of patients, which do not belong into a log.
        with without_pydicom_warnings():
            for kind in self.kinds:
                if kind in OF_OVERLAY and "overlay" not in answer:
                    continue
                overlay = (self.answers / answer["overlay"]).read_bytes() if kind in OF_OVERLAY else None
                results[kind] = make_result(kind, source, answer, overlay)
        return results
