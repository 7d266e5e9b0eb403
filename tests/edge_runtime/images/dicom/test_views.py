"""Which tag tells the view, and which goes before which."""

from __future__ import annotations

import io

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from freezenet.edge_runtime.errors import DataError
from freezenet.edge_runtime.images.dicom.views import (
    DESCRIPTIONS,
    FRONTAL_VIEW_CODES,
    OTHER_VIEW_CODES,
    check_view,
)
from freezenet.edge_runtime.images.reader import read_gray

PIXELS = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)


def tagged(**tags) -> Dataset:
    data = Dataset()
    for keyword, value in tags.items():
        setattr(data, keyword, value)
    return data


def coded(value: str, scheme: str = "SCT", meaning: str = "Something", keyword: str = "CodeValue") -> Dataset:
    code = tagged(CodingSchemeDesignator=scheme, CodeMeaning=meaning, **{keyword: value})
    return tagged(ViewCodeSequence=[code])


def check(data: Dataset) -> None:
    check_view(data, "say so")


def refusal(data: Dataset) -> str:
    with pytest.raises(DataError) as caught:
        check(data)
    text = str(caught.value)
    assert text.startswith("A frontal view")
    assert text.endswith("; say so.")
    return text


# ---- View Position


@pytest.mark.parametrize("view", ["PA", "AP", "", "LLD", "RLD", "AP PORTABLE", "ERECT", "LATERAL DECUBITUS"])
def test_frontal_and_unknown_views_are_read(view):
    check(tagged(ViewPosition=view))


@pytest.mark.parametrize("view", ["LL", "RL", "LATERAL", "LAT", "lateral", "RLO", "LAO", "OBLIQUE"])
def test_lateral_and_oblique_views_are_refused(view):
    assert f"(0018,5101) 'View Position' is required, as the models were trained on. Got: '{view}'" in refusal(
        tagged(ViewPosition=view)
    )


@pytest.mark.parametrize(
    ("said", "encoding", "declared"),
    [("LATÉRAL", "utf-8", "ISO_IR 192"), ("LATÉRAL", "latin-1", "ISO_IR 100"), ("SCHRÄG", "utf-8", None),
     ("OBLÍQUA", "latin-1", None), ("SKOŚNA", "iso8859-2", "ISO_IR 101"), ("БОКОВАЯ", "iso8859-5", "ISO_IR 144"),
     ("БОКОВАЯ", "utf-8", "ISO_IR 192"), ("БОКОВАЯ", "utf-8", None), ("БОКОВАЯ", "utf-8", "ISO_IR 100")],
)  # fmt: skip
@pytest.mark.parametrize("tag", ["ViewPosition", "SeriesDescription"])
def test_other_letters_are_read_whatever_the_declared_character_set(dicom, tag, said, encoding, declared):
    held = b"#" * len(said.encode(encoding))
    tags = {"ViewPosition": None} | {tag: held.decode()} | ({"SpecificCharacterSet": declared} if declared else {})
    if tag == "ViewPosition":
        tags.pop("ViewPosition")
        tags = {"ViewPosition": held.decode(), **tags}
    data = dicom(PIXELS, **tags)
    assert data.count(held) == 1
    with pytest.raises(DataError, match="A frontal view"):
        read_gray(data.replace(held, said.encode(encoding)))


# ---- codes


def test_the_codes_are_those_of_the_standard():
    from pydicom.sr._snomed_dict import mapping
    from pydicom.sr.codedict import codes

    views = [getattr(codes.cid4010, name) for name in dir(codes.cid4010)]
    views = [view for view in views if hasattr(view, "meaning")]
    assert len(views) > 30
    older = {new: old for old, new in mapping["SRT"].items()}
    not_frontal = {
        view.value for view in views if any(word in view.meaning for word in ("lateral", "oblique", "medial"))
    }
    assert not_frontal | {older[one] for one in not_frontal} == OTHER_VIEW_CODES
    frontal = {view.value for view in views if view.meaning in ("antero-posterior", "postero-anterior", "frontal")}
    assert frontal | {older[one] for one in frontal} == FRONTAL_VIEW_CODES


