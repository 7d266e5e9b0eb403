"""Which files count as finished."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest

from freezenet.edge_runtime.watch import arrivals as module
from freezenet.edge_runtime.watch.arrivals import Arrivals, ignored
from freezenet.edge_runtime.watch.trouble import FolderTrouble


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def arrivals(tmp_path, clock):
    return Arrivals(tmp_path, settle=2, clock=clock)


def test_a_file_is_finished_when_it_did_not_change_for_long_enough(arrivals, clock, tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    arrivals.look()
    assert arrivals.names() == ["a"] and arrivals.finished() == []
    clock.now += 1.9
    arrivals.look()
    assert arrivals.finished() == []
    clock.now += 0.2
    arrivals.look()
    assert arrivals.finished() == ["a"]


@pytest.mark.parametrize("change", ["size", "time"])
def test_a_change_starts_the_wait_anew(arrivals, clock, tmp_path, change):
    path = tmp_path / "a"
    path.write_bytes(b"1")
    arrivals.look()
    clock.now += 1.5
    seen = path.stat()
    if change == "size":
        path.write_bytes(b"12")
        os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    else:
        os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns + 1))
    arrivals.look()
    clock.now += 1.5
    arrivals.look()
    assert arrivals.finished() == []
    clock.now += 1
    arrivals.look()
    assert arrivals.finished() == ["a"]


@pytest.mark.parametrize("moment", [0, 4_000_000_000])
def test_the_time_of_day_plays_no_part(arrivals, clock, tmp_path, moment):
    """A Raspberry Pi wakes in 1970; a file's time may lie in the future."""
    (tmp_path / "a").write_bytes(b"1")
    os.utime(tmp_path / "a", (moment, moment))
    arrivals.look()
    clock.now += 2.1
    arrivals.look()
    assert arrivals.finished() == ["a"]


def test_files_come_in_the_order_of_their_arrival(arrivals, clock, tmp_path):
    for name in "cab":
        (tmp_path / name).write_bytes(b"1")
        arrivals.look()
        clock.now += 3
    arrivals.look()
    assert arrivals.finished() == ["c", "a", "b"]


@pytest.mark.parametrize(
    "name", [".a.png", "a.part", "a.PARTIAL", "a.png.tmp", "a.filepart", "a.crdownload", "a.png~", "~$a", "Thumbs.db"]
)
def test_unfinished_and_foreign_names_do_not_count(arrivals, tmp_path, name):
    assert ignored(name)
    (tmp_path / name).write_bytes(b"1")
    arrivals.look()
    assert arrivals.names() == []


def test_names_without_a_suffix_and_in_folders_count(arrivals, tmp_path):
    (tmp_path / "sub" / ".hidden").mkdir(parents=True)
    for name in ("IM0001", "sub/1.2.840.5", "sub/.hidden/x.png"):
        (tmp_path / name).write_bytes(b"1")
    os.makedirs(os.fsencode(tmp_path) + b"/odd\xff")
    with open(os.fsencode(tmp_path) + b"/odd\xff/x.png", "wb"):
        pass
    arrivals.look()
    assert sorted(arrivals.names()) == ["IM0001", os.fsdecode(b"odd\xff/x.png"), "sub/1.2.840.5"]


def test_links_pipes_and_folders_are_left_alone(arrivals, tmp_path, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.png").write_bytes(b"1")
    (tmp_path / "link.png").symlink_to(outside / "secret.png")
    (tmp_path / "folder").symlink_to(outside)
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "empty.png").mkdir()
    arrivals.look()
    assert arrivals.names() == []


@pytest.mark.parametrize("what", ["pipe", "link"])
def test_what_takes_a_files_place_is_not_read(arrivals, clock, tmp_path, what):
    path = tmp_path / "a.png"
    path.write_bytes(b"1")
    arrivals.look()
    path.unlink()
    if what == "pipe":
        os.mkfifo(path)
        assert arrivals.take("a.png") is None
    else:
        path.symlink_to("/etc/hostname")
        with pytest.raises(OSError):
            arrivals.take("a.png")


def test_taking_gives_content_and_hash(arrivals, tmp_path, monkeypatch):
    content = bytes(range(256)) * 5000
    (tmp_path / "a").write_bytes(content)
    arrivals.look()
    taken = arrivals.take("a")
    assert (taken.content, taken.size) == (content, len(content))
    assert taken.sha256 == hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(module, "MAX_BYTES", len(content) - 1)
    taken = arrivals.take("a")
    assert taken.content is None
    assert taken.sha256 == hashlib.sha256(content).hexdigest()


def test_a_file_that_is_gone_or_changed_since_the_look_is_not_taken(arrivals, clock, tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"1")
    arrivals.look()
    clock.now += 3
    (tmp_path / "a").unlink()
    (tmp_path / "b").write_bytes(b"12")
    assert arrivals.take("a") is None and arrivals.take("b") is None
    assert arrivals.names() == ["b"] and arrivals.finished() == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="leases are Linux's")
def test_a_file_that_another_process_writes_is_not_taken(arrivals, tmp_path):
    """A copy that pauses for longer than the wait: only the open file tells."""
    path = tmp_path / "a"
    program = f"file = open({str(path)!r}, 'wb', 0); file.write(b'half'); print(flush=True); input(); file.close()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        writer.stdout.readline()
        arrivals.look()
        assert arrivals.take("a") is None
        writer.communicate(b"\n")
    arrivals.look()
    assert arrivals.take("a").content == b"half"


def test_an_inbox_that_is_away_is_said_without_a_files_name(tmp_path):
    with pytest.raises(FolderTrouble, match=r"An inbox that can be read and written is required.*No such file"):
        Arrivals(tmp_path / "none", settle=0).look()


def test_a_folder_that_cannot_be_listed_hides_no_other(arrivals, tmp_path, monkeypatch):
    (tmp_path / "locked").mkdir()
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "a").write_bytes(b"1")
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    arrivals.look()
    assert arrivals.names() == ["open/a"]
    assert arrivals.refusals == {"Permission denied"}


@pytest.mark.parametrize("links", [True, False])
def test_a_file_set_aside_gets_its_name_back_unless_it_is_taken(arrivals, tmp_path, monkeypatch, links):
    if not links:

        def refuse(*arguments, **options):
            raise OSError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
    aside = tmp_path / f"{module.ASIDE}0a"
    aside.write_bytes(b"old")
    (tmp_path / "a").write_bytes(b"new")
    arrivals.look()
    assert (arrivals.aside, arrivals.names()) == ([aside], ["a"])
    arrivals.put_back(aside, "a")
    assert (tmp_path / "a").read_bytes() == b"new"
    (tmp_path / "a").unlink()
    arrivals.put_back(aside, "a")
    assert (tmp_path / "a").read_bytes() == b"old" and not aside.exists()
