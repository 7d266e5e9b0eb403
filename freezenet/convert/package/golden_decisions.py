"""Golden decisions: scores and features with the answer that a rule makes of them, without picture and network.

A picture whose scores lie exactly at a threshold cannot be drawn for every network, and what lies near one is answered
otherwise where another kernel rounds. A rule is the same everywhere, so each of these has a rule of its own (the keys of a card that
`DecisionRule.from_dict` reads) and lies at the place where a port that compares or clips otherwise gives another answer. The last
are of the model's own rule: the last score that it answers and the first that it does not, and of a label that is answered from a
probability of its own, the last score with which it is and the first with which it is not.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from freezenet.edge_runtime.card import CardContent, GoldenDecision
from freezenet.edge_runtime.decision import DecisionRule
from freezenet.edge_runtime.integrity.answers import golden_answer
from freezenet.edge_runtime.ood import BothGates, LogisticGate, OneClassGate, ood_to_dict

_LABELS = ["a", "b", "c"]
_ONE_CLASS = ood_to_dict(OneClassGate(np.zeros(1), np.ones((1, 1)), 2.0))
# Two rows of three columns, so that a triangle read in another order is another gate.
_TRIANGLE = ood_to_dict(OneClassGate(np.array([0.5, -1.0, 2.0]), np.array([[2.0, 0.5, -1.0], [0.0, 1.0, 0.25]]), 3.0))
_LOGISTIC = ood_to_dict(LogisticGate(np.array([1.0]), -2.0, 0.5))
_BOTH = ood_to_dict(
    BothGates((OneClassGate(np.zeros(1), np.ones((1, 1)), 2.0), LogisticGate(np.array([1.0]), 0.0, 0.5)))
)


def _rule(
    temperature: float | None = 1.0,
    abstain_below: float = 0.0,
    gate: dict[str, Any] | None = None,
    arithmetic: str = "integer",
    thresholds: dict[str, float] | None = None,
    by_class: dict[str, float] | None = None,
    bias: dict[str, float] | None = None,
    answer_from: dict[str, float] | None = None,
) -> dict[str, Any]:
    confidence: dict[str, Any] = {"abstain_below": abstain_below}
    confidence |= {} if temperature is None else {"temperature": temperature}
    given = {"abstain_below_class": by_class, "bias": bias, "answer_from": answer_from}
    confidence |= {key: value for key, value in given.items() if value is not None}
    task = {"task": "multi-class"} if thresholds is None else {"task": "multi-label", "thresholds": thresholds}
    return {
        "labels": _LABELS,
        "arithmetic": arithmetic,
        **task,
        "confidence": confidence,
        **({} if gate is None else {"gate": gate}),
    }


#: Name, rule, scores, features or None.
_CASES: tuple[tuple[str, dict[str, Any], list[float], list[float] | None], ...] = (
    ("scores as they are without a temperature", _rule(None), [0.5, 0.25, 0.0], None),
    ("a score of 0 of an integer file is 1/512", _rule(2.0), [1.0, 0.0, 0.0], None),
    ("a score of 0 of a float file is 1e-7", _rule(2.0, arithmetic="float"), [1.0, 0.0, 0.0], None),
    ("the temperature sharpens", _rule(0.5), [0.5, 0.25, 0.25], None),
    ("the first of equals", _rule(), [0.25, 0.375, 0.375], None),
    ("as sure as required", _rule(1.0, 0.5), [0.5, 0.25, 0.25], None),
    ("not as sure as required", _rule(1.0, 0.5), [0.49609375, 0.25, 0.25390625], None),
    ("as sure as its class requires", _rule(1.0, 0.375, by_class={"a": 0.25, "b": 0.5}), [0.25, 0.5, 0.25], None),
    ("not as sure as its class requires", _rule(1.0, 0.375, by_class={"b": 0.5}), [0.25, 0.49609375, 0.25390625], None),
    ("surer than its class requires", _rule(1.0, 0.75, by_class={"b": 0.375}), [0.25, 0.5, 0.25], None),
    ("a class without a threshold of its own", _rule(1.0, 0.75, by_class={"b": 0.375}), [0.5, 0.25, 0.25], None),
    ("a bias after the temperature", _rule(2.0, bias={"b": 1.5, "c": -0.5}), [0.5, 0.25, 0.25], None),
    ("answered from its own probability on", _rule(answer_from={"b": 0.25}), [0.5, 0.25, 0.25], None),
    ("not answered below its own probability", _rule(answer_from={"b": 0.75}), [0.125, 0.625, 0.25], None),
    (
        "below its own probability among others",
        _rule(answer_from={"a": 0.75, "b": 0.5, "c": 0.5}),
        [0.625, 0.1875, 0.1875],
        None,
    ),
    (
        "the more probable of two that reach theirs",
        _rule(answer_from={"a": 0.125, "b": 0.25}),
        [0.25, 0.375, 0.375],
        None,
    ),
    (
        "not so sure of a label that reaches its own",
        _rule(1.0, 0.375, answer_from={"b": 0.25}),
        [0.5, 0.25, 0.25],
        None,
    ),
    (
        "as sure as the class that is answered requires",
        _rule(1.0, 0.75, by_class={"b": 0.25}, bias={"c": 0.0}, answer_from={"b": 0.25}),
        [0.5, 0.25, 0.25],
        None,
    ),
    ("as far as allowed", _rule(1.0, 0.5, _ONE_CLASS), [0.5, 0.25, 0.25], [-2.0]),
    ("farther than allowed", _rule(1.0, 0.5, _ONE_CLASS), [0.5, 0.25, 0.25], [2.001]),
    ("refused before uncertain", _rule(1.0, 0.9, _ONE_CLASS), [0.5, 0.25, 0.25], [3.0]),
    ("rows of the triangle", _rule(1.0, 0.0, _TRIANGLE), [0.5, 0.25, 0.25], [1.5, 0.0, 1.0]),
    ("as probable as required", _rule(1.0, 0.0, _LOGISTIC), [0.5, 0.25, 0.25], [2.0]),
    ("one of two gates refuses", _rule(1.0, 0.0, _BOTH), [0.5, 0.25, 0.25], [-1.0]),
    ("labels at their thresholds", _rule(1.0, 0.0, thresholds={"b": 0.25}), [0.5, 0.25, 0.25], None),
    ("no label", _rule(2.0, 0.0, thresholds={}), [0.25, 0.0, 0.25], None),
    ("the least sure label decides", _rule(1.0, 0.75, thresholds={"a": 0.25}), [0.9375, 0.3125, 0.0], None),
)


def golden_decisions(card: CardContent) -> list[GoldenDecision]:
    """Return the decisions for the card of a model, with their answers."""
    return [_decided(*case) for case in _CASES] + _own(card)


def _own(card: CardContent) -> list[GoldenDecision]:
    """Return those at the thresholds of the model's own rule, without OOD gate; none where it has none.

    Where it abstains they are two, at the first label; where abstention goes by class, two at each label that has a threshold of its own;
    and two at each label that is answered from a probability of its own.
    """
    keys = ("labels", "arithmetic", "task", "thresholds", "confidence")
    rule = {key: card[key] for key in keys if key in card}  # type: ignore[literal-required]
    labels, confidence = card["labels"], card.get("confidence", {})
    by_class = confidence.get("abstain_below_class") or {labels[0]: 0.0}
    found: dict[str, GoldenDecision] = {}
    for place, label in enumerate(labels):
        falling = [_own_at(most, rule, place) for most in range(256, -1, -1)]
        pairs = list(itertools.pairwise(falling))
        if label in by_class:
            # Below one half another label is the most probable.
            found |= _first(pairs[:128], "reason", None)
        if label in confidence.get("answer_from", {}):
            found |= _first(pairs, "label", label)
    return list(found.values())


def _own_at(most: int, rule: dict[str, Any], place: int) -> GoldenDecision:
    """Return the decision where the label at a place has most/256 and the next one the rest."""
    labels = rule["labels"]
    scores = [0.0] * len(labels)
    scores[(place + 1) % len(labels)] = (256 - most) / 256
    scores[place] = most / 256  # last, because one label alone is its own next one
    at = f" of {labels[place]}" if place else ""
    return _decided(f"own rule at {most}/256{at}", rule, scores, None)


def _first(
    pairs: Sequence[tuple[GoldenDecision, GoldenDecision]], key: Literal["label", "reason"], value: str | None
) -> dict[str, GoldenDecision]:
    """Return the first pair of decisions of which the first has this in its answer and the second has not, by name; {} where there is none."""
    for pair in pairs:
        if pair[0]["answer"][key] == value and pair[1]["answer"][key] != value:
            return {one["name"]: one for one in pair}
    return {}


def _decided(name: str, rule: dict[str, Any], scores: list[float], features: list[float] | None) -> GoldenDecision:
    made = DecisionRule.from_dict(rule, tuple(rule["labels"]))
    decision = made.decide(np.array(scores), None if features is None else np.array(features))
    return {
        "name": name,
        "rule": rule,
        "scores": scores,
        "features": features,
        "answer": golden_answer(decision, made),
    }
