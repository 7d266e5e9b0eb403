"""The study of results for odd images, with a share of its cases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from freezenet.edge_runtime.classifier import Classifier
from studies.stress.dicom_corpus import CASES, CHARSETS, image
from studies.stress.dicom_results import TOOLS, run


@pytest.fixture
def classifier(models):
    from pathlib import Path

    if not all(Path(path).is_file() for path in TOOLS.values()):
        pytest.skip("dcmtk and dicom3tools are not here")
    return Classifier(models / "int8.tflite", trust_tags=False)


def test_independent_readers_find_nothing_wrong(classifier):
    found = run(classifier, CASES[::9])
    assert (found["wrong"], found["findings"]) == (0, [])


def test_the_study_sees_what_is_wrong(classifier):
    name, odd, refused = CHARSETS[5], CASES[-20], CASES[-1]
    wrong = (
        replace(name, shown={"PatientName": "????"}),
        replace(odd, shown={"PatientID": "another"}),
        replace(refused, refused=None),
        replace(odd, refused="StudyInstanceUID"),
    )
    assert run(classifier, wrong)["wrong"] >= 3


def test_the_corpus_is_as_large_as_promised():
    assert len(CASES) >= 100
    assert len({case.name for case in CASES}) == len(CASES)
    assert len({case.tags["SpecificCharacterSet"] for case in CHARSETS}) >= 16


def test_a_case_is_written_as_it_stands():
    case = CHARSETS[-1]
    assert (case.tags["PatientName"] or b"") in image(case)
