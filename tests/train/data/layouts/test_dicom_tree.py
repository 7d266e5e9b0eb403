"""A hospital's export by patient and study, with the classes in a CSV."""

from __future__ import annotations

import numpy as np
import pytest

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.train.data.layouts import class_folders, dicom_tree
from freezenet.train.data.layouts.dicom_header import pseudonym
from freezenet.train.data.loading import load

SMALL = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)


@pytest.fixture
def export(tmp_path, dicom):
    for number, (patient, study) in enumerate([("P1", "A1"), ("P1", "A2"), ("P2", "A3"), ("P3", "A4")]):
        file = tmp_path / patient / study / "IM0001"
        file.parent.mkdir(parents=True)
        file.write_bytes(dicom(SMALL, PatientID=patient, AccessionNumber=study, StudyInstanceUID=f"1.2.{number}"))
    return tmp_path


def classes(dataset):
    return {sample.file: sample.label for sample in dataset.samples}


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("AccessionNumber,class\nA1,Sick\nA3,Healthy\n", {"P1/A1/IM0001": "Sick", "P2/A3/IM0001": "Healthy"}),
        ("StudyInstanceUID,class\n1.2.1,Sick\n1.2.3,Healthy\n", {"P1/A2/IM0001": "Sick", "P3/A4/IM0001": "Healthy"}),
        ("patient_id,class\nP1,Sick\nP2,Healthy\n",
         {"P1/A1/IM0001": "Sick", "P1/A2/IM0001": "Sick", "P2/A3/IM0001": "Healthy"}),
        ("file,class\nP1/A1/IM0001,Sick\nP3/A4/IM0001,Healthy\n", {"P1/A1/IM0001": "Sick", "P3/A4/IM0001": "Healthy"}),
    ],
)  # fmt: skip
def test_a_csv_names_classes_by_a_tag_or_by_file(export, table, expected):
    (export / "labels.csv").write_text(table)
    found = load(export)
    assert found.layout == dicom_tree.NAME
    assert classes(found) == expected
    assert found.has_patients
    assert {sample.patient for sample in found.samples} <= {pseudonym(one) for one in ("P1", "P2", "P3")}


def test_other_columns_and_what_is_left_out(export, capsys):
    (export / "labels.csv").write_text(
        "PatientID,class,source,split,fold\nP1,Sick,north,train,F1\nP2,Healthy,,test,F2\nP9,Sick,,train,F1\n"
    )
    found = {sample.file: sample for sample in load(export).samples}
    assert [(one.source, one.split, one.fold) for one in found.values()] == [
        ("north", "train", "F1"), ("north", "train", "F1"), ("", "test", "F2"),
    ]  # fmt: skip
    assert capsys.readouterr().err.splitlines() == [
        "1 of 3 rows of labels.csv have a PatientID of no file.",
        "Not used: 1 of 5 files: 1 without a class in labels.csv.",
    ]


def test_a_preview_beside_the_dicom_files_is_no_obstacle(export):
    (export / "A_preview.png").write_bytes(b"x")
    (export / "labels.csv").write_text("AccessionNumber,class\nA1,Sick\nA3,Healthy\n")
    assert load(export).layout == dicom_tree.NAME


@pytest.mark.parametrize(
    ("table", "fact"),
    [
        ("PatientID,class\nP1,Sick\nP1,Healthy\n", "1 repeated"),
        ("PatientID,class\nP1,Sick\nP2,\n", "line 3"),
        ("PatientID,class\nX,Sick\nY,Healthy\n", "none among 4"),
    ],
)
def test_a_table_that_names_no_classes_is_refused(export, table, fact):
    (export / "labels.csv").write_text(table)
    with pytest.raises(FreezenetError, match=fact) as caught:
        load(export)
    assert "P1" not in str(caught.value)


def test_two_tables_or_other_images_are_no_such_tree(export, touch):
    (export / "labels.csv").write_text("PatientID,class\nP1,Sick\nP2,Healthy\n")
    (export / "more.csv").write_text("PatientID,class\nP1,Sick\n")
    (export / "odd.csv").write_bytes(bytes(range(256)))
    assert not dicom_tree.recognizes(export)
    (export / "more.csv").unlink()
    assert dicom_tree.recognizes(export)


def test_class_folders_need_no_table(tmp_path, touch):
    touch("A/1.png", "B/2.png")
    (tmp_path / "labels.csv").write_text("PatientID,class\nP1,Sick\n")
    assert load(tmp_path).layout == class_folders.NAME


def test_a_number_that_a_spreadsheet_has_rewritten_is_found(tmp_path, dicom, touch):
    touch("A/.trash/IM1", "notes.txt")
    for number, patient in enumerate(("007", "12")):
        (tmp_path / f"IM{number}").write_bytes(dicom(SMALL, PatientID=patient))
    (tmp_path / "labels.csv").write_text("Patient ID;Class\n7;Sick\n12.0;Healthy\n")
    found = load(tmp_path)
    assert found.layout == dicom_tree.NAME
    assert classes(found) == {"IM0": "Sick", "IM1": "Healthy"}
    assert (found.manifest.files, found.manifest.tables) == (5, ("labels.csv",))


def test_one_patient_id_in_two_spellings_is_one_patient(tmp_path, dicom):
    for number, patient in enumerate(("P1", "p1", "P2")):
        file = tmp_path / "AB"[number % 2] / f"IM{number}"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(dicom(SMALL, PatientID=patient))
    found = load(tmp_path)
    assert [sample.patient for sample in found.samples] == [pseudonym("P1"), pseudonym("P2"), pseudonym("P1")]
    assert found.notes == ("Written two ways in the DICOM headers and taken for one patient each: 1 PatientID.",)
