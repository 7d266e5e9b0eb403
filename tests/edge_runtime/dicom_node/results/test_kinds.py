"""Results by independent readers: dicom3tools' validator, DCMTK's report dump, pydicom."""

from __future__ import annotations

import io

import numpy as np
import pydicom
import pytest

from freezenet.edge_runtime.dicom_node.results import (
    NOTICE,
    make_result,
    parametric_map,
    secondary_capture,
    structured_report,
    to_bytes,
)
from freezenet.edge_runtime.errors import DataError


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (240, 200, 3), dtype=np.uint8)


CAM = np.random.default_rng(1).normal(size=(7, 6)).astype(np.float32)


def made(kind, source, answer, picture):
    if kind == "report":
        return structured_report(source, answer)
    return (
        secondary_capture(source, answer, picture)
        if kind == "capture"
        else parametric_map(source, answer, CAM, (240, 200))
    )


@pytest.fixture(params=["report", "capture", "map"])
def result(request, chest, answer, picture):
    """Each kind of result of one answer."""
    return made(request.param, chest(), answer, picture)


def test_the_standards_validator_finds_no_error(result, dciodvfy, tmp_path):
    (tmp_path / "result.dcm").write_bytes(to_bytes(result))
    said = dciodvfy(tmp_path / "result.dcm")
    assert "Error" not in said
    assert {"ComprehensiveSR", "SCImage", "ParametricMap"} & set(said.splitlines())  # it recognized what it is


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


@pytest.mark.parametrize("kind", ["report", "capture", "map"])
def test_a_repetition_is_equal_byte_for_byte(kind, chest, answer, picture, monkeypatch):
    """Also at another time: a restart must not change what an archive has already."""
    import datetime as clock

    answer["time"] = "2026-11-29T12:34:56+00:00"
    first = to_bytes(made(kind, chest(), answer, picture))

    class Later(clock.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2031, 1, 2, 3, 4, 5, tzinfo=tz)

    for module in ("highdicom.base.datetime", "highdicom.sc.sop.datetime", "highdicom.base_content.datetime"):
        monkeypatch.setattr(f"{module}.datetime", Later, raising=False)
    assert to_bytes(made(kind, chest(), answer, picture)) == first


def test_a_result_tells_the_time_of_its_answer_in_the_images_zone(chest, answer):
    answer["time"] = "2026-11-29T23:30:00+00:00"
    report = structured_report(chest(TimezoneOffsetFromUTC="+0530"), answer)
    assert (report.ContentDate, report.ContentTime, report.TimezoneOffsetFromUTC) == ("20261130", "050000", "+0530")


def test_the_map_holds_the_numbers_of_the_class_activation_map(chest, answer):
    read = pydicom.dcmread(io.BytesIO(to_bytes(parametric_map(chest(), answer, CAM, (7, 6)))))
    item = read.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    values = read.pixel_array * item.RealWorldValueSlope + item.RealWorldValueIntercept
    np.testing.assert_allclose(values, CAM, atol=float(item.RealWorldValueSlope))
    assert item.LUTExplanation == "Class activation of Normal"
    source = read.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    assert source.ReferencedSOPInstanceUID == chest().SOPInstanceUID


def test_a_map_of_equal_values_is_made_too(chest, answer):
    read = pydicom.dcmread(
        io.BytesIO(to_bytes(parametric_map(chest(), answer, np.full((7, 7), 2.5, np.float32), (32, 32))))
    )
    assert not read.pixel_array.any()


@pytest.mark.parametrize("probabilities", [None, {"COVID": 0.5, "Normal": 0.5}])
def test_a_report_of_no_chest_x_ray_has_no_probabilities(chest, answer, dcmtk, tmp_path, probabilities):
    """Also of an answer that an earlier version wrote with them."""
    answer |= {"label": None, "abstained": True, "reason": "not a chest X-ray", "probabilities": probabilities}
    (tmp_path / "report.dcm").write_bytes(to_bytes(structured_report(chest(), answer)))
    text = dcmtk("dsrdump", "+Pl", tmp_path / "report.dcm").stdout
    assert "No answer: not a chest X-ray" in text
    assert "Probability" not in text


def test_results_are_made_of_the_overlay_file(chest, answer):
    from freezenet.edge_runtime.images.overlay import overlay_png

    png = overlay_png(np.full((50, 40), 90, np.uint8), CAM)
    assert make_result("report", chest(), answer, None).Modality == "SR"
    assert make_result("capture", chest(), answer, png).Columns == 320
    assert (made := make_result("map", chest(), answer, png)).Rows == 50 and made.Columns == 40
    with pytest.raises(DataError, match="none that can be read"):
        make_result("capture", chest(), answer, b"no picture")
    with pytest.raises(DataError, match="one of an earlier version"):
        import cv2

        make_result("map", chest(), answer, cv2.imencode(".png", np.zeros((9, 9), np.uint8))[1].tobytes())


def test_a_remark_stands_in_the_report(chest, answer, dcmtk, tmp_path):
    (tmp_path / "report.dcm").write_bytes(to_bytes(structured_report(chest(PatientSex="U"), answer)))
    text = dcmtk("dsrdump", "+Pl", tmp_path / "report.dcm").stdout
    assert '"Comment")="(0010,0040) \'Patient\'s Sex\' is none of M, F and O and was left out."' in text


@pytest.mark.parametrize("label", ["Pneumonie aiguë", "肺炎", "a\\b", "two\nlines", "x" * 300, "é" * 64, " ", "ปอดบวม"])
def test_any_label_can_be_reported(label, chest, answer, picture, dciodvfy, tmp_path):
    answer |= {"label": label, "probabilities": {label: 1.0}}
    for kind in ("report", "capture", "map"):
        (tmp_path / "result.dcm").write_bytes(to_bytes(made(kind, chest(), answer, picture)))
        assert "Error" not in dciodvfy(tmp_path / "result.dcm")
