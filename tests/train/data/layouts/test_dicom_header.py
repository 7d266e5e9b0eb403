"""What the headers of DICOM files add to a data set of any layout."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.train.data.layouts.dicom_header import is_dicom_file, pseudonym, read_headers
from freezenet.train.data.loading import load

SMALL = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)


@pytest.fixture
def export(tmp_path, dicom):
    """Class folders as an archive exports them, without suffixes, and one PNG among them."""
    for name, tags in {
        "Normal/PAT1/IM0001": {"PatientID": "4711", "InstitutionName": "North ", "Manufacturer": "Maker"},
        "Normal/PAT1/IM0002": {"PatientID": "4711", "Manufacturer": "Maker"},
        "Sick/PAT2/IM0001": {"PatientID": "0815"},
        "Sick/x.dcm": {},
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(dicom(SMALL, **tags))
    (tmp_path / "Sick" / "y.png").write_bytes(b"x")
    return tmp_path


def test_patients_and_places_of_class_folders(export):
    found = {sample.file: sample for sample in load(export).samples}
    assert {file: (sample.patient, sample.source) for file, sample in found.items()} == {
        "Normal/PAT1/IM0001": (pseudonym("4711"), "North"),
        "Normal/PAT1/IM0002": (pseudonym("4711"), "Maker"),
        "Sick/PAT2/IM0001": (pseudonym("0815"), ""),
        "Sick/x.dcm": ("Sick/x.dcm", ""),
        "Sick/y.png": ("Sick/y.png", ""),
    }
    assert load(export).has_patients


def test_no_number_of_a_hospital_is_left(export):
    assert "4711" not in repr(load(export))
    assert pseudonym("4711") != pseudonym("4712")
    # echo -n 4711 | sha256sum
    assert pseudonym("4711") == "dicom-de650d61f5bd"


def test_two_data_sets_that_spell_one_patient_otherwise_give_one_pseudonym():
    assert pseudonym("PAT 7") == pseudonym("pat 7 ") != pseudonym("PAT 8")
    assert pseudonym("0815") == pseudonym("815") == pseudonym("815.0")


def test_what_a_csv_says_is_kept(export):
    table = export / "list.csv"
    table.write_text("file,class,patient_id,source\nNormal/PAT1/IM0001,A,p1,\nSick/PAT2/IM0001,B,,south\n")
    first, second = load(table).samples
    assert (first.patient, first.source) == ("p1", "North")
    assert (second.patient, second.source) == (pseudonym("0815"), "south")


def test_damaged_headers_say_nothing(tmp_path, dicom):
    whole = dicom(SMALL, PatientID="1")
    (tmp_path / "cut").write_bytes(whole[:140])
    (tmp_path / "text.dcm").write_text("no DICOM")
    assert is_dicom_file(tmp_path / "cut")
    assert not is_dicom_file(tmp_path / "text.dcm")
    assert not is_dicom_file(tmp_path / "absent")
    assert read_headers([tmp_path / "cut", tmp_path / "absent"], ("PatientID",)) == [{}, {}]


def test_other_images_are_not_opened(tmp_path, dicom):
    (tmp_path / "x.png").write_bytes(dicom(SMALL))
    assert not is_dicom_file(tmp_path / "x.png")


def test_without_the_extra_one_sentence(export, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("pydicom")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(FreezenetError, match=r"pip install 'freezenet\[dicom\]'"):
        load(export)
