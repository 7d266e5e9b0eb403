"""The study of the verdict, small: its worlds are what they say, and its figures can fail."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, recall_score

from studies.verdict import Scenario, scenarios, simulate, summary, table


def test_the_true_differences_are_those_of_very_many_images():
    one = Scenario("interval", (60_000, 30_000, 10_000), (0.05, 0.02, 0.0), (0.01, 0.04, 0.03), together=2, alike=0.5)
    before, after = (answers.argmax(1) for answers in one.draw(np.random.default_rng(0)))
    real = one.differences()
    f1 = [f1_score(one.truth, answers, average="macro") for answers in (before, after)]
    assert f1[1] - f1[0] == pytest.approx(real["macro-F1"], abs=0.004)
    recalls = [recall_score(one.truth, answers, average=None) for answers in (before, after)]
    assert recalls[1] - recalls[0] == pytest.approx([real[f"recall of {n}"] for n in range(3)], abs=0.006)
    assert len(np.unique(one.patients)) == 50_000


def test_worlds_at_the_margin_lose_it_exactly():
    for one in scenarios():
        if one.name != "margin":
            continue
        real = one.differences()
        least = min(value for name, value in real.items() if name != "macro-F1")
        assert real["macro-F1"] == pytest.approx(-one.macro_f1) or least == pytest.approx(-one.recall)


def test_a_small_simulation_covers_and_says_what_is_true():
    one = Scenario("margin", (300, 300), (0.05, 0.0), (0.03, 0.01), macro_f1=0.5)
    row = simulate(one, repeats=40, draws=300, seed=0)
    assert row["not_worse"] <= 0.1
    assert min(row["coverage"].values()) > 0.8
    better = simulate(Scenario("margin", (900, 900), (0.0, 0.0), (0.02, 0.02)), repeats=5, draws=300, seed=0)
    assert better["not_worse"] == 1
    lost = simulate(Scenario("margin", (900, 900), (0.1, 0.1), (0.0, 0.0)), repeats=5, draws=300, seed=0)
    assert (lost["not_worse"], lost["worse"]) == (0, 1)
    found = summary([row, better, lost])
    assert (found["false_not_worse"], found["false_worse"]) == (1, 1)
    assert table({"rows": [row]})[0][:2] == ["margin", "300 + 300"]
