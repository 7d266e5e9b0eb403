"""Each file is answered exactly once: kills at every step, poisonous files, full disks, folders that go away."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from freezenet.edge_runtime.errors import FreezenetError, ModelError
from freezenet.edge_runtime.watch import examine
from freezenet.edge_runtime.watch.examine import MAX_ATTEMPTS
from freezenet.edge_runtime.watch.trouble import FolderTrouble
from freezenet.edge_runtime.watch.watcher import Watcher

#: Functions through which a watcher changes anything on a disk.
CHANGES = ("replace", "rename", "link", "unlink", "fsync", "mkdir")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def put(folder: Path, **files: bytes) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)


def tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def read(folder: Path, name: str) -> dict:
    return json.loads((folder / name).read_bytes())


def until(condition) -> None:
    """Wait for what another thread does."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


# ---- what becomes of a file


def test_answers_rejections_and_the_files_themselves(make_watcher, tmp_path):
    put(tmp_path / "in", x=b"Xray", y=b"bad one")
    (tmp_path / "in" / "sub").mkdir()
    put(tmp_path / "in" / "sub", x=b"Yray")
    watcher = make_watcher(overlay=True)
    assert watcher.process_once() == 3
    assert tree(tmp_path / "in") == {".freezenet-outbox"}
    assert tree(tmp_path / "out") - {".freezenet-watch/lock", ".freezenet-watch/mark"} == {
        "x.json", "x.cam.png", "sub/x.json", "sub/x.cam.png", "processed/x", "processed/sub/x", "rejected/y", "rejected/y.json",
    }  # fmt: skip
    found = read(tmp_path / "out", "sub/x.json")
    assert (found["file"], found["label"], found["overlay"]) == ("sub/x", "Y", "sub/x.cam.png")
    assert (found["input_sha256"], found["input_bytes"]) == (sha256(b"Yray"), 4)
    assert (tmp_path / "out" / "processed" / "sub" / "x").read_bytes() == b"Yray"
    assert read(tmp_path / "out", "rejected/y.json")["error"] == "A good file is required. Got: a bad one."
    assert {(outcome.file, outcome.state) for outcome in watcher.done} == {
        ("x", "answered"), ("sub/x", "answered"), ("y", "rejected"),
    }  # fmt: skip


def test_a_model_that_cannot_compute_rejects_no_file(make_watcher, tmp_path):
    def broken(content):
        raise ModelError("A network that can be computed is required. Got: a damaged one.")

    put(tmp_path / "in", x=b"Xray")
    with pytest.raises(ModelError, match="Got: a damaged one"):
        make_watcher(broken).run(threading.Event())
    assert tree(tmp_path / "in") - {".freezenet-outbox"} == {"x"}
    assert make_watcher().process_once() == 1
    assert read(tmp_path / "out", "x.json")["label"] == "X"


def test_the_same_file_delivered_twice_has_one_result(make_watcher, tmp_path):
    for _ in range(2):
        put(tmp_path / "in", x=b"Xray", y=b"bad")
        watcher = make_watcher()
        assert watcher.process_once() == 2
    assert watcher.classifier.seen == []
    assert tree(tmp_path / "in") == {".freezenet-outbox"}
    assert {name for name in tree(tmp_path / "out") if not name.startswith(".")} == {
        "x.json", "processed/x", "rejected/y", "rejected/y.json",
    }  # fmt: skip


def test_another_content_of_the_same_name_has_a_result_of_its_own(make_watcher, tmp_path):
    watcher = make_watcher()
    for content in (b"1", b"2"):
        put(tmp_path / "in", x=content)
        watcher.process_once()
    second = f"x-{sha256(b'2')[:12]}"
    assert read(tmp_path / "out", "x.json")["label"] == "1"
    assert read(tmp_path / "out", f"{second}.json")["label"] == "2"
    assert read(tmp_path / "out", f"{second}.json")["file"] == "x"
    assert (tmp_path / "out" / "processed" / second).read_bytes() == b"2"


def test_a_file_replaced_while_it_is_answered_gets_two_results(make_watcher, tmp_path):
    def replaced(content):
        if content == b"old":
            put(tmp_path / "in", **{".new": b"new"})
            os.replace(tmp_path / "in" / ".new", tmp_path / "in" / "x")

    put(tmp_path / "in", x=b"old")
    watcher = make_watcher(replaced)
    for _ in range(4):
        watcher.process_once()
    assert tree(tmp_path / "in") == {".freezenet-outbox"}
    labels = {read(tmp_path / "out", path.name)["label"] for path in (tmp_path / "out").glob("*.json")}
    assert labels == {"o", "n"}
    assert [path.read_bytes() for path in (tmp_path / "out" / "processed").iterdir()] == [b"new"]


