"""A run that was killed for real, in the cache, in an epoch and at every single write, ends as one that was not."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from freezenet.train.data.phantoms import write_phantoms

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = (
    "image_size=32", "freeze_fraction=.9", "head_epochs=1", "epochs=2", "batch_size=16", "attention_pairs=20",
    "augment_rotation=10", "augment_copies=1", "sampling=inverse-frequency", "schedule=plateau", "schedule_epochs=1",
)  # fmt: skip

# Started once, because importing TensorFlow takes seconds; each run is a fork of it that has not used TensorFlow yet.
# A fork kills itself in the middle of the first write that none before it was killed in: the temporary file is written, but
# has not got its name.
PARENT = """
import json, os, signal, sys
from pathlib import Path
import numpy as np
import freezenet.edge_runtime.files
from freezenet.train.options import TrainingOptions
from freezenet.train.recipes.recipe import load_recipe
from freezenet.train.training import train

data, out, unbroken, settings = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), json.loads(sys.argv[4])
killed = out.with_suffix(".killed")
replace = os.replace

def write_of(temporary, target):
    if target.suffix != ".npz":
        return target.name
    with np.load(temporary) as file:
        return f"{target.name} {len(json.loads(str(file['account']))['history'])}"

def replace_or_die(temporary, target):
    name = write_of(temporary, target)
    if name not in killed.read_text().splitlines():
        with killed.open("a") as file:
            file.write(name + "\\n")
        os.kill(os.getpid(), signal.SIGKILL)
    replace(temporary, target)

def forked(folder, dies):
    child = os.fork()
    if child == 0:
        if dies:
            freezenet.edge_runtime.files.os.replace = replace_or_die
        options = TrainingOptions("none", folder.with_suffix(".cache"))
        train(data, folder, recipe=load_recipe("phantoms", settings), options=options)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

killed.touch()
assert forked(unbroken, False) == 0
codes = [forked(out, True)]
while codes[-1] == -signal.SIGKILL and len(codes) < 50:
    codes.append(forked(out, True))
print(json.dumps(codes))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_phantoms(tmp_path_factory.mktemp("data"), scale=0.12, size=64)


@pytest.fixture(scope="module")
def killed_at_every_write(data, tmp_path_factory) -> tuple[Path, Path, list[str], list[int]]:
    """(folder of the killed run, of the unbroken one, the writes it was killed in, the exit codes)."""
    home = tmp_path_factory.mktemp("runs")
    arguments = [str(data), str(home / "killed"), str(home / "unbroken"), json.dumps(SETTINGS)]
    done = subprocess.run(
        [sys.executable, "-c", PARENT, *arguments], capture_output=True, text=True, cwd=ROOT, timeout=500
    )
    assert done.returncode == 0, done.stderr[-3000:]
    writes = (home / "killed.killed").read_text().splitlines()
    return home / "killed", home / "unbroken", writes, json.loads(done.stdout.splitlines()[-1])


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def assert_equal_runs(one: Path, other: Path) -> None:
    for name in ("splits.csv", "history.csv", "predictions.csv"):
        assert table(one / name) == table(other / name), name
    first, second = (json.loads((folder / "metrics.json").read_text()) for folder in (one, other))
    assert first.pop("seconds").keys() == second.pop("seconds").keys()
    assert first == second
    assert json.loads((one / "decision.json").read_text()) == json.loads((other / "decision.json").read_text())
    names = [sorted(path.name for path in folder.iterdir() if path.name != "events") for folder in (one, other)]
    assert names[0] == names[1]


def test_killed_at_every_write_it_ends_as_an_unbroken_run(killed_at_every_write):
    killed, unbroken, writes, codes = killed_at_every_write
    assert codes == [-signal.SIGKILL] * len(writes) + [0]
    assert_equal_runs(killed, unbroken)


def test_every_kind_of_write_was_among_them(killed_at_every_write):
    _, _, writes, _ = killed_at_every_write
    assert [write for write in writes if write.startswith("checkpoint")] == [
        "checkpoint-head.npz 1", "checkpoint-fine-tuning.npz 1", "checkpoint-fine-tuning.npz 2",
    ]  # fmt: skip
    assert set(writes) >= {
        "features.npy", "splits.csv", "recipe.toml", "run.json", "model.keras", "history.csv", "predictions.csv", "decision.json",
        "metrics.json",
    }  # fmt: skip


def start(data: Path, out: Path) -> subprocess.Popen:
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    command = [sys.executable, "-m", "freezenet", "train", str(data), "--out", str(out), "--recipe", "phantoms",
               "--weights", "none", "--cache", str(out.with_suffix(".cache")), *settings]  # fmt: skip
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def kill_when(process: subprocess.Popen, folder: Path, pattern: str) -> None:
    """SIGKILL as soon as a file appears below the folder."""
    deadline = time.monotonic() + 200
    while not next(folder.glob(pattern), None):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def test_killed_from_outside_in_the_cache_and_in_an_epoch(data, killed_at_every_write, tmp_path):
    out = tmp_path / "out"
    kill_when(start(data, out), tmp_path, "out.cache/*/chunks.jsonl")
    assert not list(out.glob("checkpoint*"))
    kill_when(start(data, out), tmp_path, "out/checkpoint-fine-tuning.npz")
    assert not (out / "model.keras").exists()
    last = start(data, out)
    _, err = last.communicate(timeout=200)
    assert last.returncode == 0, err
    assert_equal_runs(out, killed_at_every_write[1])


def test_killed_while_it_overwrites_it_can_be_overwritten_again(data, killed_at_every_write, tmp_path, monkeypatch):
    """What a kill leaves behind after each single removal is still ours, and does not pass for a finished run."""
    import shutil

    from freezenet.train.files import prepare_output

    class Killed(Exception):
        pass

    finished, unlink = killed_at_every_write[1], Path.unlink
    for survived in range(len(list(finished.iterdir()))):
        out = Path(shutil.copytree(finished, tmp_path / str(survived)))
        left = [survived]

        def removed(path, missing_ok=False, left=left):
            if not left[0]:
                raise Killed
            left[0] -= 1
            unlink(path, missing_ok)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", removed)
            try:
                prepare_output(out, "metrics.json", True)
            except Killed:
                assert survived == 0 or not (out / "metrics.json").exists()
        prepare_output(out, "metrics.json", True)
        assert os.listdir(out) == [".freezenet"]
