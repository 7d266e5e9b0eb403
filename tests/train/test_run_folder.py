"""The owner of the file names in RUN: it names what a training leaves, and reads it."""

from __future__ import annotations

import pytest

from freezenet.edge_runtime.errors import DataError
from freezenet.train.run_folder import Manifest, Metrics, RunFolder


def test_every_file_of_a_run_has_its_name_here(deciding_run):
    files = RunFolder(deciding_run.folder)
    named = {files.recipe_file, files.manifest_file, files.splits_file, files.model_file, files.history_file,
             files.predictions_file, files.decision_file, files.metrics_file, files.events}  # fmt: skip
    # A conversion of the run may have added its list of calibration images.
    calibration = set(files.folder.glob(files.calibration_file("*").name))
    found = {path for path in files.folder.iterdir() if path.name != ".freezenet"} - calibration
    assert found == named
    assert not files.negatives_file.exists() and not files.first_run.exists()


def test_a_finished_run_is_read(deciding_run):
    files = RunFolder(deciding_run.folder)
    assert files.finished
    assert set(files.read_manifest()) <= set(Manifest.__annotations__)
    assert set(files.read_metrics()) <= set(Metrics.__annotations__)
    assert files.read_manifest() == deciding_run.manifest
    splits = files.read_splits()
    assert splits == deciding_run.splits
    for split in ("train", "validation", "test"):
        expected = [row["file"] for row in splits if row["split"] == split]
        assert [row["file"] for row in files.read_predictions(split)] == expected


def test_what_is_not_there_is_one_sentence(tmp_path):
    files = RunFolder(tmp_path / "run")
    assert not files.finished
    for read in (files.read_manifest, files.read_metrics, files.read_splits):
        with pytest.raises(DataError, match="A folder written by freezenet"):
            read()