@pytest.mark.parametrize("code", sorted(OTHER_VIEW_CODES))
def test_each_code_of_another_view_is_refused(code):
    scheme = "SRT" if code.startswith("R-") else "SCT"
    assert "(0054,0220) 'View Code Sequence'" in refusal(coded(code, scheme))


def test_views_by_their_codes():
    check(coded("399348003", meaning="antero-posterior"))
    check(coded("399067008", scheme="99LOCAL"))
    assert "Got: 'left lateral'" in refusal(coded("399173006", meaning="left lateral"))
    assert "Got: 'something'" in refusal(coded("R-10236", "99SDM", "something"))
    assert "Got: 'Thorax seitlich'" in refusal(coded("T2", scheme="99LOCAL", meaning="Thorax seitlich"))
    refusal(coded("399182000", keyword="LongCodeValue"))


# ---- orientation


@pytest.mark.parametrize("directions", [["A", "F"], ["P", "F"], ["AL", "F"], ["F", "A"], ["a", "f"], ["PFR", "FA"]])
def test_rows_to_the_front_or_back_are_refused(directions):
    text = refusal(tagged(PatientOrientation=directions))
    assert f"(0020,0020) 'Patient Orientation', is required. Got: '{'/'.join(directions)}'" in text


@pytest.mark.parametrize("directions", [["L", "F"], ["R", "F"], ["F", "L"], ["LP", "F"], [], [""]])
def test_rows_across_the_patient_are_read(directions):
    check(tagged(PatientOrientation=directions))


# ---- descriptions


@pytest.mark.parametrize("tag", DESCRIPTIONS)
def test_a_description_tells_the_view_where_no_other_tag_does(tag):
    for view in ("", "ERECT"):
        text = refusal(tagged(ViewPosition=view, **{tag: "Thorax DOE JANE seitlich"}))
        assert tag.lower() in text.lower().replace(" ", "")
        # A description may hold a name.
        assert "Got: 'SEITLICH'" in text
        check(tagged(ViewPosition=view, **{tag: "Thorax pa + seitlich"}))
        check(tagged(ViewPosition=view, **{tag: "Thorax bilateral"}))


def test_nearer_tags_go_before():
    check(tagged(ViewPosition="PA", SeriesDescription="Chest lateral"))
    check(tagged(SeriesDescription="Chest PA", StudyDescription="Chest lateral"))
    check(tagged(AcquisitionDeviceProcessingDescription="CHEST PA", SeriesDescription="Chest lateral"))
    refusal(tagged(SeriesDescription="Chest lateral", StudyDescription="Chest PA and lateral"))
    refusal(tagged(SeriesDescription="Chest", StudyDescription="Chest lateral"))
    refusal(tagged(ViewPosition="PA", PatientOrientation=["A", "F"]))
    data = coded("399173006")
    data.ViewPosition = "PA"
    check(data)
    data.ViewPosition = "UNKNOWN"
    refusal(data)


def test_a_description_that_cannot_be_read_is_no_objection(dicom):
    data = dcmread(io.BytesIO(dicom(PIXELS, ViewPosition=None)))
    data.SpecificCharacterSet = ["ISO 2022 IR 87", "NONSENSE"]
    stream = io.BytesIO()
    data.SeriesDescription = "x" * 8
    with pytest.warns(UserWarning, match="NONSENSE"):
        data.save_as(stream)
    assert read_gray(stream.getvalue().replace(b"x" * 8, b"\x1b$B\xff\xfe\x1b(B")).shape == (64, 64)


def test_the_tags_of_a_file_are_looked_at_and_can_be_set_aside(dicom):
    for tags in ({"SeriesDescription": "THORAX SEITL"}, {"ProtocolName": "Torace LL"}, {"BodyPartExamined": "CHEST LAT"},
                 {"PatientOrientation": ["P", "F"]}):  # fmt: skip
        data = dicom(PIXELS, ViewPosition=None, **tags)
        with pytest.raises(DataError, match="A frontal view"):
            read_gray(data)
        assert read_gray(data, trust_tags=False).shape == (64, 64)
