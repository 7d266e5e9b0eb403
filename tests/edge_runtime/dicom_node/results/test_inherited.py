"""What results take over, from images as devices write them: read back by pydicom, and the files that failed in clinics."""

from __future__ import annotations

import io
import re

import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.tag import Tag

from freezenet.edge_runtime.dicom_node.results import secondary_capture, structured_report, to_bytes
from freezenet.edge_runtime.dicom_node.results.inherited import inherited, remarks
from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.system.chatter import without_pydicom_warnings
from studies.stress.dicom_corpus import CASES, image

POSSIBLE = [case for case in CASES if case.refused is None]


def source_of(content: bytes) -> Dataset:
    with without_pydicom_warnings():
        return pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True)


@pytest.mark.parametrize("case", POSSIBLE, ids=lambda case: case.name)
def test_odd_attributes_are_repaired_or_left_out(case):
    taken = inherited(source_of(image(case))).data
    assert taken.SpecificCharacterSet == "ISO_IR 192"
    for keyword, expected in case.shown.items():
        assert str(taken[keyword].value) == expected


@pytest.mark.parametrize("case", [case for case in CASES if case.refused], ids=lambda case: case.name)
def test_an_image_that_names_no_study_is_refused_by_the_tags_name(case):
    content = image(case)
    tag = re.escape(str(Tag(tag_for_keyword(case.refused))))
    with pytest.raises(DataError, match=rf"^A UID in {tag} .* is required for a result") as caught:
        structured_report(source_of(content), {})
    assert (case.tags[case.refused] or b"nothing at all").decode() not in str(caught.value)
    assert remarks(content) == {"remarks": [str(caught.value)]}  # the answer stands, and says why there is no result


def test_a_remark_names_the_tag_and_not_the_value():
    case = next(case for case in CASES if case.name.startswith("PatientBirthDate: '19700230'"))
    assert remarks(image(case)) == {"remarks": ["(0010,0030) 'Patient's Birth Date' is no date and was left out."]}
    assert remarks(image(CASES[0])) == {}


@pytest.mark.parametrize("keyword", ["PatientID", "PatientName", "StudyTime"])
@pytest.mark.parametrize(
    "value", [b"\xff" * 300, b"\\" * 40, b"=" * 40, b"^" * 300, b"\x1b" * 9, bytes(range(256)), b"\0" * 8]
)
def test_garbage_never_stops_a_result(keyword, value, answer):
    from dataclasses import replace

    for terms in (None, b"ISO_IR 192", b"ISO_IR 100", b"\\ISO 2022 IR 87", b"GB18030", b"\xff\\\\\\"):
        case = replace(CASES[0], tags={keyword: value, "SpecificCharacterSet": terms})
        read = pydicom.dcmread(io.BytesIO(to_bytes(structured_report(source_of(image(case)), answer))))
        assert read.StudyInstanceUID
        assert len(str(read.PatientID)) <= 64


def test_a_dataset_made_in_python_is_taken_too(chest, answer):
    """Its values are text already."""
    source = chest(PatientName="王^小东", PatientID="Ж-7", StudyID="№7")
    read = pydicom.dcmread(io.BytesIO(to_bytes(structured_report(source, answer))))
    assert (str(read.PatientName), read.PatientID, read.StudyID) == ("王^小东", "Ж-7", "№7")


def test_different_long_identifiers_stay_different(chest):
    found = {str(inherited(chest(PatientID="7" * 80 + end)).data.PatientID) for end in "abc"}
    assert len(found) == 3
    assert all(len(one) == 64 for one in found)


#: File of ../shared/cases/dicom -> what its results must show.
CASE_FILES = {
    "birth-date-zeros.dcm": {"PatientBirthDate": "", "PatientName": "Test^A", "PatientSex": "F"},
    "patient-sex-U.dcm": {"PatientSex": "", "PatientBirthDate": "19700101"},
    "study_time_colons.dcm": {"StudyTime": "123000"},
    "name_cyrillic_iso_ir_144.dcm": {"PatientName": "Имя^Отчество"},
    "name_utf8.dcm": {"PatientName": "Name=名^前"},
    "same_uid_patient_a.dcm": {"PatientName": "Name^a", "PatientID": "ID-a"},
    "same_uid_patient_b.dcm": {"PatientName": "Name^b", "PatientID": "ID-b"},
}


@pytest.mark.parametrize("name", CASE_FILES)
def test_the_files_that_failed_have_results(shared, answer, name, dciodvfy, tmp_path):
    path = shared / "cases" / "dicom" / name
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    picture = np.zeros((64, 64, 3), np.uint8)
    for result in (
        structured_report(source_of(path.read_bytes()), answer),
        secondary_capture(source_of(path.read_bytes()), answer, picture),
    ):
        (tmp_path / "result.dcm").write_bytes(to_bytes(result))
        read = pydicom.dcmread(tmp_path / "result.dcm")
        assert {keyword: str(read[keyword].value or "") for keyword in CASE_FILES[name]} == CASE_FILES[name]
        assert read.SpecificCharacterSet == "ISO_IR 192"
        assert "Error" not in dciodvfy(tmp_path / "result.dcm")


def test_two_patients_under_one_uid_have_results_of_their_own(shared, answer):
    folder = shared / "cases" / "dicom"
    if not (folder / "same_uid_patient_a.dcm").is_file():
        pytest.skip(f"{folder} is not here")
    found = [
        structured_report(
            source_of((folder / f"same_uid_patient_{one}.dcm").read_bytes()), answer | {"input_sha256": one * 64}
        )
        for one in "ab"
    ]
    assert found[0].SOPInstanceUID != found[1].SOPInstanceUID
    assert found[0].StudyInstanceUID != found[1].StudyInstanceUID
