"""Temporary files: unlike for every writer, and cleared away only where the writer is gone."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from freezenet.edge_runtime.files import move_new, partial_path, remove_partial, write_atomically

WRITER = """
import os, sys
from pathlib import Path
from freezenet.edge_runtime.files import write_atomically

def write(temporary):
    temporary.write_bytes(b"half")
    print(temporary.name, flush=True)
    sys.stdin.read()

write_atomically(Path(sys.argv[1]), write)
"""


@pytest.fixture
def writer(tmp_path):
    """A process in the middle of writing tmp_path/model.tflite."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, tmp_path / "model.tflite"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    process.temporary = tmp_path / process.stdout.readline().strip()
    yield process
    process.kill()
    process.communicate()


def test_writers_of_one_file_at_once_do_not_mix(tmp_path):
    """Each writes half, waits for all the others, and writes the other half."""
    path, names, meeting = tmp_path / "image.dcm", set(), threading.Barrier(8, timeout=60)

    def write(number: int) -> None:
        def fill(temporary: Path) -> None:
            names.add(temporary.name)
            with temporary.open("wb") as file:
                file.write(bytes([number]) * 5000)
                file.flush()
                meeting.wait()
                file.write(bytes([number]) * 5000)
            meeting.wait()

        write_atomically(path, fill)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    content = path.read_bytes()
    assert len(names) == 8 and len(content) == 10000 and len(set(content)) == 1
    assert os.listdir(tmp_path) == ["image.dcm"]


def test_what_a_living_process_writes_stays_and_what_a_killed_one_left_goes(writer, tmp_path):
    remove_partial(tmp_path)
    assert writer.temporary.read_bytes() == b"half"
    writer.kill()
    writer.wait()
    (tmp_path / ".hidden.partial.txt").touch()  # somebody else's
    remove_partial(tmp_path)
    assert os.listdir(tmp_path) == [".hidden.partial.txt"]


def test_a_writer_that_ended_and_was_not_asked_for_is_gone(writer, tmp_path):
    """A zombie still has its number."""
    writer.kill()
    os.waitid(os.P_PID, writer.pid, os.WEXITED | os.WNOWAIT)
    remove_partial(tmp_path)
    assert not list(tmp_path.iterdir())


def test_another_process_of_the_same_number_does_not_count(tmp_path):
    mine = partial_path(tmp_path / "a.json")
    host, process, birth, rest = mine.name.removeprefix(".a.").split("-")
    before_me = tmp_path / f".a.{host}-{process}-{int(birth, 16) ^ 1:x}-{rest}"
    elsewhere = tmp_path / f".a.{int(host, 16) ^ 1:08x}-{process}-{birth}-{rest}"
    long_ago = tmp_path / f".b.{int(host, 16) ^ 1:08x}-{process}-{birth}-{rest}"
    for path in (mine, before_me, elsewhere, long_ago):
        path.touch()
    os.utime(long_ago, (0, 0))
    remove_partial(tmp_path)
    assert set(tmp_path.iterdir()) == {mine, elsewhere}


def test_what_somebody_puts_there_under_such_names_is_in_nobodys_way(tmp_path):
    host = partial_path(tmp_path / "a").name.split(".")[2].split("-")[0]
    folder = tmp_path / f".a.{host}-fffffff-1-00000000.partial"
    folder.mkdir()
    (tmp_path / f".a.{host}-{'f' * 40}-1-00000000.partial").touch()
    (tmp_path / f".b.{host}-fffffff-1-00000000.partial").symlink_to(tmp_path / "nowhere")
    remove_partial(tmp_path)
    assert sorted(path.name[:2] for path in tmp_path.iterdir()) == [".a", ".a"] and folder.is_dir()


@pytest.mark.parametrize("name", ["a" * 255, "é" * 127, "a" + "." + "b" * 253, "x.keras"])
def test_a_name_that_the_disk_takes_has_a_temporary_name_that_it_takes(tmp_path, name):
    write_atomically(tmp_path / name, lambda temporary: temporary.write_bytes(b"1"))
    assert os.listdir(tmp_path) == [name]
    assert partial_path(Path("x.keras")).suffix == ".keras"


@pytest.mark.parametrize("links", [True, False], ids=["hard links", "a USB stick"])
def test_a_file_never_takes_the_place_of_another(tmp_path, monkeypatch, links):
    def none(*_, **__):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", none)
    (tmp_path / "new").write_bytes(b"new")
    (tmp_path / "old").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        move_new(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old").read_bytes() == b"old"
    move_new(tmp_path / "new", tmp_path / "free")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"old": b"old", "free": b"new"}
