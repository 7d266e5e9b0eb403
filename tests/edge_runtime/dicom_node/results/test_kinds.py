"""Results by independent readers: dicom3tools' validator, DCMTK's report dump, pydicom."""

from __future__ import annotations

import io
import shutil
import subprocess

import numpy as np
import pydicom
import pytest

from freezenet.edge_runtime.dicom_node.results import NOTICE, secondary_capture, structured_report, to_bytes
from freezenet.edge_runtime.errors import DataError


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (240, 200, 3), dtype=np.uint8)


@pytest.fixture(params=["report", "capture"])
def result(request, chest, answer, picture):
    """Each kind of result of one answer."""
    source = chest()
    return (
        structured_report(source, answer) if request.param == "report" else secondary_capture(source, answer, picture)
    )


def test_the_standards_validator_finds_no_error(result, tmp_path):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not here; Debian's package dicom3tools has it")
    (tmp_path / "result.dcm").write_bytes(to_bytes(result))
    said = subprocess.run(["dciodvfy", tmp_path / "result.dcm"], capture_output=True, text=True)
    assert "Error" not in said.stdout + said.stderr
    assert {"ComprehensiveSR", "SCImage"} & set(said.stderr.splitlines())  # it recognized what it is


def test_a_result_belongs_to_the_patient_and_study_of_its_image(result, chest):
    source = chest()
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID"):
        assert result[keyword].value == source[keyword].value
    assert result.SeriesInstanceUID != source.SeriesInstanceUID
    assert result.SOPInstanceUID != source.SOPInstanceUID
    assert result.Modality in ("SR", "OT")
    assert "research use only" in result.SeriesDescription


def test_the_report_says_label_probabilities_and_model(chest, answer, dcmtk, tmp_path):
    (tmp_path / "report.dcm").write_bytes(to_bytes(structured_report(chest(), answer)))
    text = dcmtk("dsrdump", "+Pl", tmp_path / "report.dcm").stdout
    assert '"Answer of the model")=(Normal,99FREEZENET,"Normal")' in text
    for label, probability in answer["probabilities"].items():
        assert f'"Probability of {label}")="{probability:g}"' in text
    assert '"Algorithm Name")="freezenet int8.tflite"' in text
    assert NOTICE in text
    assert "UNVERIFIED" in text and "PRELIMINARY" in text


def test_the_report_names_its_image(chest, answer):
    source = chest()
    report = structured_report(source, answer)
    referenced = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    assert referenced.SeriesInstanceUID == source.SeriesInstanceUID
    assert referenced.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID


def test_an_abstention_is_reported_as_one(chest, answer, dcmtk, tmp_path):
    answer |= {"label": None, "abstained": True, "reason": "not a chest X-ray"}
    (tmp_path / "report.dcm").write_bytes(to_bytes(structured_report(chest(), answer)))
    text = dcmtk("dsrdump", "+Pl", tmp_path / "report.dcm").stdout
    assert '"No answer: not a chest X-ray")' in text
    assert '"Normal")>' not in text


def test_each_label_of_a_multi_label_answer_is_said(chest, answer, dcmtk, tmp_path):
    for label, expected in (("COVID;Normal", ['"COVID")>', '"Normal")>']), ("", ['"None of the classes")>'])):
        answer["label"] = label
        (tmp_path / "report.dcm").write_bytes(to_bytes(structured_report(chest(), answer)))
        text = dcmtk("dsrdump", "+Pl", tmp_path / "report.dcm").stdout
        assert all(one in text for one in expected)


def test_the_capture_shows_the_picture_above_its_caption(chest, answer, picture):
    read = pydicom.dcmread(io.BytesIO(to_bytes(secondary_capture(chest(), answer, picture))))
    shown = read.pixel_array
    np.testing.assert_array_equal(shown[:240, :200], picture[..., ::-1])  # RGB, and OpenCV's order is BGR
    assert not shown[:240, 200:].any()  # a margin: words need room
    assert shown.shape[0] > 240 and shown[240:].any()
    assert read.ImageComments == NOTICE
    assert read.BurnedInAnnotation == "YES"


def test_a_repetition_gives_the_same_objects_and_another_model_others(chest, answer):
    first, again = structured_report(chest(), answer), structured_report(chest(), answer)
    assert (first.SOPInstanceUID, first.SeriesInstanceUID) == (again.SOPInstanceUID, again.SeriesInstanceUID)
    other = structured_report(chest(), answer | {"model_sha256": "ef" * 32})
    assert other.SOPInstanceUID != first.SOPInstanceUID
    assert structured_report(chest(1), answer).SOPInstanceUID != first.SOPInstanceUID
    changed = structured_report(chest(), answer | {"input_sha256": "34" * 32})  # sent again with other content
    assert changed.SOPInstanceUID != first.SOPInstanceUID


def test_attributes_that_the_image_lacks_are_left_empty(chest, answer, picture):
    source = chest()
    for keyword in ("PatientName", "PatientID"):
        delattr(source, keyword)
    assert structured_report(source, answer).PatientID == ""
    assert secondary_capture(source, answer, picture).PatientID == ""


def test_an_image_without_a_study_gets_no_result(chest, answer):
    source = chest()
    del source.StudyInstanceUID
    with pytest.raises(DataError, match=r"^A UID in \(0020,000D\) 'Study Instance UID' is required for a result"):
        structured_report(source, answer)


def test_long_labels_fit_the_standards_fields(chest, answer):
    long = "a_very_long_name_of_a_class_" * 4
    answer |= {"label": long, "probabilities": {long: 1.0}}
    report = structured_report(chest(), answer)
    assert len(to_bytes(report)) > 0
