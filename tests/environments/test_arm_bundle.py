"""A bundle for a Raspberry Pi, installed as its README says and asked on an emulated one: for its answers, never for its speed."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess

import pytest

from freezenet.benchmarks.devices.bundle import make_bundle
from freezenet.benchmarks.devices.wheels import PYTHONS, Target
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import DeviceError
from studies.clients.aarch64 import Board
from studies.tools import MissingToolError


@pytest.fixture(scope="module")
def board(tools):
    """The emulated machine."""
    try:
        return Board.emulated(tools)
    except MissingToolError as error:
        if os.environ.get("FREEZENET_CI") and os.geteuid() == 0 and shutil.which("apt-get") and error.installable:
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def run_there(board, tmp_path_factory):
    """A function that runs Python of the technician's environment there, after the page's commands."""
    if board.version not in PYTHONS:
        pytest.skip(f"no bundle is made for Python {board.version}")
    home = tmp_path_factory.mktemp("home")
    folder = home / "bundle"
    try:
        make_bundle(folder, Target("aarch64", board.version))
    except DeviceError as error:
        if "FREEZENET_CI" in os.environ:
            raise
        pytest.skip(f"wheels cannot be fetched here: {error}")
    # No index could be reached even if one were asked for.
    surroundings = {"HOME": str(home), "PATH": "/usr/bin:/bin", "PIP_INDEX_URL": "http://127.0.0.1:9/"}

    def run(command):
        done = subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, (command, done.stdout[-1000:], done.stderr[-2000:])
        return done.stdout

    commands = [line.strip() for line in (folder / "README.md").read_text().splitlines() if line.startswith("    ")]
    assert len(commands) == 3
    for line in commands:
        program, *arguments = (word.replace("~", str(home)) for word in shlex.split(line))
        # Its programs are not this machine's.
        is_python = program.rpartition("/")[2].startswith("python")
        there = board.python if program == board.python.name else program
        run(board.command(there, *arguments) if is_python else [program, *arguments])
    environment = home / "freezenet" / "bin"
    return lambda *arguments: run(
        board.command(environment / "python", environment / "freezenet", *map(str, arguments))
    )


@pytest.mark.parametrize("variant", ["int8", "float32"])
def test_it_gives_the_promised_numbers(run_there, models, variant):
    assert "labels equal" in run_there("verify", models / f"{variant}.tflite")


# The scores of an integer file are the same to the last bit; the command prints six digits.
@pytest.mark.parametrize(("variant", "tolerance"), [("int8", 1e-6), ("float32", 1e-4)])
def test_an_image_is_answered_as_here(run_there, models, picture, variant, tolerance):
    model = models / f"{variant}.tflite"
    there = json.loads(run_there("predict", model, picture, "--json").splitlines()[0])
    here = Classifier(model).predict(picture)
    assert there["label"] == here.label
    assert there["probabilities"] == pytest.approx(here.probabilities, abs=tolerance)


def test_doctor_names_the_emulated_machine(run_there):
    assert "aarch64" in run_there("doctor")
