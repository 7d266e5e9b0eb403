"""The rule that a run chooses is the one that a device reads, and answers alike."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.metrics import f1_score

from freezenet.edge_runtime.decision import DecisionRule
from freezenet.train.answers.rule import ChosenRule
from freezenet.train.recipes.recipe import Recipe

LABELS = ("a", "b", "c")
MULTI_LABEL = Recipe(task="multi-label", loss="binary-cross-entropy", abstain_risk=0.1)


def drawn(count: int, seed: int):
    """Scores that are twice too sharp, of labels that are there for a half, a fifth and a twentieth of the images."""
    logits = np.random.default_rng(seed).normal([0, -2, -4], 2, (count, 3))
    return expit(2 * logits).astype(np.float32), np.random.default_rng(seed + 1).random((count, 3)) < expit(logits)


@pytest.fixture(scope="module")
def chosen():
    return ChosenRule.fit(MULTI_LABEL, LABELS, *drawn(400, 0))


def test_a_device_reads_the_same_rule_from_the_card(chosen):
    content = json.loads(json.dumps(chosen.to_dict()))
    assert set(content) == {"task", "thresholds", "confidence"}
    rule = DecisionRule.from_dict(content, LABELS)
    np.testing.assert_array_equal(rule.thresholds, chosen.rule.thresholds)
    assert (rule.temperature, rule.abstain_below) == (chosen.rule.temperature, chosen.rule.abstain_below)
    scores, _ = drawn(100, 5)
    np.testing.assert_array_equal(rule.answers(scores), chosen.rule.answers(scores))
    for one in scores[:20]:
        decision = rule.decide(one)
        names = [label for label, there in zip(LABELS, chosen.rule.answers(one), strict=True) if there]
        sure = chosen.rule.certainties(rule.probabilities(one), chosen.rule.answers(one)).min()
        assert decision.label == (";".join(names) if sure >= chosen.rule.abstain_below else None)


def test_thresholds_hold_for_calibrated_probabilities(chosen):
    """No other threshold of a grid gives a better F1 on the images of the choice; the scale is that after the temperature."""
    scores, truth = drawn(400, 0)
    assert chosen.rule.temperature == pytest.approx(2, rel=0.2)
    probabilities = expit(logit(np.clip(scores.astype(float), 1e-7, 1 - 1e-7)) / chosen.rule.temperature)
    for one in range(3):
        best = max(f1_score(truth[:, one], probabilities[:, one] >= t) for t in np.linspace(0.01, 0.99, 99))
        answer = probabilities[:, one] >= chosen.rule.thresholds[one]
        assert f1_score(truth[:, one], answer) >= best - 1e-9


def test_at_most_the_risk_is_wrong_among_what_is_answered(chosen):
    scores, truth = drawn(400, 0)
    probabilities = chosen.rule.probabilities(scores)
    answers = chosen.rule.answers(scores)
    answered = chosen.rule.certainties(probabilities, answers).min(1) >= chosen.rule.abstain_below
    wrong = (answers != truth).any(1)
    assert wrong[answered].mean() <= max(
        0.1, wrong[np.argsort(-chosen.rule.certainties(probabilities, answers).min(1))[:200]].mean()
    )
    assert answered.mean() >= 0.5


def test_the_figures_at_half_are_those_without_thresholds(chosen):
    scores, truth = drawn(200, 7)
    found = chosen.figures(scores, truth, [str(n) for n in range(200)])
    assert found["thresholds"] == dict(zip(LABELS, chosen.rule.thresholds.tolist(), strict=True))
    # A temperature moves nothing over one half.
    expected = f1_score(truth, scores >= 0.5, average="macro", zero_division=0)
    assert found["at_half"]["macro_f1"]["value"] == pytest.approx(expected, abs=1e-6)


def test_a_multi_class_run_has_no_thresholds():
    rng = np.random.default_rng(0)
    scores = rng.dirichlet([1, 1, 1], 60)
    found = ChosenRule.fit(Recipe(), LABELS, scores, np.eye(3, dtype=bool)[rng.integers(0, 3, 60)])
    assert set(found.to_dict()) == {"task", "confidence"}
    assert found.figures(scores, scores > 0.5, ["p"] * 60) == {}
    np.testing.assert_array_equal(found.rule.answers(scores).argmax(1), scores.argmax(1))


def test_the_metric_of_the_recipe_decides():
    scores, truth = drawn(300, 11)
    other = ChosenRule.fit(MULTI_LABEL.with_settings({"threshold_metric": "matthews"}), LABELS, scores, truth)
    assert other.thresholds != ChosenRule.fit(MULTI_LABEL, LABELS, scores, truth).thresholds
