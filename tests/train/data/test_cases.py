"""Small inputs that went wrong elsewhere: each CSV and image of the folder of cases is used for what it means, or refused by name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from freezenet.edge_runtime.errors import DataError
from freezenet.train.data.loading import load

CLASSES, IMAGES = ("Clear", "Diffuse", "Focal"), 14
#: File -> what the refusal says.
REFUSED = {
    "nan_class.csv": r"A file and a class in every row are required\. Got: line 2 of nan_class\.csv",
    "extra_comma.csv": r"Got: 4 in line 30 of extra_comma\.csv",
    "quote.csv": r"quotation marks .* begins in line 5",
    "dup_header.csv": r"Got: class twice in line 1 of dup_header\.csv",
    "newline_class.csv": r"without line breaks .* Got: 'Clear\\n\(severe\)'",
}
#: File -> number of patients that are known, and what is said.
READ = {
    "near_split.csv": (0, "The column 'Split' of near_split.csv is taken for split."),
    "near_patient.csv": (21, "The column 'Patient ID' of near_patient.csv is taken for patient_id."),
    "upperhead.csv": (0, "The column 'Class' of upperhead.csv is taken for class."),
    "pid_spaces.csv": (21, ""),
    "pid_float.csv": (21, "taken for one patient each: '0' and '0.0'"),
    "pid_zeros.csv": (21, "taken for one patient each: '0' and '00000'"),
    "nan_patient.csv": (None, "Taken for empty in the column 'patient_id' of nan_patient.csv: nan"),
    "fold_nan.csv": (0, "Taken for empty in the column 'fold' of fold_nan.csv: nan"),
    "winpath.csv": (0, ""),
    "bom_semicolon.csv": (0, ""),
}


@pytest.fixture
def cases(shared) -> Path:
    """The folder of cases."""
    folder = shared / "cases"
    if not folder.is_dir():
        pytest.skip(f"{folder} with small inputs that went wrong is not here")
    return folder


@pytest.fixture
def case(cases, tmp_path, touch):
    """A function that puts a CSV beside the files that it names."""

    def make(name: str) -> Path:
        touch(*(f"img/{label}/{label.lower()}-{n:03}-0.png" for label in CLASSES for n in range(IMAGES)))
        return Path(shutil.copy(cases / "csv" / name, tmp_path))

    return make


def test_every_csv_is_looked_at(cases):
    assert {path.name for path in (cases / "csv").iterdir()} == REFUSED.keys() | READ.keys()


@pytest.mark.parametrize("name", REFUSED)
def test_a_damaged_csv_is_refused_by_its_row(case, name):
    with pytest.raises(DataError, match=REFUSED[name]) as caught:
        load(case(name))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", READ)
def test_a_csv_is_read_for_what_it_means(case, name, caplog):
    caplog.set_level("INFO")
    found = load(case(name))
    patients, said = READ[name]
    assert len(found.samples) == len(CLASSES) * IMAGES
    assert found.labels == CLASSES
    assert {sample.file for sample in found.samples} == {
        path.relative_to(found.root).as_posix() for path in found.root.rglob("*.png")
    }
    known = {sample.patient for sample in found.samples if sample.patient != sample.file}
    assert not any(word in known for word in ("nan", ""))
    if patients is not None:
        assert len(known) == patients
    assert said in caplog.text
    if name == "near_split.csv":
        assert {sample.split for sample in found.samples} >= {"train", "test"}
    if name == "fold_nan.csv":
        assert "nan" not in found.folds
        assert sum(not sample.fold for sample in found.samples) == 9


def test_a_jpeg_is_found_whatever_its_suffix(cases, tmp_path, touch):
    touch("A/0.png", "B/1.png")
    for name in ("xray.jfif", "xray.jpe", "xray", "xray.txt"):
        shutil.copy(cases / "images/xray.jfif", tmp_path / "A" / name)
    found = load(tmp_path)
    assert {sample.file for sample in found.samples} == {
        "A/0.png",
        "B/1.png",
        "A/xray.jfif",
        "A/xray.jpe",
        "A/xray",
        "A/xray.txt",
    }
    assert found.manifest.unused == {}
