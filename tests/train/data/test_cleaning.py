"""Which images stay, and that the list of them is DATA again."""

from __future__ import annotations

import shutil

import cv2
import pytest

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.train.data.cleaning import clean
from freezenet.train.data.inventory import take_inventory
from freezenet.train.data.loading import load


@pytest.fixture
def inventory_of(draw):
    """A function that takes the inventory of a CSV over eight pictures: 0 to 7, `copy`, equal to 0, and `small`, picture 1
    made smaller."""
    folder = draw(*(f"images/{number}.png" for number in range(8)))
    shutil.copyfile(folder / "images/0.png", folder / "images/copy.png")
    image = cv2.imread(str(folder / "images/1.png"), cv2.IMREAD_GRAYSCALE)
    assert cv2.imwrite(str(folder / "images/small.png"), cv2.resize(image, (80, 80), interpolation=cv2.INTER_AREA))
    (folder / "images/bad.png").write_bytes(b"no image")

    def make(columns, *rows):
        lines = [f"file,{columns}", *(f"images/{row.replace(',', '.png,', 1)}" for row in rows), ""]
        (folder / "data.csv").write_text("\n".join(lines))
        return take_inventory(load(folder / "data.csv"))

    return make


def left_out(cleaning):
    return {one["file"].removeprefix("images/"): one["reason"] for one in cleaning.to_dict()["left_out"]}


def test_the_larger_duplicate_stays_then_the_first(inventory_of):
    found = clean(inventory_of("class", "small,B", "1,B", "2,A", "copy,A", "0,A", "bad,A"))
    assert left_out(found) == {
        "small.png": "duplicate of images/1.png",
        "0.png": "duplicate of images/copy.png",
        "bad.png": "unreadable",
    }
    assert found.to_dict()["images"] == 3


@pytest.mark.parametrize(
    ("splits", "gone"),
    [(("train", "test"), "0.png"), (("test", "train"), "copy.png"), (("validation", "train"), "copy.png"),
     (("test", "validation"), "copy.png"), (("", "train"), "0.png")],
)  # fmt: skip
def test_test_keeps_before_validation_before_train(inventory_of, splits, gone):
    found = clean(inventory_of("class,split", f"0,A,{splits[0]}", f"copy,A,{splits[1]}", "2,B,train", "3,A,train"))
    assert list(left_out(found)) == [gone]


def test_duplicates_in_several_classes_all_go(inventory_of):
    found = clean(inventory_of("class", "0,A", "copy,B", "2,A", "3,B"))
    assert left_out(found) == {"0.png": "duplicates in several classes", "copy.png": "duplicates in several classes"}


def test_a_patient_stays_in_one_split(inventory_of):
    found = clean(inventory_of("class,patient_id,split", "0,A,p,train", "1,A,p,test", "2,B,q,train", "3,B,q,validation",
                               "4,B,r,train", "5,A,,train", "6,A,,test"))  # fmt: skip
    assert left_out(found) == {
        "0.png": "its patient is in the test split too",
        "2.png": "its patient is in the validation split too",
    }


def test_splits_that_are_drawn_anew_choose_nothing(inventory_of):
    inventory = inventory_of("class,patient_id,split", "0,A,p,train", "copy,A,p,test", "2,B,q,train", "3,B,q,test")
    assert left_out(clean(inventory, splits=False)) == {"copy.png": "duplicate of images/0.png"}


def test_the_list_is_data_again_from_another_folder(inventory_of, tmp_path):
    inventory = inventory_of("class,patient_id,source,split,fold", "0,A,p,north,train,F1", "copy,A,p,north,test,F2",
                             "2,B,,south,train,F1", "bad,B,,,,")  # fmt: skip
    target = tmp_path / "new" / "lists" / "clean.csv"
    clean(inventory).write(target)
    assert target.read_text() == (
        "file,class,patient_id,source,split,fold\n"
        "../../images/copy.png,A,p,north,test,F2\n"
        "../../images/2.png,B,,south,train,F1\n"
    )
    again = load(target)
    assert again.folds == ["F1", "F2"]
    assert all(path.is_file() for path in again.paths)
    assert take_inventory(again).duplicates == []
    clean(inventory, splits=False).write(target, splits=False)
    assert target.read_text().splitlines()[0] == "file,class,patient_id,source"


def test_unknown_columns_are_not_written(inventory_of, tmp_path):
    """A column of patients would say that they are known."""
    clean(inventory_of("class", "0,A", "2,B")).write(tmp_path / "clean.csv")
    assert (tmp_path / "clean.csv").read_text() == "file,class\nimages/0.png,A\nimages/2.png,B\n"
    assert not load(tmp_path / "clean.csv").has_patients


def test_one_class_is_no_data(inventory_of, tmp_path):
    with pytest.raises(FreezenetError, match=r"Got: 1; clean\.csv was not written"):
        clean(inventory_of("class", "0,A", "copy,A", "bad,B")).write(tmp_path / "clean.csv")
    assert not (tmp_path / "clean.csv").exists()
