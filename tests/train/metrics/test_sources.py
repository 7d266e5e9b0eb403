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
        "one_source_only": {},
        "elsewhere": "The data names no sources: that answers hold elsewhere is not shown.",
    }


ALONE = "learned from one source alone: answers elsewhere are not shown to hold."


@pytest.mark.parametrize(
    ("table", "only", "sentence"),
    [
        (
            {"sick": {"north": 3, "south": 0}, "well": {"north": 1, "south": 5}},
            {"sick": "north"},
            f"sick was {ALONE}",
        ),
        (
            {"a": {"n": 3, "s": 0}, "b": {"n": 0, "s": 2}, "c": {"n": 0, "s": 9}, "d": {"n": 1, "s": 1}},
            {"a": "n", "b": "s", "c": "s"},
            f"a, b and c were each {ALONE}",
        ),
        ({"sick": {"north": 3}, "well": {"north": 1}}, {"sick": "north", "well": "north"}, f"All classes were {ALONE}"),
        ({"sick": {"north": 3, "south": 1}, "well": {"north": 1, "south": 5}}, {}, ""),
        # A source that nobody knows is not one that could be named.
        (
            {"sick": {"": 3}, "well": {"": 1}},
            {},
            "The data names no sources: that answers hold elsewhere is not shown.",
        ),
        (
            {"sick": {"": 3, "n": 0}, "well": {"": 0, "n": 4}},
            {"well": "n"},
            "The data names one source only, and none for 3 images: that answers hold elsewhere is not shown.",
        ),
        (
            {"sick": {"": 1, "n": 2}, "well": {"": 0, "n": 4}},
            {"well": "n"},
            "The data names one source only, and none for 1 image: that answers hold elsewhere is not shown.",
        ),
        ({"sick": {"": 3, "n": 0, "s": 0}, "well": {"": 0, "n": 4, "s": 2}}, {}, ""),
    ],
)
def test_what_is_said_of_answers_elsewhere(table, only, sentence):
    found = source_table(table)
    assert found.one_source_only == only
    assert found.elsewhere == sentence
    assert (found.to_dict()["one_source_only"], found.to_dict()["elsewhere"]) == (only, sentence)


def test_the_sentence_names_no_source():
    assert "north" not in source_table({"sick": {"north": 3, "south": 0}, "well": {"north": 1, "south": 5}}).elsewhere
