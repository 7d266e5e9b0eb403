"""Whether the source tells the class, against hand-computed figures."""

from __future__ import annotations

import math

import pytest

from freezenet.train.metrics.sources import source_table


def test_figures_of_a_small_table():
    found = source_table({"sick": {"north": 30, "south": 10}, "well": {"north": 10, "south": 50}})
    assert found.names == ["north", "south"]
    assert found.guess == pytest.approx(80 / 100)
    assert found.majority == pytest.approx(60 / 100)
    # chi2 = n (ad - bc)^2 / (row and column sums) = 100 (30 * 50 - 10 * 10)^2 / (40 * 60 * 40 * 60)
    assert found.cramers_v == pytest.approx(math.sqrt((30 * 50 - 10 * 10) ** 2 / (40 * 60 * 40 * 60)))
    assert found.known
    assert found.predicts


def test_independent_sources_predict_nothing():
    found = source_table({"sick": {"north": 30, "south": 60}, "well": {"north": 10, "south": 20}})
    assert found.cramers_v == pytest.approx(0, abs=1e-9)
    assert found.guess == found.majority
    assert not found.predicts


def test_each_class_from_its_own_source_is_certain():
    found = source_table({"sick": {"north": 30, "south": 0}, "well": {"north": 0, "south": 20}})
    assert found.cramers_v == pytest.approx(1)
    assert found.guess == 1


def test_one_source_has_no_association():
    found = source_table({"sick": {"": 30}, "well": {"": 10}})
    assert found.cramers_v is None
    assert not found.known
    assert not found.predicts
    assert found.to_dict() == {
        "table": {"sick": {"": 30}, "well": {"": 10}},
        "guess": 0.75,
        "majority": 0.75,
        "cramers_v": None,
        "known": False,
        "predicts": False,
    }
