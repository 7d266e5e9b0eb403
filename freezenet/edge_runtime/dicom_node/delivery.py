"""What happens to an answer: its DICOM results are written beside it, and put into the queue for the archives."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pydicom
from pydicom import Dataset

from freezenet.edge_runtime.dicom_node.outgoing import Outgoing, reject, result_path
from freezenet.edge_runtime.dicom_node.results import OF_OVERLAY, make_result, to_bytes
from freezenet.edge_runtime.errors import FreezenetError, one_line
from freezenet.edge_runtime.files import write_bytes
from freezenet.edge_runtime.system.chatter import without_pydicom_warnings

logger = logging.getLogger(__name__)

#: Kinds of result that are written unless others are asked for.
KINDS = ("report", "capture")


class Delivery:
    """Writes results as <name>.<kind>.dcm beside the answer, and puts them into a queue.

    Args:
        outgoing: The queue, which knows the folder of the answers.
        kinds: Of `results.KINDS`; those of the overlay are made where the answer has one, so not of what is no chest X-ray.
        say: Told once, in one sentence, that there are results that cannot be made.
    """

    def __init__(self, outgoing: Outgoing, kinds: Collection[str], say: Callable[[str], object] = logger.info) -> None:
        """Nothing is touched yet."""
        self.outgoing, self.kinds, self._say = outgoing, kinds, say
        self._said = False
        self.answers = outgoing.answers

    def __call__(self, image: Path, answer: dict[str, Any], name: str) -> None:
        """Deliver the answer for an image, whose file is <name>.json; OSError, to be tried again, where it cannot be written.

        A repetition makes the same objects, and sends nothing twice. A result that can never be made is named in answers/rejected.
        """
        if self.outgoing.knows(name):
            return
        made: dict[str, str] = {}
        for kind in self.kinds:
            if kind in OF_OVERLAY and "overlay" not in answer:
                continue
            try:
                result = self._result(kind, image, answer)
                content = to_bytes(result)
            except (OSError, MemoryError):
                raise
            except FreezenetError as error:
                self._reject(name, kind, str(error))
            except Exception as error:  # an image that a library cannot do with: it would be so each time
                reason = f"{type(error).__name__}: {one_line(error)}"
                self._reject(name, kind, f"An image of which a {kind} can be made is required. Got: {reason}.")
            else:
                write_bytes(result_path(self.answers, name, kind), content, durable=True)
                made[kind] = str(result.SOPClassUID)
        self.outgoing.add(name, made)

    def _reject(self, name: str, kind: str, reason: str) -> None:
        reject(self.answers, name, kind, reason)
        if not self._said:
            self._said = True
            self._say(
                "There is an image of which no result can be made; for it and others like it, the reasons are in answers/rejected."
            )

    def _result(self, kind: str, image: Path, answer: dict[str, Any]) -> Dataset:
        # Remarks about unusual names of patients, which do not belong into a log.
        with without_pydicom_warnings():
            source = pydicom.dcmread(image, stop_before_pixels=True)
            overlay = (self.answers / answer["overlay"]).read_bytes() if kind in OF_OVERLAY else None
            return make_result(kind, source, answer, overlay)
