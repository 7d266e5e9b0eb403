"""What the header of a DICOM file says about the person and the place."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from freezenet.edge_runtime.images.dicom import missing_extra
from freezenet.edge_runtime.images.dicom.recognition import HEAD, is_dicom
from freezenet.edge_runtime.images.reader import IMAGE_SUFFIXES
from freezenet.train.data.dataset import Dataset, Sample
from freezenet.train.data.layouts.patients import other_spellings, spelling_key
from freezenet.train.progress import track

#: Files with these suffixes are not opened to see whether they are DICOM.
_OTHER_IMAGES = IMAGE_SUFFIXES - {".dcm", ".dicom"}
_PERSON = "PatientID"
# The first that is given is the source.
_PLACES = ("InstitutionName", "Manufacturer")


def with_headers(dataset: Dataset) -> Dataset:
    """Fill patient and source from the DICOM headers where the data set itself does not name them."""
    rows = [
        row
        for row, sample in enumerate(dataset.samples)
        if (sample.patient == sample.file or not sample.source) and is_dicom_file(dataset.root / sample.file)
    ]
    if not rows:
        return dataset
    headers = read_headers([dataset.root / dataset.samples[row].file for row in rows], (_PERSON, *_PLACES))
    # An export of several systems may write one PatientID in two ways.
    others = other_spellings(header[_PERSON] for header in headers if _PERSON in header)
    samples = list(dataset.samples)
    for row, header in zip(rows, headers, strict=True):
        samples[row] = _completed(samples[row], header)
    known = any(sample.patient != sample.file for sample in samples)
    notes = dataset.notes
    if others:  # without the numbers of persons
        notes += (f"Written two ways in the DICOM headers and taken for one patient each: {len(others)} PatientID.",)
    return replace(dataset, samples=tuple(samples), has_patients=dataset.has_patients or known, notes=notes)


def is_dicom_file(path: Path) -> bool:
    """Whether a file is a DICOM file, by its content; one with another image's suffix is not opened."""
    if path.suffix.lower() in _OTHER_IMAGES:
        return False
    try:
        with path.open("rb") as file:
            return is_dicom(file.read(HEAD))
    except OSError:
        return False


def read_headers(paths: Iterable[Path], keywords: tuple[str, ...]) -> list[dict[str, str]]:
    """Return for each DICOM file the tags of these keywords that it gives, as text; none for a damaged header.

    Raises MissingExtraError where the extra `[dicom]` is not installed.
    """
    try:
        from pydicom import dcmread

        from freezenet.edge_runtime.images.dicom.tags import text
    except ModuleNotFoundError as error:
        raise missing_extra(error) from None

    def read(path: Path) -> dict[str, str]:
        try:
            header = dcmread(path, force=True, stop_before_pixels=True, specific_tags=list(keywords))
            return {keyword: value for keyword in keywords if (value := text(header, keyword)) is not None}
        except Exception:  # a damaged file may break the parser anywhere; reading the image says what is wrong
            return {}

    paths = list(paths)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(track(pool.map(read, paths), "Reading DICOM headers", len(paths)))


def pseudonym(patient_id: str) -> str:
    """Return what stands for a PatientID in results and messages: equal for all spellings of one ID, in every data set, and no hospital number.

    Whoever knows an ID can compute its pseudonym, so a list of them is still personal data.
    """
    return f"dicom-{hashlib.sha256(spelling_key(patient_id).encode()).hexdigest()[:12]}"


def _completed(sample: Sample, header: dict[str, str]) -> Sample:
    known = sample.patient != sample.file or _PERSON not in header
    return replace(
        sample,
        patient=sample.patient if known else pseudonym(header[_PERSON]),
        source=sample.source or next((header[place] for place in _PLACES if place in header), ""),
    )
