"""The walk over a folder: every file once, each an image or named with the reason why not."""

from __future__ import annotations

import os

import cv2
import numpy as np
import pytest

from freezenet.train.data.layouts.tree import NO_IMAGE, no_data, walk


@pytest.fixture
def jpeg() -> bytes:
    return cv2.imencode(".jpg", np.zeros((32, 32), np.uint8))[1].tobytes()


@pytest.mark.parametrize(
    "name",
    [".Trash-1000", ".ipynb_checkpoints", "@eaDir", "$RECYCLE.BIN", "__MACOSX", "lost+found", "#recycle", ".git",
     "System Volume Information"],
)  # fmt: skip
def test_hidden_and_service_folders_at_any_depth(touch, name):
    folder = touch("A/1.png", f"A/deep/{name}/more/2.png", f"{name}/A/3.png")
    found = dict(walk(folder))
    assert [file for file, why in found.items() if not why] == ["A/1.png"]
    assert found[f"A/deep/{name}/more/2.png"] == f"in A/deep/{name}/, a hidden or service folder"
    assert f"{name}/A/3.png" in found


@pytest.mark.parametrize("name", ["masks", "Masks", "MASK", "lung_masks", "left mask", "ManualMask"])
def test_folders_of_masks(touch, name):
    found = dict(walk(touch("A/1.png", f"A/{name}/1.png")))
    assert found == {"A/1.png": "", f"A/{name}/1.png": f"in A/{name}/, a folder of masks"}


@pytest.mark.parametrize("name", ["Damask", "unmasked", "maskless", "A", "train", "a.b"])
def test_other_folders_are_data(name):
    assert no_data(name) == ""


def test_contents_decide_and_not_the_suffix(tmp_path, jpeg, dicom):
    for name in ("1.jfif", "2.jpe", "3", "4.txt", "5.PNG"):
        (tmp_path / name).write_bytes(jpeg)
    (tmp_path / "IM0001").write_bytes(dicom(np.zeros((32, 32), np.uint16)))
    (tmp_path / "notes.txt").write_text("none")
    (tmp_path / "movie.gif").write_bytes(b"GIF89a" + bytes(100))
    (tmp_path / "damaged.png").write_bytes(b"")
    (tmp_path / ".hidden.png").write_bytes(jpeg)
    (tmp_path / "5_mask.png").write_bytes(jpeg)
    found = dict(walk(tmp_path))
    assert {file for file, why in found.items() if not why} == {
        "1.jfif", "2.jpe", "3", "4.txt", "5.PNG", "IM0001", "damaged.png",
    }  # fmt: skip
    assert (found["notes.txt"], found["movie.gif"]) == (NO_IMAGE, NO_IMAGE)
    assert "dot" in found[".hidden.png"]
    assert "mask" in found["5_mask.png"]


def test_links_to_folders_are_followed_once(tmp_path, touch):
    data = touch("data/A/1.png", "data/.store/B/2.png", "outside/3.png") / "data"
    links = {"B": data / ".store/B", "C": tmp_path / "outside", "D": tmp_path / "outside", "again": data / "A",
             "around": tmp_path, "self": data, "nothing": tmp_path / "gone", "4.png": tmp_path / "outside/3.png"}  # fmt: skip
    for name, target in links.items():
        os.symlink(target, data / name)
    found = dict(walk(data))
    assert [file for file, why in found.items() if not why] == ["4.png", "A/1.png", "B/2.png", "C/3.png"]
    twice = "a link to a folder that is read already"
    assert {name: found[name] for name in ("D", "again", "around", "self")} == dict.fromkeys(
        ("D", "again", "around", "self"), twice
    )
    assert found["nothing"] == "a link to nothing"


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert dict(walk(tmp_path)) == {"pipe": "no ordinary file"}


def test_a_folder_that_cannot_be_read_is_read_as_an_image(touch, monkeypatch):
    folder = touch("A/1.png", "B/2.png")
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("B"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert dict(walk(folder)) == {"A/1.png": "", "B/.": ""}
