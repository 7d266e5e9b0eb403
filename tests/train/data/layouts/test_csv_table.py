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