def test_a_file_that_is_to_blame_stops_no_other(make_watcher, tmp_path):
    def hook(content):
        if content == b"odd":
            raise ValueError("odd")

    put(tmp_path / "in", a=b"odd", b=b"fine")
    assert make_watcher(hook).process_once() == 2
    assert "ValueError: odd" in read(tmp_path / "out", "rejected/a.json")["error"]
    assert (tmp_path / "out" / "b.json").exists()


@pytest.mark.parametrize("outbox", ["in", "in/out", "."])
def test_folders_that_overlap_are_refused(make_watcher, tmp_path, outbox):
    watcher = make_watcher()
    with pytest.raises(FreezenetError, match="of which neither lies in the other"):
        Watcher(watcher.classifier, tmp_path / "in", tmp_path / outbox)


# ---- kills


def in_a_child(work) -> int:
    """Run `work` in a fork that ends without any clean-up; return its exit code."""
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die_at(number: int) -> None:
    """End this process at its change `number` of a disk: even numbers before, odd ones after it."""
    count = 0

    def counted(function):
        def change(*arguments, **options):
            nonlocal count
            if count == number:
                os._exit(9)
            result = function(*arguments, **options)
            if count + 1 == number:
                os._exit(9)
            count += 2
            return result

        return change

    for name in CHANGES:
        setattr(os, name, counted(getattr(os, name)))
    write_bytes = Path.write_bytes

    def write_in_halves(self, data):
        counted(lambda: write_bytes(self, data[: len(data) // 2]))()
        return write_bytes(self, data)

    Path.write_bytes = write_in_halves


@pytest.mark.parametrize(
    ("across", "again"),
    [(False, False), (True, False), (True, True)],
    ids=["one file system", "two file systems", "delivered twice"],
)
def test_a_kill_at_every_single_step_leaves_exactly_one_result(make_watcher, tmp_path, monkeypatch, across, again):
    """Every change of the disk is once the last of the process: each file still gets one result and is filed once."""
    # The order of the changes is at stake here, not the speed of the disk.
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    if across:
        rename = os.rename

        def refuse(source, target):
            if (tmp_path / "in" in Path(source).parents) != (tmp_path / "in" in Path(target).parents):
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
            rename(source, target)

        monkeypatch.setattr(os, "rename", refuse)
    delivered = tmp_path / "delivered"
    deliver = lambda path, answer, name: delivered.open("a").write(f"{answer['input_sha256']}\n")  # noqa: E731
    steps = 0
    while True:
        shutil.rmtree(tmp_path / "in")
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        (tmp_path / ".out.freezenet-mark").unlink(missing_ok=True)
        delivered.unlink(missing_ok=True)
        (tmp_path / "in").mkdir()
        put(tmp_path / "in", x=b"Xray", y=b"bad one")
        watcher = make_watcher(overlay=True, deliver=deliver)
        if again:
            watcher.process_once()
            put(tmp_path / "in", x=b"Xray", y=b"bad one")

        def killed(watcher=watcher, number=steps):
            die_at(number)
            watcher.process_once()

        code = in_a_child(killed)
        watcher = make_watcher(overlay=True, deliver=deliver)
        for _ in range(3):
            watcher.process_once()
        watcher.close()
        assert tree(tmp_path / "in") == {".freezenet-outbox"}, steps
        assert tree(tmp_path / "out") == {
            ".freezenet-watch/lock", ".freezenet-watch/mark", "x.json", "x.cam.png", "processed/x", "rejected/y",
            "rejected/y.json",
        }, steps  # fmt: skip
        assert read(tmp_path / "out", "x.json")["input_sha256"] == sha256(b"Xray")
        assert (tmp_path / "out" / "processed" / "x").read_bytes() == b"Xray"
        assert (tmp_path / "out" / "rejected" / "y").read_bytes() == b"bad one"
        assert set(delivered.read_text().split()) == {sha256(b"Xray")}
        assert not again or len(delivered.read_text().split()) == 1
        if code == 0:
            break
        assert code == 9
        steps += 1
    assert steps > (20 if again else 60)


def ends(make_watcher, hook) -> list[int]:
    """Start again and again until the process outlives it; return the exit codes."""
    codes = [1]
    while codes[-1]:
        watcher = make_watcher(hook)
        codes.append(in_a_child(lambda watcher=watcher: watcher.process_once()))
    return codes[1:]


def test_a_file_that_ends_the_process_is_rejected(make_watcher, tmp_path, monkeypatch):
    """It ends the watcher once, then two processes of its own."""
    monkeypatch.setattr(examine, "survives", lambda *given: False)
    put(tmp_path / "in", a=b"poison", b=b"fine")
    assert ends(make_watcher, lambda content: content == b"poison" and os._exit(11)) == [11, 0]
    assert [path.name for path in sorted((tmp_path / "out").glob("*.json"))] == ["b.json"]
    assert "the process ended three times while reading this file" in read(tmp_path / "out", "rejected/a.json")["error"]
    assert (tmp_path / "out" / "rejected" / "a").read_bytes() == b"poison"
    assert (tmp_path / "out" / "b.json").exists()


def test_a_file_at_which_the_watcher_was_killed_by_chance_is_answered(make_watcher, tmp_path):
    put(tmp_path / "in", a=b"fine")
    starts = tmp_path / "starts"

    def killed_five_times(content):
        with starts.open("a") as file:
            file.write("x")
        if starts.stat().st_size <= 5:
            os._exit(9)

    assert ends(make_watcher, killed_five_times) == [9] * 5 + [0]
    assert read(tmp_path / "out", "a.json")["label"] == "f"


def test_a_file_that_ends_only_the_watcher_is_rejected_in_the_end(make_watcher, tmp_path):
    put(tmp_path / "in", a=b"poison")
    assert ends(make_watcher, lambda content: os._exit(11)) == [11] * MAX_ATTEMPTS + [0]
    assert "ended ten times" in read(tmp_path / "out", "rejected/a.json")["error"]


def test_a_file_that_may_end_the_process_comes_last(make_watcher, tmp_path):
    put(tmp_path / "in", a=b"poison", b=b"fine")
    watcher = make_watcher(lambda content: content == b"poison" and os._exit(11))
    assert in_a_child(watcher.process_once) == 11
    assert not (tmp_path / "out" / "b.json").exists()
    watcher = make_watcher(lambda content: content == b"poison" and os._exit(11))
    assert in_a_child(watcher.process_once) == 11
    assert (tmp_path / "out" / "b.json").exists()


# ---- delivery


def test_a_failed_delivery_is_made_again_without_a_new_answer(make_watcher, tmp_path, in_background):
    calls = []

    def deliver(path, answer, name):
        calls.append((path.name, path.read_bytes(), answer["label"]))
        if path.name == "a" and len([one for one in calls if one[0] == "a"]) < 2:
            raise ConnectionRefusedError("to PATIENT^NAME")

    put(tmp_path / "in", a=b"1", b=b"2", c=b"3")
    watcher = make_watcher(deliver=deliver)
    in_background(watcher)
    until(lambda: len(watcher.done) == 3)
    assert [outcome.file for outcome in watcher.done] == ["b", "c", "a"]
    assert calls == [("a", b"1", "1"), ("b", b"2", "2"), ("c", b"3", "3"), ("a", b"1", "1")]
    assert watcher.classifier.seen == [b"1", b"2", b"3"]
    assert watcher.said == ["An answer cannot be delivered: ConnectionRefusedError. Trying again until it goes."]


def test_what_waits_for_its_delivery_waits_across_a_restart(make_watcher, tmp_path):
    def refuse(path, answer, name):
        raise FreezenetError("A receiver is required.")

    put(tmp_path / "in", a=b"1")
    make_watcher(deliver=refuse).process_once()
    assert (tmp_path / "in" / "a").exists() and (tmp_path / "out" / "a.json").exists()
    delivered = []
    watcher = make_watcher(deliver=lambda path, answer, name: delivered.append(answer))
    assert watcher.process_once() == 1
    assert watcher.classifier.seen == [] and delivered == [read(tmp_path / "out", "a.json")]
    assert not list((tmp_path / "out" / ".freezenet-watch" / "jobs").iterdir())
    # Sent again, it has its answer and was delivered.
    put(tmp_path / "in", a=b"1")
    watcher.process_once()
    assert len(delivered) == 1 and not (tmp_path / "in" / "a").exists()


def test_a_delivery_that_could_not_be_noted_is_not_made_again(make_watcher, tmp_path, monkeypatch):
    delivered = []
    put(tmp_path / "in", a=b"1")
    watcher = make_watcher(deliver=lambda path, answer, name: delivered.append(path))
    monkeypatch.setattr(watcher.outbox, "note_delivered", lambda job: (_ for _ in ()).throw(OSError(errno.ENOSPC, "")))
    with pytest.raises(FolderTrouble):
        watcher.process_once()
    watcher.process_once()
    assert len(delivered) == 1 and tree(tmp_path / "in") == {".freezenet-outbox"}


# ---- troubles


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.ENOTCONN])
def test_a_disk_that_takes_nothing_is_waited_for(make_watcher, tmp_path, monkeypatch, number):
    """Wherever the disk says no, the next look goes on, nothing is left and it counts as no attempt."""
    put(tmp_path / "in", x=b"Xray")
    watcher = make_watcher(overlay=True)
    watcher.process_once()
    fsync, calls, refused = os.fsync, 0, 0

    def full(handle):
        nonlocal calls
        calls += 1
        if calls == refused:
            raise OSError(number, os.strerror(number))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", full)
    for refused in range(1, 30):
        put(tmp_path / "in", **{f"x{refused}": b"Xray %d" % refused})
        calls = 0
        try:
            watcher.process_once()
        except FolderTrouble as error:
            assert os.strerror(number) in str(error) and "x1" not in str(error)
        else:
            break
        for _ in range(2):
            watcher.process_once()
        assert read(tmp_path / "out", f"x{refused}.json")["label"] == "X"
        assert tree(tmp_path / "in") == {".freezenet-outbox"}
        assert not list((tmp_path / "out" / ".freezenet-watch" / "jobs").iterdir())
        assert not list((tmp_path / "out").rglob(".*partial*"))
    # Job, overlay and answer, each with its folder.
    assert refused == 7


def test_a_full_disk_and_its_end(make_watcher, tmp_path, in_background):
    out = tmp_path / "out"
    out.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", out], capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    end = None
    try:
        watcher = make_watcher(overlay=True)
        end = in_background(watcher)
        put(tmp_path / "in", a=bytes(9000))
        until(lambda: len(watcher.done) == 1)
        with suppress(OSError), (out / "ballast").open("wb", 0) as ballast:
            while True:
                ballast.write(bytes(4096))
        for number in range(3):
            put(tmp_path / "in", **{f"b{number}": b"%d" % number + bytes(9000)})
        until(lambda: watcher.said)
        assert "No space left on device" in watcher.said[0]
        assert len(tree(tmp_path / "in")) == 4 and not list(out.rglob(".*partial*"))
        (out / "ballast").unlink()
        until(lambda: len(watcher.done) == 4)
        until(lambda: len(watcher.said) == 2)
        assert watcher.said[1] == "The folders can be used again; going on."
        assert tree(tmp_path / "in") == {".freezenet-outbox"}
        assert {path.name for path in (out / "processed").iterdir()} == {"a", "b0", "b1", "b2"}
    finally:
        if end:
            end()
        subprocess.run(["umount", out], check=True)


@pytest.mark.parametrize("which", ["in", "out"])
def test_a_folder_that_goes_away_and_comes_back(make_watcher, tmp_path, in_background, which):
    watcher = make_watcher()
    put(tmp_path / "in", a=b"1")
    in_background(watcher)
    until(lambda: len(watcher.done) == 1)
    (tmp_path / which).rename(tmp_path / "away")
    put(tmp_path / ("away" if which == "in" else "in"), b=b"2")
    until(lambda: watcher.said)
    time.sleep(0.1)
    assert not (tmp_path / which).exists()
    (tmp_path / "away").rename(tmp_path / which)
    until(lambda: len(watcher.done) == 2)
    until(lambda: len(watcher.said) == 2)
    assert watcher.said[0].endswith("Waiting for it; nothing is lost.")
    assert watcher.said[1] == "The folders can be used again; going on."
    assert (tmp_path / "out" / "b.json").exists()


def test_a_file_that_cannot_be_read_holds_up_no_other_and_is_said_once(make_watcher, tmp_path, monkeypatch):
    put(tmp_path / "in", locked=b"1", fine=b"2")
    open_ = os.open

    def refuse(path, *arguments, **options):
        if str(path).endswith("locked"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return open_(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    watcher = make_watcher()
    for _ in range(3):
        watcher.process_once()
    assert [outcome.file for outcome in watcher.done] == ["fine"]
    assert len(watcher.said) == 1 and "Permission denied" in watcher.said[0] and "locked" not in watcher.said[0]
    monkeypatch.setattr(os, "open", open_)
    later = time.monotonic() + 60
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert watcher.process_once() == 1


def test_a_name_that_the_outbox_cannot_hold_holds_up_no_other(make_watcher, tmp_path, monkeypatch):
    put(tmp_path / "in", **{"a:b": b"1", "c": b"2"})
    replace = os.replace

    def refuse(source, target):
        if ":" in str(target):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    watcher = make_watcher()
    watcher.process_once()
    assert [outcome.file for outcome in watcher.done] == ["c"]
    assert watcher.said == [
        "A file in the inbox cannot be read, answered or moved: Invalid argument. Trying again until it goes."
    ]
    assert not list((tmp_path / "out").rglob(".*partial*"))


def test_running_out_counts_what_stays(make_watcher, tmp_path):
    put(tmp_path / "in", a=b"1", b=b"2")

    def refuse(path, answer, name):
        if path.name == "b":
            raise FreezenetError("no")

    assert make_watcher(settle=0.05, deliver=refuse).run_out(threading.Event()) == 1
    assert make_watcher(settle=0.05).run_out(threading.Event()) == 0
    assert tree(tmp_path / "in") == {".freezenet-outbox"}
