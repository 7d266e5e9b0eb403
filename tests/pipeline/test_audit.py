"""The pipeline's audit where the data does not allow one: said, and no reason to lose a training."""

from __future__ import annotations

import csv

from freezenet.pipeline.stages import Options, audited
from freezenet.train.options import TrainingOptions
from freezenet.train.recipes.recipe import load_recipe


def test_data_that_cannot_be_audited_is_said(few_phantoms, tmp_path):
    with few_phantoms.open(newline="") as file:
        rows = list(csv.DictReader(file))[:30]
    table = tmp_path / "one-patient.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "class", "patient_id"))
        for number, row in enumerate(rows):
            writer.writerow((few_phantoms.parent / row["file"], "ab"[number % 2], "ab"[number % 2]))
    found = audited(Options(table, load_recipe("phantoms"), training=TrainingOptions(weights="none")))
    assert list(found) == ["not_audited"]
    assert found["not_audited"].startswith(
        "At least two patients in every class are required for an audit. Got: 1 in a"
    )
