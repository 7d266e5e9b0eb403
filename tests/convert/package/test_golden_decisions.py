from __future__ import annotations

import json

import pytest

from freezenet.convert.package.golden_decisions import golden_decisions
from freezenet.edge_runtime.decision import NOT_CHEST, UNCERTAIN
from freezenet.edge_runtime.integrity.answers import decision_holds

CARD = {"labels": ["x", "y", "z"], "arithmetic": "integer", "confidence": {"temperature": 1.5, "abstain_below": 0.8}}


@pytest.fixture(scope="module")
def decisions():
    return {one["name"]: one for one in golden_decisions(CARD)}


def test_all_kinds_of_answer_and_what_they_take(decisions):
    assert {one["answer"]["reason"] for one in decisions.values()} == {None, UNCERTAIN, NOT_CHEST}
    assert len(json.dumps(list(decisions.values()), separators=(",", ":"))) < 11000
    assert json.loads(json.dumps(decisions)) == decisions


def test_answers_by_hand(decisions):
    # sqrt(1/512) = .0441942; 1 / (1 + 2 * .0441942) = .918790
    floored = decisions["a score of 0 of an integer file is 1/512"]["answer"]["probabilities"]
    assert floored == {"a": 0.91879, "b": 0.040605, "c": 0.040605}
    # f - mean = (1, 1, -1): 2 + .5 + 1 = 3.5 and 1 - .25 = .75; the length is 3.579456.
    (reading,) = decisions["rows of the triangle"]["answer"]["ood"]
    assert reading == {"score": 3.57946, "threshold": 3.0}
    assert decisions["as sure as required"]["answer"]["label"] == "a"
    assert decisions["as far as allowed"]["answer"]["label"] == "a"
    assert decisions["the first of equals"]["answer"]["label"] == "b"
    assert decisions["labels at their thresholds"]["answer"]["label"] == "a;b"
    assert decisions["refused before uncertain"]["answer"]["reason"] == NOT_CHEST


def test_the_own_rule_at_its_threshold(decisions):
    own = [one for name, one in decisions.items() if name.startswith("own rule")]
    assert [one["answer"]["reason"] for one in own] == [None, UNCERTAIN]
    assert own[0]["scores"][0] - own[1]["scores"][0] == 1 / 256
    never = golden_decisions({**CARD, "confidence": {"temperature": 1.5, "abstain_below": 0.0}})
    assert not [one for one in never if one["name"].startswith("own rule")]


def test_each_class_at_its_own_threshold():
    by_class = {"x": 0.9, "z": 0.6}
    confidence = {"temperature": 1.0, "abstain_below": 0.75, "abstain_below_class": by_class}
    own = [one for one in golden_decisions({**CARD, "confidence": confidence}) if one["name"].startswith("own rule")]
    found = [(one["scores"], one["answer"]["label"]) for one in own]
    # .9 * 256 = 230.4 and .6 * 256 = 153.6
    assert found == [
        ([231 / 256, 25 / 256, 0.0], "x"),
        ([230 / 256, 26 / 256, 0.0], None),
        ([102 / 256, 0.0, 154 / 256], "z"),
        ([103 / 256, 0.0, 153 / 256], None),
    ]
    assert all(map(decision_holds, own))


def test_a_label_that_is_answered_from_its_own_probability_on():
    confidence = {"temperature": 1.0, "abstain_below": 0.0, "answer_from": {"y": 0.25}}
    own = [one for one in golden_decisions({**CARD, "confidence": confidence}) if one["name"].startswith("own rule")]
    assert [(one["scores"], one["answer"]["label"]) for one in own] == [
        ([0.0, 65 / 256, 191 / 256], "y"),  # the third score, which is 0, is read as 1/512
        ([0.0, 64 / 256, 192 / 256], "z"),
    ]
    assert all(map(decision_holds, own))


def test_a_rule_with_one_or_two_labels_and_with_sets_of_labels():
    one = golden_decisions({**CARD, "labels": ["x"], "task": "multi-label"})
    assert all(map(decision_holds, one)) and one[-1]["name"].startswith("own rule")
    two = golden_decisions({**CARD, "labels": ["x", "y"]})
    assert all(map(decision_holds, two)) and two[-1]["name"].startswith("own rule")
    sets = golden_decisions({**CARD, "task": "multi-label"})
    assert all(map(decision_holds, sets))


@pytest.mark.parametrize(
    ("key", "value"),
    [("label", "b"), ("reason", UNCERTAIN), ("probabilities", {"a": 0.5, "b": 0.25, "c": 0.2501}), ("ood", [])],
)
def test_another_answer_shows(decisions, key, value):
    one = decisions["as far as allowed"]
    assert decision_holds(one)
    assert not decision_holds({**one, "answer": {**one["answer"], key: value}})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rule", {}), ("rule", {"labels": None}), ("rule", {"labels": ["a"], "gate": {"kind": "x"}}), ("scores", []),
        ("scores", [float("nan")] * 3), ("features", "x"), ("features", [1.0, 2.0]), ("features", {"a": 1}),
    ],
)  # fmt: skip
def test_a_damaged_one_does_not_hold(decisions, key, value):
    assert decision_holds({**decisions["as far as allowed"], key: value}) is False
