"""Files are whole or not there, and no foreign folder is ever emptied."""

from __future__ import annotations

import csv
import errno
import hashlib
import os
import subprocess
import sys

import pytest

from freezenet.edge_runtime.errors import FreezenetError
from freezenet.train.files import (
    MARK,
    prepare_file,
    prepare_output,
    read_json,
    sha256_file,
    write_atomically,
    write_csv,
    write_json,
)


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "figures.json"
    write_json(path, {"a": 1})

    def fail(temporary):
        assert temporary.suffix == ".json"
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, fail)
    assert os.listdir(tmp_path) == ["figures.json"]
    assert read_json(path) == {"a": 1}


def test_json_that_cannot_be_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"a": object()})
    assert not os.listdir(tmp_path)


def test_csv_round_trip(tmp_path):
    rows = [["a,b", 'c"d', "é"], ["line\nbreak", "", "3"]]
    write_csv(tmp_path / "t.csv", ("x", "y", "z"), rows)
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["x", "y", "z"], *rows]
    assert b"\r" not in (tmp_path / "t.csv").read_bytes()


FULL = """
import os, resource, sys
from pathlib import Path
from freezenet.train.files import write_csv, write_json
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
for write in (lambda: write_csv(Path("t.csv"), ["n"], [[n] for n in range(5000)]),
              lambda: write_json(Path("j.json"), list(range(5000)))):
    try:
        write()
    except OSError as error:
        print(type(error).__name__, error.errno, os.listdir("."))
"""


def test_no_room_is_one_os_error_and_no_partial_file(tmp_path):
    """A real refusal of the kernel: a limit of 4 KiB for each file of the process."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", FULL], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.splitlines() == [f"OSError {errno.EFBIG} []"] * 2, done.stderr
    assert done.returncode == 0


def test_read_json(tmp_path):
    with pytest.raises(FreezenetError, match=r"metrics\.json"):
        read_json(tmp_path / "metrics.json")
    (tmp_path / "metrics.json").write_text('{"a": ')
    with pytest.raises(FreezenetError, match="damaged"):
        read_json(tmp_path / "metrics.json")
    (tmp_path / "metrics.json").write_bytes(b"\xff\xfe")
    with pytest.raises(FreezenetError, match="damaged"):
        read_json(tmp_path / "metrics.json")


def test_new_empty_and_killed_folders_are_taken(tmp_path):
    prepare_output(tmp_path / "a" / "b", "done.json", overwrite=False)
    (tmp_path / "a/b/part.csv").write_text("x")  # a killed run
    prepare_output(tmp_path / "a" / "b", "done.json", overwrite=False)
    assert (tmp_path / "a/b/part.csv").exists()
    (tmp_path / "empty").mkdir()
    prepare_output(tmp_path / "empty", "done.json", overwrite=True)
    assert os.listdir(tmp_path / "empty") == [MARK]


def test_finished_folder_needs_overwrite_which_empties_it(tmp_path):
    out = tmp_path / "out"
    prepare_output(out, "done.json", False)
    (out / "done.json").write_text("{}")
    (out / "events").mkdir()
    with pytest.raises(FreezenetError, match=r"done\.json.*--overwrite"):
        prepare_output(out, "done.json", False)
    assert (out / "done.json").exists()
    prepare_output(out, "done.json", True)
    assert os.listdir(out) == [MARK]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["thesis.doc", "done.json"])
def test_foreign_folder_is_never_touched(tmp_path, overwrite, name):
    (tmp_path / name).write_text("years of work")
    with pytest.raises(FreezenetError, match="choose another name"):
        prepare_output(tmp_path, "done.json", overwrite)
    assert os.listdir(tmp_path) == [name]
    assert (tmp_path / name).read_text() == "years of work"


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").write_text("x")
    with pytest.raises(FreezenetError, match="a file"):
        prepare_output(tmp_path / "out", "done.json", True)
    assert (tmp_path / "out").read_text() == "x"


def test_sha256(tmp_path):
    data = os.urandom(3_000_000)
    (tmp_path / "f").write_bytes(data)
    assert sha256_file(tmp_path / "f") == hashlib.sha256(data).hexdigest()


def test_an_output_file_is_no_folder_no_other_file_and_not_its_source(tmp_path):
    source, other = tmp_path / "data.csv", tmp_path / "other.csv"
    source.write_text("source")
    other.write_text("other")
    prepare_file(tmp_path / "new.csv", False, source)
    prepare_file(tmp_path / "new.csv", False, tmp_path / "absent")
    prepare_file(other, True, source)
    for path, overwrite, fact in (
        (tmp_path, True, "a folder"),
        (other, False, "pass --overwrite"),
        (tmp_path / "." / "data.csv", True, "Another output file"),
    ):
        with pytest.raises(FreezenetError, match=fact):
            prepare_file(path, overwrite, source)
    assert (source.read_text(), other.read_text()) == ("source", "other")


def test_a_folder_around_the_right_one_is_told_its_name(tmp_path):
    (tmp_path / "run").mkdir()
    write_json(tmp_path / "run" / "metrics.json", {})
    with pytest.raises(FreezenetError, match=rf"without one; name {tmp_path / 'run'}, which has one\.$"):
        read_json(tmp_path / "metrics.json")
