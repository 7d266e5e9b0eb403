"""The CSV: what its columns become. `test_dataset.py` holds what is refused."""

from __future__ import annotations

import pytest

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.train.data.layouts.csv_rows import read_rows
from freezenet.train.data.layouts.csv_table import read, recognizes, split_of


def test_every_column_arrives(touch):
    folder = touch("a.png", "b.png")
    table = folder / "list.csv"
    table.write_text("file,class,patient_id,source,split,fold\na.png,A,p,north,Valid,Fold3\nb.png,B,,,,\n")
    assert recognizes(table)
    assert not recognizes(folder)
    first, second = read(table).samples
    assert (first.file, first.label, first.patient, first.source, first.split, first.fold) == (
        "a.png", "A", "p", "north", "validation", "Fold3",
    )  # fmt: skip
    assert (second.patient, second.source, second.split, second.fold) == ("b.png", "", "", "")


def test_a_column_of_patients_is_what_makes_them_known(touch):
    folder = touch("a.png")
    (folder / "with.csv").write_text("file,class,patient_id\na.png,A,p\n")
    (folder / "without.csv").write_text("file,class\na.png,A\n")
    assert read(folder / "with.csv").has_patients
    assert not read(folder / "without.csv").has_patients


def test_rows_are_dictionaries_by_column(tmp_path):
    (tmp_path / "x.csv").write_text("﻿a,b\n1,2\n", encoding="utf-8")
    assert read_rows(tmp_path / "x.csv") == (["a", "b"], [{"a": "1", "b": "2"}])
    (tmp_path / "empty.csv").write_text("")
    assert read_rows(tmp_path / "empty.csv") == ([], [])


def test_a_split_that_is_none_is_named(tmp_path):
    assert split_of({"split": "TRAINING"}, tmp_path / "x.csv") == "train"
    assert split_of({}, tmp_path / "x.csv") == ""
    with pytest.raises(FreezenetError, match=r"'dev' in x\.csv"):
        split_of({"split": "dev"}, tmp_path / "x.csv")
    with pytest.raises(FreezenetError, match=r"'NIH' in x\.csv, whose column 'subset' is taken for split"):
        split_of({"split": "NIH"}, tmp_path / "x.csv", "subset")


@pytest.mark.parametrize("name", ["./a.png", "sub/../a.png", "sub\\..\\a.png", " a.png ", ".//a.png"])
def test_one_file_written_in_several_ways_is_one(touch, name):
    folder = touch("a.png", "b.png", "sub/c.png")
    (folder / "x.csv").write_text(f"file,class\n{name},A\nb.png,B\n")
    assert [sample.file for sample in read(folder / "x.csv").samples] == ["a.png", "b.png"]
    (folder / "x.csv").write_text(f"file,class\n{name},A\na.png,B\n")
    with pytest.raises(FreezenetError, match=r"Each file once is required\. Got: a\.png"):
        read(folder / "x.csv")


def test_a_file_of_that_name_counts_before_what_another_system_would_mean(touch):
    folder = touch("a\\b.png", "a/b.png", "caf\u00e9.png")
    (folder / "x.csv").write_text("file,class\na\\b.png,A\na/b.png,B\ncafe\u0301.png,B\n", encoding="utf-8")
    assert [sample.file for sample in read(folder / "x.csv").samples] == ["a\\b.png", "a/b.png", "caf\u00e9.png"]


def test_gaps_in_columns_are_said(touch):
    folder = touch("a.png", "b.png")
    (folder / "x.csv").write_text("file,class,patient_id,split,fold\na.png,A,p,train,1\nb.png,B,,,\n")
    found = read(folder / "x.csv")
    assert [note.partition(": ")[2].partition(",")[0] for note in found.notes] == ["no patient", "no split"]
    assert (found.manifest.images, found.manifest.tables, found.manifest.unused) == (2, ("x.csv",), {})
    (folder / "x.csv").write_text("file,class,patient_id,split,fold\na.png,A,nan,,\nb.png,B,,,\n")
    assert not read(folder / "x.csv").has_patients
