"""Temperature and abstention on scores whose true calibration is known, and against counts by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, softmax

from freezenet.edge_runtime.decision import DecisionRule
from freezenet.train.answers.confidence import Confidence, abstention_threshold, best_temperature
from freezenet.train.answers.elsewhere import ElsewhereAnswers
from freezenet.train.answers.risk import Risk

#: Of a multi-class model, and of a multi-label model with three labels.
CLASSES = DecisionRule(("a", "b", "c", "d"))
LABELS = DecisionRule(("a", "b", "c"), thresholds=np.array([0.5, 0.3, 0.8]))


def at(share: float) -> Risk:
    """A risk by the bound that is reached with probability .95."""
    return Risk(share, 0.95)


def sets(classes, count: int = 2) -> np.ndarray:
    """Label sets of class numbers."""
    return np.eye(count, dtype=bool)[classes]


def drawn(count: int, sharpness: float = 1.0, seed: int = 0):
    """Scores and truth where the truth is drawn from softmax(z): scores of sharpness * z are right at T = sharpness."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=2, size=(count, 4))
    chances = softmax(logits, axis=1)
    truth = (chances.cumsum(1) < rng.random(count)[:, None]).sum(1)
    return softmax(sharpness * logits, axis=1), np.eye(4, dtype=bool)[truth]


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_what_was_done_to_the_logits(sharpness):
    assert best_temperature(CLASSES, *drawn(20_000, sharpness)) == pytest.approx(sharpness, rel=0.05)


def test_few_images_without_an_error_do_not_sharpen_without_bound():
    scores = np.full((50, 4), 0.02)
    scores[:, 0] = 0.94
    assert 0.5 < best_temperature(CLASSES, scores, sets(np.zeros(50, int), 4)) < 1


def test_the_threshold_keeps_the_risk_and_answers_as_much_as_it_may():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4], [0.55, 0.45]])
    truth = sets([0, 0, 0, 1, 0])
    assert abstention_threshold(CLASSES, probabilities, truth, at(0.0)) == pytest.approx(0.65)
    # Of five one is wrong, which does not show that a fifth is in general; of the surest three none is.
    assert abstention_threshold(CLASSES, probabilities, truth, at(0.2)) == pytest.approx(0.65)
    assert abstention_threshold(CLASSES, probabilities, truth, at(1.0)) == 0


def test_images_of_equal_confidence_are_answered_together():
    probabilities = np.array([[0.9, 0.1]] * 3 + [[0.6, 0.4]] * 3)
    assert abstention_threshold(CLASSES, probabilities, sets([0, 0, 0, 0, 1, 1]), at(0.0)) == pytest.approx(0.75)


def test_at_least_half_is_answered_however_wrong():
    probabilities = np.column_stack([np.linspace(0.6, 0.99, 20), 1 - np.linspace(0.6, 0.99, 20)])
    threshold = abstention_threshold(CLASSES, probabilities, sets(np.ones(20, int)), at(0.0))
    assert (probabilities.max(1) >= threshold).mean() == 0.5


def test_confidences_that_hardly_differ_keep_their_order():
    """Twenty answers between .4 and .4 + 2e-8, as of a network that has learned nothing; the lower half are wrong."""
    sure = 0.4 + 1e-9 * np.arange(20, 0, -1)
    scores = np.column_stack([sure, 1 - sure - 0.3, np.full(20, 0.3), np.zeros(20)])
    confidence = Confidence.fit(replace(CLASSES, temperature=1.0), scores, sets([0] * 10 + [1] * 10, 4), at(0.0))
    rule = replace(CLASSES, temperature=1.0, abstain_below=confidence.abstain_below)
    answered = rule.probabilities(scores).max(1) >= confidence.abstain_below
    assert answered.tolist() == [True] * 10 + [False] * 10
    assert confidence.risk_reached == 0


@pytest.mark.parametrize(("wrong", "reached"), [(1, 0.0), (15, 0.5)])
def test_the_risk_that_is_reached_is_told(wrong, reached):
    """Twenty answers, the least sure ones wrong: of the surest half, five."""
    scores = np.column_stack([np.linspace(0.99, 0.6, 20), 1 - np.linspace(0.99, 0.6, 20)])
    confidence = Confidence.fit(
        replace(CLASSES, temperature=1.0), scores, sets([0] * (20 - wrong) + [1] * wrong), at(0.02)
    )
    assert (confidence.risk, confidence.risk_reached) == (0.02, reached)


