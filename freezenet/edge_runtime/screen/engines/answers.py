"""The row of one input, without what only the whole archive tells: its shard, and whether it is a duplicate."""

from __future__ import annotations

import errno
import hashlib
import sqlite3
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freezenet.edge_runtime.errors import DataError, FreezenetError, TemporaryError, one_line
from freezenet.edge_runtime.images.dicom.recognition import is_dicom
from freezenet.edge_runtime.screen.index import first_of_content, open_to_read
from freezenet.edge_runtime.screen.inputs.item import Item

if TYPE_CHECKING:
    from freezenet.edge_runtime.classifier import Classifier, Prediction

#: A row's status: there is an answer; the reader refused the file; its bytes could not be had; the time or the memory for it did not suffice;
#: three processes ended with it.
ANSWERED, REFUSED = "answered", "refused"
NOT_FETCHED, NOT_DECODED, KILLED = "not fetched", "not decoded", "killed the reader"
#: Those that may tell more about the moment than about the file, which is therefore tried again (`freezenet.edge_runtime.screen.retries`).
PASSING = (NOT_FETCHED, NOT_DECODED, KILLED)
#: In front of a class's name: the column of its probability; in front of an OOD gate's number: the column of what it reads.
PROBABILITY, OOD = "p_", "ood_"
#: Keys of a row that are no columns: the picture, that the content is known and was not answered again, and that the file was not fetched for
#: a reason that time alone does not mend.
OVERLAY, KNOWN, LASTING = "overlay", "known", "lasting"
#: What the system says when the machine has too little of something: memory, processes, open files, disk.
_SHORT = (errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOSPC)
#: How many times as long as usual a file may take that is tried again.
PATIENCE = 4
#: Hexadecimal digits of a hashed UID.
_UID_DIGITS = 32

#: A row, column -> value.
Row = dict[str, Any]


@dataclass(frozen=True)
class Answering:
    """How inputs are answered; it travels to the processes that do.

    Args:
        classifier: Which answers.
        cam: Also draw the class activation map.
        only: Draw it where this label is answered, and nowhere else.
        plain_uids: Keep the UIDs of DICOM files as they are, and not their hashes.
        contents: The file of the `ContentIndex`, where this machine has it: known content is not answered again.
        patience: How many times as long as usual a file may take to be decoded.
    """

    classifier: Classifier
    cam: bool = False
    only: str | None = None
    plain_uids: bool = False
    contents: Path | None = None
    patience: float = 1

    @cached_property
    def _database(self) -> sqlite3.Connection | None:
        return None if self.contents is None else open_to_read(self.contents)

    def row(self, item: Item, data: bytes | DataError, ms_fetch: float) -> Row:
        """Return the row of an input.

        Args:
            item: The input.
            data: Its bytes, or why they could not be had.
            ms_fetch: Milliseconds that this took.

        Raises:
            FreezenetError: No file can be answered, such as without the extra for DICOM.
        """
        row: Row = {"number": item.number, "uri": item.uri, "source": item.source, "ms_fetch": ms_fetch,
                    "runtime": self.classifier.runtime}  # fmt: skip
        if isinstance(data, DataError):
            lasting = not isinstance(data, TemporaryError)
            return {**row, "status": NOT_FETCHED, "error": str(data), LASTING: lasting}
        sha256 = hashlib.sha256(data).hexdigest()
        row |= {"sha256": sha256, "bytes": len(data)}
        if self._database is not None:
            first = first_of_content(self._database, sha256)
            if first is not None and first < item.number:
                return {**row, KNOWN: True}
        row |= self._identity(data)
        try:
            prediction = self._prediction(data)
        except DataError as error:
            return {**row, "status": NOT_DECODED if isinstance(error, TemporaryError) else REFUSED, "error": str(error)}
        except FreezenetError:
            raise
        except Exception as error:  # of one file of a million, which must not end the work
            is_short = isinstance(error, MemoryError) or getattr(error, "errno", None) in _SHORT
            sentence = f"A file that can be read is required. Got: {type(error).__name__}: {one_line(error)}."
            return {**row, "status": NOT_DECODED if is_short else REFUSED, "error": sentence}
        return {**row, "status": ANSWERED, **answer_columns(prediction), OVERLAY: prediction.overlay}

    def _prediction(self, data: bytes) -> Prediction:
        # Drawing takes longer than answering, so what may not be wanted is drawn in a second turn.
        prediction = self.classifier.predict(data, overlay=self.cam and self.only is None)
        if self.cam and self.only is not None and self.only in (prediction.label or "").split(";"):
            return self.classifier.predict(data, overlay=True)
        return prediction

    def _identity(self, data: bytes) -> Row:
        if not is_dicom(data):
            return {}
        try:
            from freezenet.edge_runtime.images.dicom.identity import dicom_identity
        except ModuleNotFoundError:
            return {}  # the reader says what is missing
        found = dicom_identity(data)
        uids = {"study": found.study, "series": found.series, "instance": found.instance}
        return {**{name: self._uid(value) for name, value in uids.items()}, "month": found.month}

    def _uid(self, value: str | None) -> str | None:
        if value is None or self.plain_uids:
            return value
        return hashlib.sha256(value.encode()).hexdigest()[:_UID_DIGITS]


def answer_columns(prediction: Prediction) -> Row:
    """Return an answer as columns, with the numbers that `freezenet predict --json` prints."""
    said = prediction.to_dict()
    # Of what is no chest X-ray the probabilities mean nothing.
    probabilities = said["probabilities"] or {}
    return {
        "label": said["label"],
        "reason": said["reason"],
        "chest_xray": said["chest_xray"],
        **{PROBABILITY + label: value for label, value in probabilities.items()},
        **{f"{OOD}{number}": float(value) for number, value in enumerate(prediction.ood)},
        **{f"ms_{stage}": value for stage, value in said["timings_ms"].items() if stage != OVERLAY},
    }


def now_ms() -> float:
    """Return a clock in milliseconds, for differences."""
    return time.perf_counter() * 1e3
