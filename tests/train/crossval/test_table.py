"""Means, deviations and tests between recipes on made-up folds, against pandas and by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from freezenet.train.crossval.resampled_test import corrected_resampled_test
from freezenet.train.crossval.table import pooled_confidence, summarize, write_picture


def rows(shift: float = 0.02) -> list[dict]:
    rng = np.random.default_rng(0)
    found = []
    for arm, more in (("a", 0.0), ("b", shift), ("c", 0.0)):
        for seed in range(2):
            for fold in range(1, 4):
                value = float(0.8 + 0.01 * fold + more + rng.normal(0, 0.003))
                found.append({
                    "recipe": arm, "seed": seed, "fold": fold, "train_images": 80, "test_images": 20, "accuracy": value,
                    "macro_f1": value - 0.1, "recall Rare": value - 0.2, "recall Many": value, "smallest_class": "Rare",
                    "epochs": 4 + fold,
                })  # fmt: skip
    return found


def test_means_and_deviations():
    found = rows()
    summary = summarize(found)
    values = [row["accuracy"] for row in found if row["recipe"] == "b"]
    assert summary["recipes"]["b"]["accuracy"]["mean"] == pytest.approx(np.mean(values), abs=1e-6)
    assert summary["recipes"]["b"]["accuracy"]["sd"] == pytest.approx(np.std(values, ddof=1), abs=1e-6)
    assert summary["recipes"]["a"]["trainings"] == 6
    assert summary["recipes"]["a"]["epochs"]["mean"] == 6
    assert summary["smallest_class"] == "Rare"
    assert list(summary["comparisons"]) == ["accuracy", "macro_f1", "recall Rare"]


def test_comparisons_pair_the_folds():
    found = rows()
    np.random.default_rng(1).shuffle(found)
    comparisons = summarize(found)["comparisons"]["accuracy"]
    assert len(comparisons) == 3
    one = next(c for c in comparisons if {c["recipe"], c["other"]} == {"a", "b"})
    by = {(r["recipe"], r["seed"], r["fold"]): r["accuracy"] for r in found}
    sign = 1 if one["recipe"] == "a" else -1
    expected = corrected_resampled_test(
        [sign * (by["a", s, f] - by["b", s, f]) for s in range(2) for f in (1, 2, 3)], 0.25
    )
    assert one["difference"]["value"] == pytest.approx(expected.mean, abs=1e-6)
    assert one["p"] == pytest.approx(expected.p, abs=1e-6)
    assert one["folds"] == 6
    assert all(c["p_adjusted"] >= c["p"] for c in comparisons)


def test_only_folds_that_both_have_are_compared():
    found = [row for row in rows() if not (row["recipe"] == "b" and row["seed"] == 1)]
    comparisons = summarize(found)["comparisons"]["accuracy"]
    assert {(c["recipe"], c["other"]): c["folds"] for c in comparisons} == {("a", "b"): 3, ("a", "c"): 6, ("b", "c"): 3}


def test_a_single_recipe_has_nothing_to_compare():
    found = summarize([row for row in rows() if row["recipe"] == "a"])
    assert found["comparisons"] == {"accuracy": [], "macro_f1": [], "recall Rare": []}


def test_picture(tmp_path):
    import cv2

    found = rows()
    write_picture(summarize(found) | {"rows": found, "folds": 5, "seeds": [0]}, tmp_path / "crossval.png")
    image = cv2.imread(str(tmp_path / "crossval.png"))
    assert image.shape[1] > 2 * image.shape[0]
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 20


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