def test_the_risk_holds_on_other_images():
    scores, truth = drawn(4000)
    rule = replace(CLASSES, temperature=best_temperature(CLASSES, scores[:2000], truth[:2000]))
    confidence = Confidence.fit(rule, scores[:2000], truth[:2000], at(0.2))
    assert (confidence.images, confidence.risk, confidence.temperature) == (2000, 0.2, rule.temperature)
    powers = scores[2000:] ** (1 / confidence.temperature)
    answered = powers.max(1) / powers.sum(1) >= confidence.abstain_below
    right = scores[2000:].argmax(1) == truth[2000:].argmax(1)
    assert 0.4 < answered.mean() < 1
    assert right[answered].mean() == pytest.approx(0.8, abs=0.03)
    assert right.mean() < 0.77


def drawn_labels(count: int, sharpness: float = 1.0, seed: int = 0):
    """Scores and truth of three independent labels: scores of sharpness * z are right at T = sharpness."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1, 2, size=(count, 3))
    return expit(sharpness * logits), rng.random((count, 3)) < expit(logits)


@pytest.mark.parametrize("sharpness", [0.5, 3.0])
def test_the_temperature_of_labels_undoes_what_was_done_to_their_logits(sharpness):
    assert best_temperature(LABELS, *drawn_labels(20_000, sharpness)) == pytest.approx(sharpness, rel=0.05)


def test_an_answer_of_labels_is_wrong_where_one_label_is():
    """Confidence .9, .8, .7, .6; the second answer misses a label."""
    rule = replace(LABELS, thresholds=np.full(3, 0.5))
    probabilities = np.array([[0.9, 0.9, 0.05], [0.8, 0.1, 0.1], [0.3, 0.1, 0.1], [0.6, 0.01, 0.99]])
    truth = np.array([[True, True, False], [True, True, False], [False] * 3, [True, False, True]])
    # One of four speaks for a lower risk than one of three.
    assert abstention_threshold(rule, probabilities, truth, at(0.25)) == 0
    # At least half stays answered.
    less = np.array([[True, True, False], [True, True, False], [True, False, False], [False] * 3])
    assert abstention_threshold(rule, probabilities, less, at(0.0)) == pytest.approx(0.75)
    # Here the least sure image is the wrong one.
    truth = np.array([[True, True, False], [True, False, False], [False] * 3, [True, False, False]])
    assert abstention_threshold(rule, probabilities, truth, at(0.0)) == pytest.approx(0.65)


def test_each_class_has_the_threshold_that_its_own_answers_need():
    """Answers of class a are right where they are sure; of class b every fourth sure one is wrong, up to .9."""
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.5, 1, 400)
    said = np.arange(400) % 2
    wrong = (said == 1) & (sure < 0.9) & (np.arange(400) % 8 == 1)
    scores = np.where(said[:, None] == [0, 1], sure[:, None], 1 - sure[:, None])
    truth = np.eye(2, dtype=bool)[said ^ wrong]
    rule = DecisionRule(("a", "b"), temperature=1.0)
    found = Confidence.fit(rule, scores, truth, at(0.01), by_class=True)
    assert found.abstain_below_class is not None
    assert found.abstain_below_class["a"] == 0
    assert 0.7 < found.abstain_below_class["b"] <= 0.91
    assert found.risk_reached == pytest.approx(
        np.mean(wrong[(said == 0) | (sure >= found.abstain_below_class["b"])]), abs=1e-6
    )
    assert Confidence.fit(rule, scores, truth, at(0.01)).abstain_below_class is None


def said(labels: tuple[str, ...], answer: list[int], sure: list[float], wrong: list[bool]):
    """Scores of so sure answers, and a truth that makes them right or wrong."""
    count = len(labels)
    scores = np.full((len(answer), count), 0.0)
    scores[:] = ((1 - np.array(sure)) / (count - 1))[:, None]
    scores[np.arange(len(answer)), answer] = sure
    return scores, np.eye(count, dtype=bool)[(np.array(answer) + np.array(wrong)) % count]


def test_answers_elsewhere_raise_the_thresholds_of_classes_that_could_be_tested_there():
    """Inside all are right. Elsewhere "b" is wrong up to .8; "c" is wrong, too, but no image of c was left out."""
    labels = ("a", "b", "c")
    sure = np.linspace(0.51, 0.99, 200).tolist()
    scores, truth = said(labels, [0, 1, 2, 1] * 50, sure, [False] * 200)
    away = np.linspace(0.55, 0.97, 60)
    there = said(labels, [1, 2] * 30, away.tolist(), [bool(number % 2 or one < 0.8) for number, one in enumerate(away)])
    # A wrong b is an image of c here; as if it were one of a.
    there[1][there[1][:, 2]] = [True, False, False]
    elsewhere = ElsewhereAnswers(*there, np.full(60, "north"), np.arange(60), np.zeros(60, int))
    rule = DecisionRule(labels, temperature=1.0)
    alone = Confidence.fit(rule, scores, truth, at(0.05), by_class=True)
    assert alone.abstain_below_class == {"a": 0, "b": 0, "c": 0}
    found = Confidence.fit(rule, scores, truth, at(0.05), by_class=True, elsewhere=elsewhere)
    assert found.abstain_below_class is not None
    assert found.abstain_below_class["c"] == 0
    half = np.median(scores[1::2].max(1))
    assert found.abstain_below_class["b"] == pytest.approx(min(half, 0.8), abs=0.02)
    assert Confidence.fit(rule, scores, truth, at(0.05), elsewhere=elsewhere).abstain_below_class is None


def test_thresholds_of_classes_keep_the_promise_of_all_answers_together():
    """Of "b" every tenth answer is wrong however sure; the half of it that stays answered would break the promise."""
    labels = ("a", "b")
    answer = np.arange(1000) % 4 // 3
    sure = np.where(answer == 0, np.linspace(0.52, 0.999, 1000), np.linspace(0.5, 0.65, 1000))
    wrong = (answer == 1) & (np.arange(1000) % 40 == 39)
    scores, truth = said(labels, answer.tolist(), sure.tolist(), wrong.tolist())
    found = Confidence.fit(DecisionRule(labels, temperature=1.0), scores, truth, at(0.02), by_class=True)
    assert found.risk_bound <= 0.02
    assert found.abstain_below_class is not None
    assert min(found.abstain_below_class.values()) >= found.abstain_below


@pytest.mark.parametrize("temperature", [0.5, 1.3, 2.0])
@pytest.mark.parametrize("by_class", [False, True])
def test_no_threshold_silences_an_integer_file(temperature, by_class):
    """Float scores come nearer to 1 than 255/256; every answer that an integer file can be surest of is given."""
    sure = 1 - np.geomspace(1e-7, 0.05, 300)
    scores, truth = said(("a", "b", "c"), [0, 1, 2] * 100, sure.tolist(), (sure < 0.9999).tolist())
    rule = DecisionRule(("a", "b", "c"), temperature=temperature)
    found = Confidence.fit(rule, scores, truth, at(0.02), by_class=by_class)
    content = {"arithmetic": "integer", "confidence": {
        "temperature": temperature, "abstain_below": found.abstain_below, "abstain_below_class": found.abstain_below_class,
    }}  # fmt: skip
    device = DecisionRule.from_dict(content, rule.labels)
    for number, label in enumerate(rule.labels):
        assert device.decide(np.eye(3)[number] * 255 / 256).label == label
    tested = DecisionRule(("a", "b"), thresholds=np.array([0.5, 0.5]), temperature=temperature)
    assert 0.9 < tested.surest_of_integers() < 1


def test_less_sureness_answers_more():
    """2,000 answers whose share of wrong ones grows as they get less sure."""
    scores, truth = drawn(2000)
    rule = replace(CLASSES, temperature=1.0)
    sure, less = (Confidence.fit(rule, scores, truth, Risk(0.2, sureness)) for sureness in (0.999, 0.5))
    assert less.abstain_below < sure.abstain_below
    assert sure.risk_reached < less.risk_reached <= 0.2
    assert (sure.risk_sureness, less.risk_sureness) == (0.999, 0.5)
