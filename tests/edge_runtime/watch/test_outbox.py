"""Names in the outbox, its mark and its lock."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys

import pytest

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.edge_runtime.watch.outbox import MARK_IN_INBOX, PROCESSED, REJECTED, Outbox
from freezenet.edge_runtime.watch.trouble import FolderTrouble

A, B = "a" * 64, "b" * 64


@pytest.fixture
def inbox(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture
def outbox(tmp_path, inbox):
    made = Outbox(tmp_path / "out")
    made.open(inbox)
    yield made
    made.close()


def answer(outbox, file, sha256):
    """Write an answer as the watcher does; return the slot."""
    job = outbox.find(file, sha256)
    outbox.begin(job)
    outbox.write_answer(job, {"file": file, "input_sha256": sha256}, None)
    return job.slot


def test_each_content_has_a_slot_of_its_own(outbox):
    assert answer(outbox, "a.png", A) == "a.png"
    assert answer(outbox, "a.jpg", A) == "a.jpg"
    assert answer(outbox, "sub/a.png", A) == "sub/a.png"
    assert answer(outbox, "a.png", B) == "a-bbbbbbbbbbbb.png"
    assert answer(outbox, "1.2.840.10008", A) == "1.2.840.10008"
    assert answer(outbox, "1.2.840.10008", B) == "1.2.840.10008-bbbbbbbbbbbb"
    assert outbox.find("a.png", A).slot == "a.png"


@pytest.mark.parametrize(
    "taken", ["a.png.json", "a.png.cam.png", "processed/a.png", "rejected/a.png", "rejected/a.png.json"]
)
def test_nothing_that_is_there_is_overwritten(outbox, taken):
    (outbox.folder / taken).parent.mkdir(exist_ok=True)
    (outbox.folder / taken).write_bytes(b"mine")
    assert answer(outbox, "a.png", A) == "a-aaaaaaaaaaaa.png"
    assert (outbox.folder / taken).read_bytes() == b"mine"


def test_a_folder_named_like_an_answer_is_in_nobodys_way(outbox):
    answer(outbox, "x.png", A)
    slot = answer(outbox, "x.png.json/y.png", B)
    assert (outbox.folder / f"{slot}.json").is_file()


def test_names_as_long_as_the_file_system_allows_fit(outbox, inbox):
    for name in ("é" * 127, "n" * 251 + ".png", "n" * 240):
        (inbox / name).write_bytes(b"1")
        job = outbox.find(name, A)
        outbox.begin(job)
        outbox.write_answer(job, {"file": name, "input_sha256": A}, b"picture")
        outbox.file_away(job, inbox / name, PROCESSED)
        assert outbox.settled(outbox.find(name, A)) == (PROCESSED, {"file": name, "input_sha256": A})


def test_a_slot_that_another_content_took_meanwhile_is_not_used(outbox):
    """The first content was begun, replaced by its sender, and comes back."""
    first = outbox.find("a.png", A)
    outbox.begin(first)
    assert answer(outbox, "a.png", B) == "a.png"
    assert answer(outbox, "a.png", A) == "a-aaaaaaaaaaaa.png"


def test_a_rejected_file_that_was_put_back_is_tried_again(outbox, inbox):
    (inbox / "a").write_bytes(b"1")
    job = outbox.find("a", A)
    outbox.begin(job)
    outbox.write_reason(job, {"file": "a", "input_sha256": A, "error": "why"})
    begun = outbox.find("a", A)
    assert begun.begun and outbox.settled(begun)[0] == REJECTED
    outbox.file_away(begun, inbox / "a", REJECTED)
    assert outbox.settled(outbox.find("a", A))[0] == REJECTED
    os.rename(outbox.folder / "rejected" / "a", inbox / "a")
    again = outbox.find("a", A)
    assert again.slot == "a" and outbox.settled(again) is None
    outbox.begin(again)
    assert not (outbox.folder / "rejected" / "a.json").exists()


def test_another_file_system_is_copied_to(outbox, inbox, monkeypatch):
    content = b"content"
    sha256 = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
    (inbox / "a").write_bytes(content)
    rename = os.rename

    def across(source, target):
        if (inbox in source.parents) != (inbox in target.parents):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        rename(source, target)

    monkeypatch.setattr(os, "rename", across)
    outbox.file_away(outbox.find("a", sha256), inbox / "a", PROCESSED)
    assert (outbox.folder / "processed" / "a").read_bytes() == content
    assert [path.name for path in inbox.iterdir()] == [MARK_IN_INBOX]
    assert [path.name for path in (outbox.folder / "processed").iterdir()] == ["a"]


def test_only_one_process_has_it_open(outbox, inbox):
    program = (
        "import sys; from pathlib import Path; from freezenet.edge_runtime.watch.outbox import Outbox\n"
        "Outbox(Path(sys.argv[1])).open(Path(sys.argv[2])); print('open')"
    )
    arguments = [sys.executable, "-c", program, str(outbox.folder), str(inbox)]
    assert b"no other process writes to" in subprocess.run(arguments, capture_output=True, check=False).stderr
    with pytest.raises(FreezenetError, match="which one has open"):
        Outbox(outbox.folder).open(inbox)
    outbox.close()
    assert subprocess.run(arguments, capture_output=True, check=True).stdout == b"open\n"


@pytest.mark.parametrize("restarted", [False, True])
def test_an_outbox_that_went_away_is_not_made_anew(outbox, inbox, restarted):
    """An unmounted drive leaves an empty folder, or none."""
    away = outbox.folder.rename(outbox.folder.with_name("away"))
    if restarted:
        outbox.close()
        outbox = Outbox(outbox.folder)
    for there in (False, True):
        if there:
            outbox.folder.mkdir()
        with pytest.raises(FolderTrouble, match="another or empty folder; mount its drive"):
            outbox.open(inbox)
    assert list(outbox.folder.iterdir()) == []
    outbox.folder.rmdir()
    away.rename(outbox.folder)
    outbox.open(inbox)


def test_the_inbox_of_another_outbox_is_refused(outbox, inbox, tmp_path):
    with pytest.raises(FolderTrouble, match="first used with"):
        Outbox(tmp_path / "second").open(inbox)
    assert not (tmp_path / "second").exists()


def test_what_a_kill_left_is_tidied_at_the_start(outbox, inbox):
    (outbox.folder / "processed").mkdir()
    for name in ("done", "waiting", "aside"):
        outbox.begin(outbox.find(name, A))
        (outbox.folder / "processed" / name).write_bytes(b"1")
    (inbox / "waiting").write_bytes(b"1")
    (inbox / f".freezenet-moving-{outbox.find('aside', A).key}").write_bytes(b"1")
    (outbox.journal.folder / ".0a.partial.json").write_bytes(b"{")
    outbox.close()
    outbox.open(inbox)
    assert {job.file for job in outbox.journal.jobs()} == {"waiting", "aside"}
    assert not list(outbox.journal.folder.glob(".*"))


def test_half_written_answers_of_a_killed_watcher_are_tidied_at_the_start(outbox, inbox, half_written):
    (inbox / "sub").mkdir()
    (inbox / "sub" / "a.png").write_bytes(b"1")
    job = outbox.find("sub/a.png", A)
    outbox.begin(job)
    left = []
    for name in ("sub/a.png.json", "sub/a.png.cam.png", "rejected/sub/a.png.json", "processed/sub/a.png"):
        (outbox.folder / name).parent.mkdir(parents=True, exist_ok=True)
        left.append(half_written(outbox.folder / name))
    assert all(path.read_bytes() == b"half a file" for path in left)
    outbox.close()
    outbox.open(inbox)
    assert not any(path.exists() for path in left)
    assert [found.file for found in outbox.journal.jobs()] == ["sub/a.png"]


def test_an_answer_is_json_of_one_line(outbox):
    answer(outbox, os.fsdecode(b"odd\xff.png"), A)
    (path,) = outbox.folder.glob("*.json")
    assert path.read_bytes().count(b"\n") == 1
    assert os.fsencode(json.loads(path.read_bytes())["file"]) == b"odd\xff.png"
