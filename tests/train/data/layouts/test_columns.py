"""Columns and cells by what they mean."""

from __future__ import annotations

import pytest

from freezenet.edge_runtime.errors import DataError
from freezenet.train.data.layouts.columns import read_table


@pytest.fixture
def table(tmp_path):
    def make(header, *rows):
        path = tmp_path / "x.csv"
        path.write_text("\n".join([header, *rows, ""]))
        return read_table(path)

    return make


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("Split", "split"), (" split", "split"), ("SPLIT ", "split"), ("subset", "split"), ("Subset", "split"), ("partition", "split"),
        ("Patient ID", "patient_id"), ("patientId", "patient_id"), ("patient-id", "patient_id"), ("Patient", "patient_id"),
        ("PatientID", "patient_id"), ("subject_id", "patient_id"), ("Fold", "fold"), ("k-fold", "fold"), ("SOURCE", "source"),
        ("File Name", "file"), ("Class", "class"),
    ],
)  # fmt: skip
def test_columns_however_they_are_written(table, name, column):
    found = table(f"{name},age", "train,7")
    assert found.names == {column: name.strip()}
    assert found.rows[0][column] == "train"
    taken = f"The column {name.strip()!r} of x.csv is taken for {column}."
    assert (taken in found.notes) == (name.strip() not in (column, "PatientID"))
    assert found.others == ("age",)


@pytest.mark.parametrize("name", ["splitt", "spilt", "patiend_id", "soruce", "sources", "patient_ids", "fod", "fold1"])
def test_a_column_that_is_nearly_one_is_refused(table, name):
    with pytest.raises(DataError, match=f"Got: '{name}' in x.csv, nearly "):
        table(f"file,class,{name}", "a.png,A,x")


@pytest.mark.parametrize(
    "name",
    [
        "age",
        "sex",
        "patient_age",
        "view",
        "note",
        "label",
        "folder_date",
        "site",
        "gold",
        "hold",
        "source_id",
        "patient_sex",
    ],
)
def test_other_columns_have_no_meaning(table, name):
    found = table(f"file,class,{name}", "a.png,A,x")
    assert (found.others, found.notes) == ((name,), ())


def test_two_columns_of_one_meaning(table):
    with pytest.raises(DataError, match=r"One column patient_id is required\. Got: Patient, subject in x\.csv"):
        table("file,class,Patient,subject", "a.png,A,p,q")
    found = table("file,class,patient_id,Patient", "a.png,A,p,q")
    assert found.rows[0]["patient_id"] == "p"
    assert found.others == ("Patient",)


@pytest.mark.parametrize("word", ["nan", "NaN", "NA", "None", "#N/A", "?", "null", " ", "N/A", "<NA>", "-"])
def test_words_for_nothing(table, word):
    row = table("file,class,patient_id,fold,split,source", f"a.png,A,{word},{word},{word},{word}").rows[0]
    assert [row[column] for column in ("patient_id", "fold", "split", "source")] == [""] * 4
    assert table("file,class", f"a.png,{word}").rows[0]["class"] == ""


def test_none_is_the_empty_label_set(table):
    assert table("file,class", "a.png,none").rows[0]["class"] == "none"


def test_identifiers_written_two_ways_are_one(table):
    cells = ["p1", "p1 ", "P1", "12", "12.0", "007", "7", "x-1", "x-2"]
    found = table("file,class,patient_id,fold", *(f"{n}.png,A,{cell},{cell}" for n, cell in enumerate(cells)))
    expected = ["p1", "p1", "p1", "12", "12", "007", "007", "x-1", "x-2"]
    assert [row["patient_id"] for row in found.rows] == expected
    assert [row["fold"] for row in found.rows] == expected
    assert (
        "Written two ways and taken for one patient each: 'p1' and 'P1', '12' and '12.0', '007' and '7'." in found.notes
    )


def test_rows_behind_an_open_quotation_mark_in_a_column_that_is_not_used(table, touch):
    touch("a.png", "b.png", "c.png")
    with pytest.raises(DataError, match=r"line 2 of x\.csv, where a cell holds other rows"):
        table("file,class,note", 'a.png,A,"open', "b.png,B,", 'c.png,B,closed"')
    assert len(table("file,class,note", 'a.png,A,"two', 'lines, as reports have"', "b.png,B,").rows) == 2
