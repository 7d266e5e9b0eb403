"""What an inventory finds in a small data set with known faults."""

from __future__ import annotations

import shutil

import cv2
import pytest

from freezenet.train.data.inventory import take_inventory
from freezenet.train.data.loading import load
from freezenet.train.data.phantoms import write_phantoms


def lines(*rows):
    return "\n".join(("file,class,patient_id,source,split,fold", *rows, ""))


@pytest.fixture
def faulty(draw):
    """Six pictures; one there twice on two splits, one again in another class, one file that is no image."""
    folder = draw(*(f"{number}.png" for number in range(6)))
    shutil.copyfile(folder / "0.png", folder / "copy.png")
    smaller = cv2.resize(cv2.imread(str(folder / "1.png"), 0), (64, 80), interpolation=cv2.INTER_AREA)
    assert cv2.imwrite(str(folder / "smaller.png"), smaller)
    (folder / "bad.png").write_bytes(b"no image")
    (folder / "data.csv").write_text(
        lines("0.png,Sick,p0,north,train,", "1.png,Sick,p1,north,train,", "2.png,Sick,p2,north,validation,",
              "3.png,Well,p3,south,train,", "4.png,Well,p4,south,validation,", "5.png,Well,,south,test,",
              "copy.png,Sick,p0,north,test,", "smaller.png,Well,p9,south,train,", "bad.png,Well,p5,south,train,")
    )  # fmt: skip
    return folder / "data.csv"


def test_faults_are_found(faulty):
    found = take_inventory(load(faulty)).to_dict()
    assert found["images"] == 9
    assert found["classes"]["Well"] == {"images": 5, "patients": 4, "without_patient": 1, "unreadable": 1}
    assert [one["file"] for one in found["unreadable"]] == ["bad.png"]
    assert "cannot be decoded" in found["unreadable"][0]["reason"]
    exact, near = found["duplicates"]
    assert (exact["exact"], exact["files"], exact["splits"], exact["classes"]) == (
        True, ["0.png", "copy.png"], ["test", "train"], ["Sick"],
    )  # fmt: skip
    assert (near["exact"], near["files"], near["classes"], near["patients"]) == (
        False, ["1.png", "smaller.png"], ["Sick", "Well"], ["p1", "p9"],
    )  # fmt: skip
    assert found["patients_on_several_sides"] == ["p0"]
    assert found["sizes"] == {"smallest": [64, 80], "median": [96, 96], "largest": [96, 96]}
    assert found["splits"]["Sick"] == {"train": 2, "validation": 1, "test": 1}
    assert found["folds"] == {}
    assert found["sources"]["guess"] == 1
    assert found["warnings"] == [
        "Files that cannot be read as chest X-rays: 1.",
        "Duplicates of other images: 2.",
        "Pictures in several classes: 1.",
        "Pictures in several splits, so that test figures would be too high: 1.",
        "Pictures under several patients, who may be one: 1.",
        "Patients in several splits: 1.",
        "Images without a known patient (each counts as its own, so images of one person may stand in two splits): 1.",
        "Sick comes from one source alone, north: answers elsewhere are not shown to hold.",
        "Well comes from one source alone, south: answers elsewhere are not shown to hold.",
        "The source tells the class: knowing it alone, one would guess right in 100% of cases; the most frequent class "
        "alone gives 56% (Cramér's V 1.00). A network can score high by recognizing sources.",
    ]


def test_a_split_without_a_class_is_said(faulty):
    text = faulty.read_text().replace("5.png,Well,,south,test,", "5.png,Well,,south,train,")
    faulty.write_text(text)
    inventory = take_inventory(load(faulty))
    assert inventory.missing_classes == {"test": ["Well"]}
    assert "No image of Well in the test split." in inventory.warnings


def test_duplicates_in_several_folds_are_said(draw):
    folder = draw("0.png", "1.png", "2.png")
    shutil.copyfile(folder / "0.png", folder / "copy.png")
    (folder / "data.csv").write_text(
        lines("0.png,A,p,s,,Fold1", "copy.png,A,p,s,,Fold2", "1.png,B,q,s,,Fold1", "2.png,B,r,s,,Fold2")
    )
    inventory = take_inventory(load(folder / "data.csv"))
    assert inventory.to_dict()["folds"]["A"] == {"Fold1": 1, "Fold2": 1}
    assert inventory.to_dict()["patients_in_several_folds"] == ["p"]
    assert inventory.warnings == [
        "Duplicates of other images: 1.",
        "Pictures in several folds, so that cross-validated figures would be too high: 1.",
        "Patients in several folds: 1.",
        "Every class comes from one source alone, s: answers elsewhere are not shown to hold.",
    ]


def test_a_sound_data_set_has_no_faults(tmp_path):
    inventory = take_inventory(load(write_phantoms(tmp_path, scale=0.1, size=96)))
    assert inventory.duplicates == []
    assert inventory.reading.failures == {}
    # All phantoms come from one source, which is said and is no fault.
    assert inventory.warnings == [
        "Every class comes from one source alone, phantom: answers elsewhere are not shown to hold.",
    ]


def test_one_class_in_two_spellings_is_said(draw):
    folder = draw("COVID/0.png", "covid/1.png", "COVID-19/2.png", "Lung_Opacity/3.png", "Lung Opacity/4.png")
    inventory = take_inventory(load(folder))
    assert inventory.dataset.spellings == [["COVID", "covid"], ["Lung Opacity", "Lung_Opacity"]]
    said = "Classes that differ only in how they are written: COVID, covid; rename them to make them one."
    assert said in inventory.warnings


def test_a_data_set_of_files_that_are_none(touch):
    inventory = take_inventory(load(touch("A/1.png", "B/2.png")))
    found = inventory.to_dict()
    assert len(found["unreadable"]) == 2
    assert found["sizes"] == {}
    assert "The data names no sources" in found["warnings"][-1]


def test_the_stored_size_that_tells_the_class_is_said(draw):
    folder = draw(*(f"{number}.png" for number in range(8)))
    for number in range(4):
        image = cv2.imread(str(folder / f"{number}.png"), 0)
        assert cv2.imwrite(str(folder / f"{number}.png"), cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA))
    rows = [f"{number}.png,{'Sick' if number < 4 else 'Well'},p{number},north,," for number in range(8)]
    (folder / "data.csv").write_text(lines(*rows))
    found = take_inventory(load(folder / "data.csv")).to_dict()
    assert found["stored_sizes"]["guess"] == 1
    assert [one for one in found["warnings"] if one.startswith("The stored size tells the class")] == [
        "The stored size tells the class (all 4 images of 96 x 96 are Well; all 4 images of 64 x 64 are Sick): knowing width and height alone, "
        "one would guess right in 100% of cases; the most frequent class alone gives 50%. A network sees the traces of resizing."
    ]
