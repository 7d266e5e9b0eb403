"""Folders of classes: which files in them are images. `test_loading.py` holds the layouts with splits and masks."""

from __future__ import annotations

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
