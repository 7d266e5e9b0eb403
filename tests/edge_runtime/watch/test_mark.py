"""What binds an inbox to its outbox, and what whoever may write to the inbox can do about it: nothing."""

from __future__ import annotations

import os
import shutil

import pytest

from freezenet.edge_runtime.watch.mark import MARK_IN_INBOX, mark_beside, read_mark
from freezenet.edge_runtime.watch.outbox import STATE, Outbox
from freezenet.edge_runtime.watch.trouble import FolderTrouble

#: What somebody puts in the place of a file: name -> function that makes it.
PLANTED = {
    "pipe": os.mkfifo,
    "folder": os.mkdir,
    "full folder": lambda path: (path / "inner").mkdir(parents=True),
    "link to nothing": lambda path: path.symlink_to("nothing"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "binary": lambda path: path.write_bytes(bytes(range(256))),
    "huge": lambda path: path.write_bytes(b"0" * (10 << 20)),
    "empty": lambda path: path.write_bytes(b""),
    "unreadable": lambda path: (path.write_bytes(b"0" * 32), path.chmod(0)),
}


@pytest.mark.parametrize("first", [True, False], ids=["first start", "later start"])
@pytest.mark.parametrize("planted", PLANTED)
def test_nothing_that_lies_in_the_inbox_stops_the_watcher(make_watcher, tmp_path, planted, first):
    if planted == "unreadable" and first and os.geteuid() == 0:
        pytest.skip("this user may read everything")
    if not first:
        make_watcher().process_once()
        (tmp_path / "in" / MARK_IN_INBOX).unlink()
    PLANTED[planted](tmp_path / "in" / MARK_IN_INBOX)
    PLANTED[planted](tmp_path / "in" / ".freezenet-moving-0123")
    (tmp_path / "in" / "x").write_bytes(b"Xray")
    assert make_watcher().process_once() >= 1
    assert (tmp_path / "out" / "x.json").is_file()
    assert os.path.lexists(tmp_path / "in" / MARK_IN_INBOX)


@pytest.mark.parametrize("number", [b"0" * 32, b"not a mark"])
def test_another_number_in_the_inbox_counts_for_nothing_once_the_outbox_is_known(make_watcher, tmp_path, number):
    make_watcher().process_once()
    (tmp_path / "in" / MARK_IN_INBOX).write_bytes(number)
    (tmp_path / "in" / "x").write_bytes(b"Xray")
    assert make_watcher().process_once() == 1


def test_run_out_ends_where_a_file_that_was_set_aside_cannot_get_its_name_back(make_watcher, tmp_path, monkeypatch):
    import threading

    (tmp_path / "in" / ".freezenet-moving-0123").write_bytes(b"1")
    (tmp_path / "in" / "x").write_bytes(b"Xray")
    watcher = make_watcher()
    monkeypatch.setattr(watcher.arrivals, "put_back", lambda aside, name: None)
    assert watcher.run_out(threading.Event()) == 0
    assert (tmp_path / "out" / "x.json").is_file()


@pytest.fixture
def inbox(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def opened(tmp_path, inbox) -> Outbox:
    outbox = Outbox(tmp_path / "out")
    outbox.open(inbox)
    outbox.close()
    return outbox


def test_the_three_places_hold_one_mark(tmp_path, inbox):
    opened(tmp_path, inbox)
    places = (tmp_path / "out" / STATE / "mark", tmp_path / ".out.freezenet-mark", inbox / MARK_IN_INBOX)
    assert len({read_mark(place) for place in places}) == 1
    assert mark_beside(tmp_path / "out") == places[1]


@pytest.mark.parametrize("left", [".out.freezenet-mark", f"in/{MARK_IN_INBOX}"])
def test_either_of_the_other_two_keeps_an_empty_folder_from_becoming_the_outbox(tmp_path, inbox, left):
    opened(tmp_path, inbox)
    for place in (".out.freezenet-mark", f"in/{MARK_IN_INBOX}"):
        if place != left:
            (tmp_path / place).unlink()
    shutil.rmtree(tmp_path / "out")
    (tmp_path / "out").mkdir()
    with pytest.raises(FolderTrouble, match=rf"mount its drive, or remove {tmp_path / left} and start again"):
        Outbox(tmp_path / "out").open(inbox)
    assert not list((tmp_path / "out").iterdir())
    (tmp_path / left).unlink()
    opened(tmp_path, inbox)


def test_an_outbox_of_an_earlier_version_goes_on(tmp_path, inbox):
    """It had its mark in the inbox, and none beside."""
    before = opened(tmp_path, inbox)
    (tmp_path / ".out.freezenet-mark").unlink()
    mark = read_mark(before.folder / STATE / "mark")
    opened(tmp_path, inbox)
    assert read_mark(tmp_path / ".out.freezenet-mark") == mark


def test_another_drive_in_the_place_of_the_outbox_is_refused(tmp_path, inbox):
    opened(tmp_path, inbox)
    (tmp_path / "other").mkdir()
    Outbox(tmp_path / "other" / "out").open(tmp_path / "other")
    shutil.rmtree(tmp_path / "out")
    shutil.copytree(tmp_path / "other" / "out", tmp_path / "out")
    with pytest.raises(FolderTrouble, match="another or empty folder"):
        Outbox(tmp_path / "out").open(inbox)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_mark_of_another_user_is_nobodys(tmp_path, inbox):
    (inbox / MARK_IN_INBOX).write_text("0" * 32)
    os.chown(inbox / MARK_IN_INBOX, 12345, 12345)
    opened(tmp_path, inbox)


@pytest.mark.parametrize("name", ["o" * 255, "ä" * 127, "/"])
def test_the_name_of_the_mark_is_never_too_long(tmp_path, name):
    beside = mark_beside(tmp_path / name)
    assert len(os.fsencode(beside.name)) <= 255
    assert beside.name.startswith(".")
