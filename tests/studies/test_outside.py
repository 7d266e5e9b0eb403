"""Figures of a small finished cross-validation, counted again from the predictions of its folds; and the tables of them."""

from __future__ import annotations

import csv

import pytest
from sklearn.metrics import accuracy_score, f1_score

from studies.outside.folds import crossval_figures
from studies.tables.outside_page import section


@pytest.fixture(scope="module")
def found(left_out_crossval):
    return crossval_figures(left_out_crossval / "crossval")


def rows_of(folder) -> list[dict[str, str]]:
    rows = []
    for path in sorted(folder.glob("fold-*/predictions.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            rows += [row for row in csv.DictReader(file) if row["split"] == "test"]
    return rows


def test_the_figures_are_those_of_all_tested_images(found, left_out_crossval):
    rows = rows_of(left_out_crossval / "crossval/mobile-freezenet/seed-0")
    truth, said = zip(*((row["class"], row["answer"]) for row in rows), strict=True)
    one = found["recipes"]["mobile-freezenet"]
    assert one["images"] == len(rows)
    assert one["accuracy"]["value"] == pytest.approx(accuracy_score(truth, said), abs=1e-6)
    assert one["macro_f1"]["value"] == pytest.approx(f1_score(truth, said, average="macro"), abs=1e-6)


def test_each_way_to_choose_a_threshold_answers_half_or_more_and_counts_what_is_wrong(found):
    ways = found["recipes"]["mobile-freezenet"]["abstention"]
    assert list(ways) == [
        "own", "out-of-fold, 0.95", "out-of-fold, 0.8", "out-of-fold, by class, 0.95", "out-of-fold, by class, 0.8",
    ]  # fmt: skip
    assert ways["out-of-fold, 0.8"]["answered"]["value"] >= ways["out-of-fold, 0.95"]["answered"]["value"]
    for one in ways.values():
        assert 0.2 < one["answered"]["low"] <= one["answered"]["value"] <= 1
        assert 0 <= one["wrong"]["value"] <= 1


def test_the_tables_name_sources_classes_and_numbers(found):
    share = {"value": 0.75, "low": 0.5, "high": 0.875}
    rule = {"answered": share, "wrong": share}
    held_out = {
        "one threshold": {"chosen_on": 20, "risk_bound": 0.125, "sureness": 0.8, "inside": rule, "outside": rule}
    }
    everywhere = {"images": 8, "coverage": share, "accuracy_answered": share, "refused": share}
    model = {"everywhere": everywhere, "recall": {"Clear": share}, "held_out": held_out}
    unknown = {"classes": ["Odd"], "images": 4, "as it is": {"answered": share, "as": {"Clear": 3}}}
    shown = section({"crossvals": [found], "models": {"all of it": model}, "other": "other.csv", "unknown": unknown})
    assert "| north | " in shown and "| south | " in shown
    assert "Cannot be tested outside: Focal." in shown
    assert (
        "| all of it | Clear 0.750 [0.500, 0.875] | 0.750 [0.500, 0.875] | 0.250 [0.125, 0.500] | 0.750 [0.500, 0.875] |"
        in shown
    )
    assert "| all of it | one threshold | 20 | 0.125 | 0.8 | 0.750 [0.500, 0.875] |" in shown
    assert "as it is, 0.750 [0.500, 0.875] of the images are answered (Clear 3)" in shown
