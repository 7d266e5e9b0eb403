"""Which images the command line's arguments name."""

from __future__ import annotations

import io
import os
import sys
from types import SimpleNamespace

import pytest

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.images.inputs import named_images
from freezenet.edge_runtime.images.reader import IMAGE_SUFFIXES, read_gray


def test_a_file_is_named_as_it_is_whether_or_not_it_exists():
    assert list(named_images(["b.png", "a.jpg"])) == [("b.png", "b.png"), ("a.jpg", "a.jpg")]


def test_a_folder_gives_all_images_below_it_sorted_and_nothing_else(tmp_path):
    wanted = ["a.PNG", "b.jpeg", "deep/er/c.tif", "z.webp", "y.bmp", "x.TIFF", "w.jpg", "v.dcm", "u.DICOM"]
    for name in [*wanted, "notes.txt", "model.tflite", "deep/table.csv", "png"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    found = list(named_images([str(tmp_path)]))
    assert [name for name, _ in found] == sorted(str(tmp_path / name) for name in wanted)
    assert all(name == path for name, path in found)
    assert {"." + name.rpartition(".")[2].lower() for name in wanted} == IMAGE_SUFFIXES


def test_a_folder_without_images_is_left_to_the_reader_who_says_so(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    assert list(named_images([str(tmp_path)])) == [(str(tmp_path), str(tmp_path))]
    with pytest.raises(FreezenetError, match="no image file was found"):
        read_gray(tmp_path)


def test_a_dash_is_the_bytes_of_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"\x89PNG bytes")))
    assert list(named_images(["one.png", "-"])) == [("one.png", "one.png"), ("-", b"\x89PNG bytes")]


def test_order_of_the_arguments_is_kept(tmp_path):
    (tmp_path / "m.png").write_bytes(b"x")
    names = [name for name, _ in named_images(["z.png", str(tmp_path), "a.png"])]
    assert names == ["z.png", str(tmp_path / "m.png"), "a.png"]


def test_the_images_of_a_folder_come_in_the_order_of_their_paths(tmp_path):
    for name in ["b/z.png", "b/a/y.png", "b.png", "a/1.png", "b/c/x.png", "b/b.png", "B.png"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert [name for name, _ in named_images([str(tmp_path)])] == [
        str(path) for path in sorted(tmp_path.rglob("*.png"))
    ]


def test_the_first_image_does_not_wait_for_the_last_folder(tmp_path, monkeypatch):
    for name in ["a/1.png", "b/2.png"]:
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"x")
    scanned, scandir = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: scanned.append(path) or scandir(path))
    images = named_images([str(tmp_path)])
    assert next(images)[0] == str(tmp_path / "a" / "1.png")
    assert scanned == [str(tmp_path), str(tmp_path / "a")]


def test_a_folder_that_cannot_be_read_is_not_passed_over(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "b.png").write_bytes(b"x")
    scandir = os.scandir

    def refusing(path):
        if path.endswith("a"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert [name for name, _ in named_images([str(tmp_path)])] == [str(tmp_path / "a"), str(tmp_path / "b.png")]


def test_hidden_and_service_folders_are_passed_over_and_counted(tmp_path, caplog):
    wanted = ["a.png", "Trash/b.png", "sub/c.png"]
    hidden = [".Trash-1000/files/d.png", ".Trash-1000/files/notes.txt", "sub/__MACOSX/._c.png", "@eaDir/e.png", "$RECYCLE.BIN/f.png",
              "lost+found/g.png", "sub/.ipynb_checkpoints/h.png"]  # fmt: skip
    for name in [*wanted, *hidden]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    found = [name for name, _ in named_images([str(tmp_path)])]
    assert found == sorted(str(tmp_path / name) for name in wanted)
    said = {record.args for record in caplog.records}
    assert said == {(str(tmp_path / folder), files) for folder, files in
                    [(".Trash-1000", 2), ("sub/__MACOSX", 1), ("@eaDir", 1), ("$RECYCLE.BIN", 1), ("lost+found", 1), ("sub/.ipynb_checkpoints", 1)]}  # fmt: skip
    assert (
        f"{tmp_path / '@eaDir'} is a hidden or service folder; files in it that are not answered: 1." in caplog.messages
    )
    # Whoever names such a folder means it.
    assert [name for name, _ in named_images([str(tmp_path / "@eaDir")])] == [str(tmp_path / "@eaDir" / "e.png")]


def test_predict_and_training_pass_over_the_same_folders():
    from freezenet.edge_runtime.images.inputs import is_service_folder
    from freezenet.train.data.layouts.tree import no_data

    for name in (".git", "__MACOSX", "@EADIR", "#recycle", "System Volume Information", "Temporary Items"):
        assert is_service_folder(name)
        assert no_data(name) == "a hidden or service folder"
    for name in ("trash", "Normal", "data.v2"):
        assert not is_service_folder(name)
        assert no_data(name) == ""
