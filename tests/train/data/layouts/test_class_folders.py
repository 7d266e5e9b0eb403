"""Folders of classes: which files in them are images. `test_loading.py` holds the layouts with splits and masks."""

from __future__ import annotations

import os

import pytest

from freezenet.edge_runtime.errors import DataError
from freezenet.train.data.layouts.class_folders import class_folders, read, recognizes


def test_what_macos_leaves_behind_is_no_image(touch):
    folder = touch("A/1.png", "A/._1.png", "__MACOSX/A/._1.png", "B/2.png", ".Trashes/3.png", "B/.DS_Store")
    assert [sample.file for sample in read(folder).samples] == ["A/1.png", "B/2.png"]


def test_a_folder_without_an_image_in_a_class_folder_is_not_recognized(touch):
    folder = touch("beside.png", "A/notes.txt", "empty/deep/more.txt")
    assert not recognizes(folder)
    touch("A/1.tif")
    assert recognizes(folder)


def test_splits_need_a_training_folder(touch):
    folder = touch("train/A/1.png", "VAL/A/2.png", "test/B/3.png", "other/C/4.png")
    assert sorted((split, path.relative_to(folder).as_posix()) for split, path in class_folders(folder)) == [
        ("test", "test/B"), ("train", "train/A"), ("validation", "VAL/A"),
    ]  # fmt: skip
    assert [(split, path.name) for split, path in class_folders(folder / "train")] == [("", "A")]


def used(folder):
    return {sample.file: (sample.label, sample.split) for sample in read(folder).samples}


def test_capitals_and_other_words_for_splits(touch):
    folder = touch("Training/A/1.png", "Testing/A/2.png", "Valid/B/3.png", "holdout/A/4.png")
    assert used(folder) == {
        "Training/A/1.png": ("A", "train"), "Testing/A/2.png": ("A", "test"), "Valid/B/3.png": ("B", "validation"),
    }  # fmt: skip
    assert read(folder).manifest.unused == {
        "holdout/A/4.png": "in holdout/, which is of no split (train/, val/, test/)"
    }


def test_splits_within_the_classes(touch):
    folder = touch("A/train/1.png", "A/test/deep/2.png", "B/Train/3.png", "B/holdout/4.png", "B/5.png", "B/train.png")
    assert used(folder) == {
        "A/train/1.png": ("A", "train"), "A/test/deep/2.png": ("A", "test"), "B/Train/3.png": ("B", "train"),
    }  # fmt: skip
    unused = read(folder).manifest.unused
    assert set(unused) == {"B/holdout/4.png", "B/5.png", "B/train.png"}
    assert unused["B/holdout/4.png"].startswith("in B/holdout/ and in no folder of a split there")


def test_a_folder_within_a_class_that_is_named_as_the_test_split_alone_is_none(touch):
    assert used(touch("A/test/1.png", "B/2.png")) == {"A/test/1.png": ("A", ""), "B/2.png": ("B", "")}


def test_class_folders_beside_the_splits_are_named(touch):
    folder = touch("train/A/1.png", "train/B/2.png", "C/3.png", "4.png", "train/5.png")
    assert read(folder).manifest.unused == {
        "C/3.png": "in C/, which is of no split (train/, val/, test/)", "4.png": "beside the folders of splits",
        "train/5.png": "in train/, beside its class folders",
    }  # fmt: skip


def test_images_beside_a_folder_of_images_are_used(touch):
    folder = touch("A/Images/1.png", "A/2.png", "A/annotations/3.png", "A/Masks/1.png", "B/masks/4.png", "B/4.png")
    assert set(used(folder)) == {"A/Images/1.png", "A/2.png", "B/4.png"}
    assert read(folder).manifest.unused == {
        "A/annotations/3.png": "in A/annotations/, beside images/", "A/Masks/1.png": "in A/Masks/, a folder of masks",
        "B/masks/4.png": "in B/masks/, a folder of masks",
    }  # fmt: skip


@pytest.mark.parametrize("files", [("C/notes.txt",), ("C/masks/1.png",), ("C/.trash/1.png",), ("C/deep/notes.txt",)])
def test_a_class_folder_without_an_image_is_refused(touch, files):
    with pytest.raises(DataError, match=r"An image in every class folder is required\. Got: none in C of"):
        read(touch("A/1.png", "B/2.png", *files))


def test_an_empty_class_folder_is_refused_and_one_split_of_a_class_is_not(touch):
    folder = touch("train/A/1.png", "train/B/2.png", "val/A/3.png")
    (folder / "val/B").mkdir()
    assert len(read(folder).samples) == 3
    (folder / "train/C").mkdir()
    with pytest.raises(DataError, match="none in C of"):
        read(folder)


@pytest.mark.parametrize("names", [("test", "val"), ("Testing", "validation"), ("test",)])
def test_splits_without_a_training_folder_are_no_classes(touch, names):
    with pytest.raises(DataError, match="A folder train/ beside"):
        read(touch(*(f"{name}/{label}/{number}.png" for name in names for number, label in enumerate("AB"))))


def test_a_linked_class_folder_is_one_and_a_link_around_is_none(tmp_path, touch):
    folder = touch("data/A/1.png", "elsewhere/2.png") / "data"
    os.symlink(tmp_path / "elsewhere", folder / "B")
    os.symlink(folder, folder / "around")
    assert used(folder) == {"A/1.png": ("A", ""), "B/2.png": ("B", "")}
    assert read(folder).manifest.unused == {"around": "a link to a folder that is read already"}
