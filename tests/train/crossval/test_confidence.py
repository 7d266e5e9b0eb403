"""What folds say together, from their files alone."""

from __future__ import annotations

import json

import pytest

from freezenet.train.crossval.confidence import pooled_confidence


def test_one_fold_says_what_its_training_said(deciding_run):
    expected = json.loads((deciding_run.folder / "metrics.json").read_text())["confidence"]["test"]
    found = pooled_confidence([deciding_run.folder])
    assert found.keys() == expected.keys()
    for key, figure in expected.items():
        # predictions.csv holds six digits
        assert found[key] == pytest.approx(figure, abs=1e-4)


def test_every_tested_image_of_every_fold_counts(deciding_run):
    once, twice = (
        pooled_confidence([deciding_run.folder]),
        pooled_confidence([deciding_run.folder, deciding_run.folder]),
    )
    assert twice["images"] == 2 * once["images"]
    for key in ("ece_before", "ece_after", "coverage", "accuracy_answered"):
        assert twice[key]["value"] == pytest.approx(once[key]["value"], abs=1e-6)
    assert twice["ece_if_calibrated"] < once["ece_if_calibrated"]
