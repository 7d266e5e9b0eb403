"""freezenet watch as a person and a service manager use it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from freezenet.edge_runtime.classifier import Classifier

ROOT = Path(__file__).resolve().parents[3]
PATIENT = "DOE^JANE"


@pytest.fixture
def int8(models) -> Path:
    return models / "int8.tflite"


@pytest.fixture
def image(phantoms) -> Path:
    return next(phantoms.parent.rglob("*.png"))


@pytest.fixture
def inbox(image, tmp_path) -> Path:
    """An image and a text file, whose names are a patient's."""
    (tmp_path / "inbox").mkdir()
    shutil.copy(image, tmp_path / "inbox" / f"{PATIENT}.png")
    (tmp_path / "inbox" / f"{PATIENT}.txt").write_text("no image")
    return tmp_path / "inbox"


def test_once_answers_what_is_there(command, int8, inbox, image, tmp_path):
    code, out, err = command("watch", int8, inbox, "--out", tmp_path / "out", "--once", "--settle", 0.05, "--cam")
    assert code == 1
    assert sorted(line.split("\t")[1] for line in out.splitlines()) == ["answered", "rejected"]
    assert PATIENT not in out + err
    answer = json.loads((tmp_path / "out" / f"{PATIENT}.png.json").read_bytes())
    predicted = json.loads(command("predict", int8, image, "--json")[1])
    for key in set(predicted) - {"file", "timings_ms", "trace"}:
        assert answer[key] == predicted[key]
    told = {"service": "watch", "input_sha256": answer["input_sha256"], "time": answer["time"]}
    assert answer["trace"] == {**predicted["trace"], **told}
    assert set(answer) == {*predicted, "overlay", "input_sha256", "input_bytes", "time"}
    assert (tmp_path / "out" / answer["overlay"]).read_bytes() == Classifier(int8).predict(image, overlay=True).overlay
    assert command("watch", int8, inbox, "--out", tmp_path / "out", "--once", "--settle", 0)[0] == 0


def test_json_lines_name_files_only_when_asked(command, int8, inbox, tmp_path):
    given = ("watch", int8, inbox, "--once", "--settle", 0, "--json", "--out", tmp_path / "out")
    lines = [json.loads(line) for line in command(*given)[1].splitlines()]
    assert {line["state"] for line in lines} == {"answered", "rejected"}
    assert all(len(line["input_sha256"]) == 64 and not {"file", "error"} & set(line) for line in lines)
    shutil.move(tmp_path / "out" / "rejected" / f"{PATIENT}.txt", inbox)
    (line,) = [json.loads(line) for line in command(*given, "--names")[1].splitlines()]
    assert line["file"] == f"{PATIENT}.txt" and "cannot be decoded" in line["error"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": "none.tflite"}, "which does not exist"),
        ({"inbox": "none"}, "none: No such file or directory"),
        ({"out": "inbox/out"}, "neither lies in the other"),
    ],
)
def test_one_sentence_for_what_is_wrong(command, int8, inbox, tmp_path, change, said):
    given = {"model": int8, "inbox": inbox, "out": "out", **change}
    paths = [tmp_path / given[key] for key in ("model", "inbox", "out")]
    code, out, err = command("watch", *paths[:2], "--out", paths[2], "--once")
    assert (code, out) == (1, "") and said in err
    assert not (tmp_path / "out").exists() and not (tmp_path / "inbox" / "out").exists()


def test_an_overlay_needs_a_model_that_has_one(command, models, inbox, tmp_path):
    code, _, err = command("watch", models / "int8-app.tflite", inbox, "--out", tmp_path / "out", "--once", "--cam")
    assert code == 1 and "profile edge" in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_service_that_is_told_to_end_ends_well(int8, inbox, tmp_path, number):
    """What systemd sees: ready, alive, status, stopping; exit code 0, and a second watcher is refused meanwhile."""
    given = [sys.executable, "-m", "freezenet", "watch", int8, inbox, "--out", tmp_path / "out", "--settle", "0.1"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        watcher = subprocess.Popen(
            list(map(str, given)), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")},
        )  # fmt: skip
        told = []
        while not (told and told[-1] == b"STATUS=1 answered, 0 abstained, 1 rejected"):
            told.append(manager.recv(1000))
        assert told[0] == b"READY=1\nSTATUS=watching" and b"WATCHDOG=1" in told
        second = subprocess.run(list(map(str, given)), cwd=ROOT, capture_output=True, text=True, check=False)
        assert second.returncode == 1 and second.stderr.splitlines()[-1].startswith(
            "Error: A folder for answers that no other"
        )
        watcher.send_signal(number)
        out, err = watcher.communicate(timeout=20)
        assert watcher.returncode == 0
        assert len(out.splitlines()) == 2 and PATIENT not in out + err and "Traceback" not in err


def test_a_reader_of_stdout_that_goes_away_ends_it_quietly(int8, inbox, tmp_path, image):
    given = [sys.executable, "-m", "freezenet", "watch", int8, inbox, "--out", tmp_path / "out", "--settle", "0"]
    watcher = subprocess.Popen(
        list(map(str, given)), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    watcher.stdout.readline()
    watcher.stdout.close()
    end = time.monotonic() + 20
    while watcher.poll() is None and time.monotonic() < end:
        (inbox / f"{time.monotonic()}.png").write_bytes(image.read_bytes())
        time.sleep(0.3)
    # What click makes of a closed pipe.
    assert watcher.poll() == 1
    assert watcher.stderr.read() == f"Watching {inbox}; answers go to {tmp_path / 'out'}.\n"
    watcher.stderr.close()


#: Names that a terminal cannot print, or that would forge a line or turn it around.
ODD = ["a\nanswered\tforged", "b\x1b[2Jc", "d\u202egnp.e", os.fsdecode(b"f\xff\xfe"), "g\r", "n" * 249 + ".png"]


@pytest.mark.parametrize("names", [True, False])
def test_odd_names_are_answered_and_shown_on_one_line_each(models, phantoms, tmp_path, names):
    (tmp_path / "in").mkdir()
    image = next(phantoms.parent.rglob("*.png")).read_bytes()
    for number, name in enumerate(ODD):
        (tmp_path / "in" / name).write_bytes(image + bytes([number]))
    command = [sys.executable, "-m", "freezenet", "watch", str(models / "int8.tflite"), str(tmp_path / "in"), "--out",
               str(tmp_path / "out"), "--once", "--cam", "--settle", "0", *["--names"] * names]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, check=False, cwd=ROOT, env={**os.environ, "PYTHONIOENCODING": "ascii"}
    )
    assert (done.returncode, len(done.stdout.splitlines())) == (0, len(ODD))
    assert done.stdout.isascii() and b"\x1b" not in done.stdout + done.stderr and b"\r" not in done.stdout
    assert (b"a\\nanswered\\tforged" in done.stdout) == names
    answers = [json.loads(path.read_bytes())["file"] for path in (tmp_path / "out").glob("*.json")]
    assert sorted(answers) == sorted(ODD)
    assert len(list((tmp_path / "out").glob("*.cam.png"))) == len(ODD)
