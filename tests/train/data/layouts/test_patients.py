"""One person under one name."""

from __future__ import annotations

import pytest

from freezenet.train.data.layouts.patients import other_spellings, spelling_key, spelling_note
from freezenet.train.data.loading import load


@pytest.mark.parametrize(
    ("one", "other"),
    [("p1", "P1"), ("p1", " p1 "), ("12", "12.0"), ("12", "12."), ("007", "7"), ("00", "0.0"), ("a  b", "a b"), ("é", "e\u0301"), ("１２", "12")],
)  # fmt: skip
def test_spellings_of_one(one, other):
    assert spelling_key(one) == spelling_key(other)


@pytest.mark.parametrize(
    ("one", "other"), [("p1", "p01"), ("12", "12.5"), ("1.2.3", "1.2.30"), ("10", "1"), ("p-1", "p1")]
)
def test_different_identifiers(one, other):
    assert spelling_key(one) != spelling_key(other)


def test_the_first_spelling_stays():
    assert other_spellings(["7", "a", "007", "7.0", "a"]) == {"007": "7", "7.0": "7"}
    assert spelling_note("patient", {str(n): f"{n}.0" for n in range(5)}).endswith(", and 2 more pairs.")


def test_names_of_the_nih_tell_the_patient(touch):
    folder = touch(
        "A/00002658_001.png", "A/00002658_002.png", "B/00030805_000.png", "B/20240117_001.png", "B/other.png"
    )
    found = load(folder)
    assert {sample.file: sample.patient for sample in found.samples} == {
        "A/00002658_001.png": "00002658", "A/00002658_002.png": "00002658", "B/00030805_000.png": "00030805",
        "B/20240117_001.png": "B/20240117_001.png", "B/other.png": "B/other.png",
    }  # fmt: skip
    assert found.has_patients
    assert found.notes[0].startswith("The patients of 3 images are read from their names")


def test_a_column_of_patients_counts_more_than_names(touch):
    folder = touch("00002658_001.png", "00002658_002.png")
    (folder / "x.csv").write_text("file,class,patient_id\n00002658_001.png,A,p\n00002658_002.png,B,\n")
    assert [sample.patient for sample in load(folder / "x.csv").samples] == ["p", "00002658"]
