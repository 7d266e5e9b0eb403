"""The decision rule against softmax and sigmoid of scaled logits, and against cards written by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, softmax

from freezenet.edge_runtime.card import ModelCard
from freezenet.edge_runtime.decision import DecisionRule
from freezenet.edge_runtime.errors import FreezenetError, ModelError
from freezenet.edge_runtime.ood import OneClassGate, ood_to_dict

LABELS = ["a", "b", "c"]
LOGITS = np.array([2.0, 0.5, -1.0])


def rule(**content) -> DecisionRule:
    card = {
        "card_version": 1,
        "variant": "float32",
        "labels": LABELS,
        "preprocess": {},
        "arithmetic": "float",
        **content,
    }
    return DecisionRule.from_card(ModelCard.from_dict(card))


def test_without_a_rule_the_scores_are_given_as_they_are():
    scores = np.float32([0.2, 0.7, 0.05])
    found = rule().decide(scores)
    np.testing.assert_array_equal(found.probabilities, scores)
    assert (found.label, found.reason) == ("b", None)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7, 20.0])
def test_the_temperature_divides_the_logits(temperature):
    one = rule(confidence={"temperature": temperature})
    np.testing.assert_allclose(one.probabilities(softmax(LOGITS)), softmax(LOGITS / temperature), rtol=1e-9)
    many = rule(task="multi-label", confidence={"temperature": temperature})
    np.testing.assert_allclose(many.probabilities(expit(LOGITS)), expit(LOGITS / temperature), rtol=1e-9)


def test_a_batch_is_scaled_row_by_row():
    one = rule(confidence={"temperature": 2.0})
    rows = softmax(np.random.default_rng(0).normal(size=(6, 3)), axis=1)
    np.testing.assert_allclose(one.probabilities(rows), [one.probabilities(row) for row in rows])


def test_a_zero_of_integer_scores_means_less_than_half_a_step():
    one = rule(arithmetic="integer", confidence={"temperature": 2.0})
    expected = np.sqrt([1.0, 1 / 512, 1 / 512])
    np.testing.assert_allclose(one.probabilities([1.0, 0.0, 0.0]), expected / expected.sum())


def test_low_confidence_abstains_after_the_scaling():
    scores = softmax(LOGITS)  # .79
    assert rule(confidence={"abstain_below": 0.75}).decide(scores).label == "a"
    scaled = rule(confidence={"temperature": 3.0, "abstain_below": 0.75}).decide(scores)
    assert (scaled.label, scaled.reason) == (None, "uncertain")
    np.testing.assert_allclose(scaled.probabilities, softmax(LOGITS / 3))


def test_each_label_of_a_multi_label_model_has_its_threshold():
    one = rule(task="multi-label", thresholds={"a": 0.9, "c": 0.2})
    assert one.decide(np.array([0.89, 0.5, 0.2])).label == "b;c"
    assert one.decide(np.array([0.95, 0.1, 0.1])).label == "a"
    assert one.decide(np.array([0.1, 0.1, 0.1])).label == ""


def test_a_multi_label_model_is_as_sure_as_its_least_sure_label():
    one = rule(task="multi-label", confidence={"abstain_below": 0.7})
    assert one.decide(np.array([0.95, 0.05, 0.31])).reason == "uncertain"
    assert one.decide(np.array([0.95, 0.05, 0.29])).label == "a"


def test_the_gate_comes_before_the_confidence():
    gate = ood_to_dict(OneClassGate(np.zeros(2), np.eye(2), 5.0))
    one = rule(gate=gate, confidence={"abstain_below": 0.99})
    assert one.decide(softmax(LOGITS), np.array([3.0, 4.1])).reason == "not a chest X-ray"
    assert one.decide(softmax(LOGITS), np.array([3.0, 4.0])).reason == "uncertain"


@pytest.mark.parametrize(
    "content",
    [
        {"task": "regression"},
        {"task": "multi-label", "thresholds": {"d": 0.5}},
        {"task": "multi-label", "thresholds": {"a": 1.5}},
        {"thresholds": [0.5]},
        {"confidence": {"temperature": 0}},
        {"confidence": {"temperature": float("nan")}},
        {"confidence": {"abstain_below": -1}},
        {"confidence": {"abstain_below": "half"}},
        {"confidence": "high"},
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused(content):
    with pytest.raises(FreezenetError, match=r"required.*Got: "):
        rule(**content)


def test_scores_that_are_no_numbers_are_refused():
    with pytest.raises(FreezenetError, match="finite scores is required"):
        rule().decide(np.array([0.5, np.nan, 0.5]))


def test_a_sentence_about_a_card_stays_one():
    with pytest.raises(FreezenetError) as caught:
        rule(confidence={"temperature": "x" * 10_000})
    assert len(str(caught.value)) < 300


def test_the_confidence_of_a_label_is_that_of_what_is_decided_about_it():
    """Answered at .3 by a low threshold, a label is right in three cases of ten."""
    one = rule(task="multi-label", thresholds={"a": 0.2}, confidence={"abstain_below": 0.4})
    assert one.decide(np.array([0.3, 0.1, 0.1])).reason == "uncertain"
    assert one.decide(np.array([0.1, 0.1, 0.1])).label == ""
    np.testing.assert_allclose(
        one.certainties(np.array([0.3, 0.1, 0.8]), np.array([True, False, True])), [0.3, 0.9, 0.8]
    )


@pytest.mark.parametrize("task", ["multi-class", "multi-label"])
def test_a_batch_is_answered_row_by_row(task):
    scores = np.random.default_rng(1).random((20, 3))
    one = rule(task=task, confidence={"temperature": 1.7})
    found = one.answers(scores)
    for row, answer in zip(scores, found, strict=True):
        assert one.decide(row).label == ";".join(np.array(LABELS)[answer])
    assert task == "multi-label" or (found.sum(1) == 1).all()


def test_a_class_may_have_a_threshold_of_its_own():
    card = {"confidence": {"temperature": 1.0, "abstain_below": 0.4, "abstain_below_class": {"b": 0.9}}}
    rule = DecisionRule.from_dict(card, ("a", "b"))
    assert rule.decide(np.array([0.6, 0.4])).label == "a"
    assert rule.decide(np.array([0.2, 0.8])).reason == "uncertain"
    assert rule.decide(np.array([0.05, 0.95])).label == "b"
    probabilities = np.array([[0.6, 0.4], [0.2, 0.8], [0.05, 0.95]])
    assert rule.sure(probabilities, rule.chosen(probabilities)).tolist() == [True, False, True]
    for wrong in ({"c": 0.5}, {"b": 1.5}, {"b": "x"}, [0.5]):
        with pytest.raises(ModelError):
            DecisionRule.from_dict({"confidence": {"abstain_below_class": wrong}}, ("a", "b"))
    with pytest.raises(ModelError):
        DecisionRule.from_dict({"task": "multi-label", **card}, ("a", "b"))


def test_a_bias_multiplies_what_the_temperature_makes():
    """Saerens et al. 2002, equation 2.4: .5, .25, .25 with the second three times as frequent and the third a fifth."""
    card = {"confidence": {"temperature": 1.0, "bias": {"b": np.log(3), "c": np.log(0.2)}}}
    found = DecisionRule.from_dict(card, ("a", "b", "c")).decide(np.array([0.5, 0.25, 0.25]))
    assert found.probabilities == pytest.approx(np.array([0.5, 0.75, 0.05]) / 1.3)
    assert found.label == "b"


def test_a_label_is_answered_from_its_own_probability_on_and_never_below():
    card = {"confidence": {"temperature": 1.0, "answer_from": {"b": 0.25}, "abstain_below_class": {"b": 0.0}}}
    made = DecisionRule.from_dict(card, ("a", "b", "c"))
    assert made.decide(np.array([0.5, 0.25, 0.25])).label == "b"
    assert made.decide(np.array([0.5, 0.24, 0.26])).label == "a"
    high = DecisionRule.from_dict({"confidence": {"temperature": 1.0, "answer_from": {"b": 0.9}}}, ("a", "b", "c"))
    assert high.decide(np.array([0.1, 0.8, 0.1])).label == "a"
    every = {"confidence": {"temperature": 1.0, "answer_from": {"a": 0.9, "b": 0.3, "c": 0.2}}}
    assert DecisionRule.from_dict(every, ("a", "b", "c")).decide(np.array([0.4, 0.31, 0.29])).label == "b"
    assert DecisionRule.from_dict(every, ("a", "b", "c")).decide(np.array([0.85, 0.05, 0.1])).label == "a"


@pytest.mark.parametrize(
    "wrong",
    [
        {"confidence": {"bias": {"a": 1.0}}},
        {"confidence": {"temperature": 1.0, "bias": {"z": 1.0}}},
        {"confidence": {"temperature": 1.0, "bias": {"a": float("inf")}}},
        {"confidence": {"temperature": 1.0, "answer_from": {"a": 2.0}}},
        {"confidence": {"temperature": 1.0, "answer_from": {"z": 0.5}}},
        {"task": "multi-label", "confidence": {"temperature": 1.0, "bias": {"a": 1.0}}},
        {"task": "multi-label", "confidence": {"temperature": 1.0, "answer_from": {"a": 0.5}}},
    ],
)
def test_a_bias_that_would_not_be_followed_is_refused(wrong):
    with pytest.raises(ModelError):
        DecisionRule.from_dict(wrong, ("a", "b"))
