"""The watcher under SIGKILL, with fewer files and kills than the benchmark."""

from __future__ import annotations

import json

import pytest

from studies.stress.watch_kills import contents, measure, tally


@pytest.fixture
def images(phantoms):
    return sorted(phantoms.parent.rglob("*.png"))[:5]


def test_each_file_has_exactly_one_result(models, images):
    found = measure(models / "int8.tflite", images, files=60, kills=8, seed=1)
    assert found.passed, found
    # Whether a kill falls into the work on a file is chance here; the watcher's own tests kill at each step.
    assert (found.answered, found.rejected, found.kills) == (58, 2, 8)


def test_the_files_differ_and_some_are_damaged(images):
    made = contents(images, 50)
    assert len(set(made.values())) == 50
    assert len(made["0024.png"]) < images[4].stat().st_size


def test_the_tally_sees_what_is_wrong(models, images, tmp_path):
    """Lost, half-written, foreign and left-over files in a folder made by hand."""
    made = contents(images, 3)
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "0001.png").write_bytes(made["0001.png"])
    (tmp_path / "outbox" / "processed").mkdir(parents=True)
    (tmp_path / "outbox" / "0000.png.json").write_text(json.dumps({"file": "0000.png", "input_sha256": "0"}))
    (tmp_path / "outbox" / "0000-2.png.json").write_text(json.dumps({"file": "0000.png", "input_sha256": "0"}))
    (tmp_path / "outbox" / "0002.png.json").write_text('{"file": ')
    found = tally(models / "int8.tflite", tmp_path, files=made, kills=0, within=0, seconds=0.0)
    assert (found.lost, found.doubled, found.half_written, found.different, found.left_over) == (2, 1, 3, 2, 2)
    assert not found.passed
