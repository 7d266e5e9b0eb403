"""What a DICOM file says that it is: the UIDs of study, series and instance, and the month of the study; no patient."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.filereader import read_partial

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.dicom.reader import Counted, check_lengths
from freezenet.edge_runtime.images.dicom.tags import numbered, text
from freezenet.edge_runtime.system.chatter import without_pydicom_warnings

_KEYWORDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
_DATES = ("StudyDate", "AcquisitionDate", "ContentDate")
_TAGS = [*map(numbered, (*_KEYWORDS, *_DATES))]
_LAST = max(_TAGS)


@dataclass(frozen=True)
class Identity:
    """Each is None where the file does not say it.

    Args:
        study: Study Instance UID.
        series: Series Instance UID.
        instance: SOP Instance UID.
        month: Of the study, such as "2026-11".
    """

    study: str | None = None
    series: str | None = None
    instance: str | None = None
    month: str | None = None


def dicom_identity(data: bytes) -> Identity:
    """Return what a DICOM file says that it is; nothing where its beginning cannot be read, or is compressed as a whole."""
    with without_pydicom_warnings():
        found = _beginning(data)
        study, series, instance = (_value(found, keyword) for keyword in _KEYWORDS)
        return Identity(study, series, instance, _month(found))


def _beginning(data: bytes) -> Dataset:
    """Return the tags; elements stand in the order of their numbers (PS3.5, 7.1), so nothing behind the last of them is read."""
    if uid.DeflatedExplicitVRLittleEndian.encode() in data:  # to unpack it may take long
        return Dataset()
    try:
        found = read_partial(Counted(data), lambda tag, _vr, _length: tag > _LAST, force=True, specific_tags=[*_TAGS])
        check_lengths(found)
        return found
    except Exception:  # a damaged file may break the parser anywhere
        return Dataset()


def _value(found: Dataset, keyword: str) -> str | None:
    try:
        return text(found, keyword)
    except DataError:
        return None


def _month(found: Dataset) -> str | None:
    for keyword in _DATES:
        # PS3.5, table 6.2-1: YYYYMMDD; before version 3 of the standard, YYYY.MM.DD.
        said = re.match(r"(\d{4})\.?(0[1-9]|1[0-2])", _value(found, keyword) or "")
        if said:
            return f"{said[1]}-{said[2]}"
    return None
