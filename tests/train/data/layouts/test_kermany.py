"""Kermany et al.'s folders and file names, as published and as in the sets made from them."""

from __future__ import annotations

import pytest

from freezenet.train.data.layouts import class_folders, kermany
from freezenet.train.data.layouts.kermany import patient_of
from freezenet.train.data.loading import load


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("person63_bacteria_306.jpeg", "person63_bacteria"),
        ("person1000_virus_1681.jpeg", "person1000_virus"),
        ("IM-0115-0001.jpeg", "IM-0115"),
        ("IM-0439-0001-0002.jpeg", "IM-0439"),
        ("NORMAL2-IM-0027-0001.jpeg", "NORMAL2-IM-0027"),
        ("BACTERIA-1008087-0001.jpeg", "BACTERIA-1008087"),
        ("Tuberculosis-12.png", ""),
        ("COVID19(12).jpg", ""),
        ("person.jpeg", ""),
        ("my-IM-0115-0001.jpeg", ""),
    ],
)
def test_patients_of_file_names(name, patient):
    assert patient_of(f"train/PNEUMONIA/{name}") == patient


def test_bacterial_and_viral_cases_are_numbered_apart():
    # Both files are in the published set, the first in test/, the second in train/.
    assert patient_of("person1_virus_6.jpeg") != patient_of("person1_bacteria_1.jpeg")


def test_the_set_with_tuberculosis(touch):
    files = [
        f"{side}/{label}"
        for side in ("train", "val", "test")
        for label in ("COVID19/COVID19(1).jpg", "NORMAL/IM-0115-0001.jpeg", "PNEUMONIA/person3_bacteria_10.jpeg",
                      "PNEUMONIA/person3_bacteria_11.jpeg", "TURBERCULOSIS/Tuberculosis-1.png")
    ]  # fmt: skip
    found = load(touch(*files))
    assert found.layout == kermany.NAME
    assert found.labels == ("COVID19", "NORMAL", "PNEUMONIA", "TUBERCULOSIS")
    assert {sample.file for sample in found.samples} == set(files)
    assert found.has_patients
    assert {sample.patient for sample in found.samples if sample.label == "PNEUMONIA"} == {"person3_bacteria"}
    tuberculosis = [sample for sample in found.samples if sample.label == "TUBERCULOSIS"]
    assert [sample.patient for sample in tuberculosis] == [sample.file for sample in tuberculosis]
    assert {sample.split for sample in found.samples} == {"train", "validation", "test"}


def test_other_folders_with_such_file_names_keep_their_own_meaning(touch):
    """Many programs export as IM-0001-0001; only in Kermany's folders that is one patient."""
    found = load(touch("NORMAL/IM-0001-0001.png", "NORMAL/IM-0001-0002.png", "Sick/IM-0001-0001.png"))
    assert found.layout == class_folders.NAME
    assert not found.has_patients
