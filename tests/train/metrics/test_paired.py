from __future__ import annotations

import numpy as np
import pytest

from freezenet.train.metrics.paired import PairedAnswers

TRUTH = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 2])
BEFORE = np.array([0, 0, 0, 1, 1, 1, 1, 0, 0, 2])  # 7 right
AFTER = np.array([0, 0, 1, 1, 1, 1, 1, 1, 2, 0])  # 6 right
PATIENTS = tuple("aabbccddee")


def paired_classes(truth, before, after, labels, patients):
    """What `to_dict` gives, and beside it the figures that only acceptance asks for."""
    one_hot = np.eye(len(labels), dtype=bool)
    pair = PairedAnswers(one_hot[truth], one_hot[before], one_hot[after], patients)
    recalls = {label: pair.recall(number).to_dict() for number, label in enumerate(labels)}
    return {**pair.to_dict(), "macro_f1": pair.macro_f1().to_dict(), "recall": recalls}


@pytest.fixture(scope="module")
def small():
    return paired_classes(TRUTH, BEFORE, AFTER, ("x", "y", "z"), PATIENTS)


def test_differences_by_hand(small):
    assert small["accuracy"]["value"] == pytest.approx(-0.1)
    # F1 before: x 2*3/(4+5), y 2*3/(5+4), z 1. After: x 2*2/(4+3), y 2*4/(5+6), z 0.
    assert small["macro_f1"]["value"] == pytest.approx((4 / 7 + 8 / 11 + 0) / 3 - (6 / 9 + 6 / 9 + 1) / 3, abs=1e-6)
    assert {label: one["value"] for label, one in small["recall"].items()} == pytest.approx(
        {"x": 2 / 4 - 3 / 4, "y": 4 / 5 - 3 / 5, "z": 0 - 1}
    )


def test_flips_by_hand(small):
    assert small["flipped"] == 4  # images 2, 7, 8, 9
    assert small["only_reference_right"] == 2  # images 2 and 9
    assert small["only_this_right"] == 1  # image 7; image 8 is wrong twice


@pytest.mark.parametrize(("first", "second"), [(2, 1), (0, 0), (9, 1), (0, 6), (5, 5), (30, 14)])
def test_mcnemar_is_that_of_statsmodels(first, second):
    contingency_tables = pytest.importorskip(
        "statsmodels.stats.contingency_tables", reason="statsmodels is the independent implementation"
    )
    truth = np.zeros(first + second + 10, int)
    before, after = truth.copy(), truth.copy()
    after[:first] = 1
    before[first : first + second] = 1
    found = paired_classes(truth, before, after, ("x", "y"), tuple(map(str, range(len(truth)))))
    table = [[10, first], [second, 0]]
    assert found["mcnemar_p"] == pytest.approx(contingency_tables.mcnemar(table, exact=True).pvalue)
    assert (found["only_reference_right"], found["only_this_right"]) == (first, second)


def test_mcnemar_by_hand(small):
    assert small["mcnemar_p"] == pytest.approx(1.0)  # 2 * (1 + 3) / 8
    truth = np.zeros(6, int)
    found = paired_classes(truth, truth, truth + 1, ("x", "y"), tuple("abcdef"))
    assert found["mcnemar_p"] == pytest.approx(2 / 2**6)


def test_nothing_changed():
    found = paired_classes(TRUTH, BEFORE, BEFORE, ("x", "y", "z"), PATIENTS)
    assert found["accuracy"] == found["macro_f1"] == {"value": 0, "low": 0, "high": 0}
    assert (found["flipped"], found["mcnemar_p"]) == (0, 1.0)


def test_the_interval_is_that_of_a_bootstrap_typed_by_hand():
    """2,000 images of 400 patients, so that two independent bootstraps agree closely."""
    rng = np.random.default_rng(5)
    truth, patients = rng.integers(0, 2, 2000), rng.integers(0, 400, 2000)
    before = np.where(rng.random(2000) < 0.9, truth, 1 - truth)
    after = np.where(rng.random(2000) < 0.95, before, 1 - before)
    found = paired_classes(truth, before, after, ("x", "y"), tuple(f"p{number}" for number in patients))["accuracy"]
    gain = (after == truth).astype(float) - (before == truth)
    rows_of = [np.flatnonzero(patients == number) for number in np.unique(patients)]
    count = len(rows_of)
    chosen = [np.concatenate([rows_of[one] for one in rng.integers(0, count, count)]) for _ in range(2000)]
    draws = [gain[rows].mean() for rows in chosen]
    low, high = np.percentile(draws, [2.5, 97.5])
    assert found["low"] == pytest.approx(low, abs=0.002)
    assert found["high"] == pytest.approx(high, abs=0.002)


def test_intervals_hold_their_value(small):
    for figure in (small["accuracy"], small["macro_f1"], *small["recall"].values()):
        assert figure["low"] <= figure["value"] <= figure["high"]


def test_the_sign_test_counts_patients_by_hand():
    """Patient a loses two images, b one, c wins one and loses one, d wins one: worse 2, better 1, so p = (3 + 1) / 8."""
    truth = np.zeros(7, int)
    before = np.array([0, 0, 0, 0, 1, 1, 0])
    after = np.array([1, 1, 1, 1, 0, 0, 0])
    one_hot = np.eye(2, dtype=bool)
    pair = PairedAnswers(one_hot[truth], one_hot[before], one_hot[after], tuple("aabccde"))
    assert pair.worse_by_chance() == pytest.approx(4 / 8)
    assert pair.worse_by_chance(0) == pytest.approx(4 / 8)
    assert pair.worse_by_chance(1) == 1  # no image has the label


def test_what_is_kept_is_a_share_of_what_was():
    """Macro-F1 falls from 1 to 2/3 (each class: 2 of 3 found, 1 wrong answer), so a share of .9 is missed by .2333."""
    truth = np.array([0, 0, 0, 1, 1, 1])
    after = np.array([0, 0, 1, 1, 1, 0])
    one_hot = np.eye(2, dtype=bool)
    pair = PairedAnswers(one_hot[truth], one_hot[truth], one_hot[after], tuple("abcdef"))
    assert pair.macro_f1().value == pytest.approx(2 / 3 - 1)
    assert pair.macro_f1(0.9).value == pytest.approx(2 / 3 - 0.9)
