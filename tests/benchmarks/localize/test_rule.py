"""Rules of clinics whose scores are drawn from a distribution that is known, so that what the rule does to everyone is known too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from freezenet.benchmarks.localize.ranks import rank_for, sensitivity_interval
from freezenet.benchmarks.localize.rule import Labelled, localized_rule, prior_shift
from freezenet.benchmarks.localize.targets import Targets
from freezenet.edge_runtime.decision import DecisionRule
from freezenet.edge_runtime.errors import DataError
from freezenet.train.answers.calibration import Decided, calibration_error

LABELS = ("A", "B", "C")
RULE = DecisionRule(LABELS, temperature=1.0, abstain_below=0.8)


def drawn(shares, images: int, seed: int = 0, *, sharp: float = 1.6) -> Labelled:
    """Features of three normal distributions, and a network that is too sure and was trained on equal classes."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, images, p=shares)
    features = rng.normal(size=(images, 3)) + 2.2 * np.eye(3)[truth]
    scores = softmax(sharp * 2.2 * features, axis=1)
    return Labelled(scores, truth, np.arange(images), np.bincount(truth, minlength=3) / images)


def error(rule: DecisionRule, images: Labelled) -> float:
    truth = images.truth[:, None] == np.arange(3)
    return float(calibration_error(Decided.by(rule, images.scores, truth)))


def test_temperature_and_bias_are_found():
    """Bayes' rule of the drawn clinic: T is the sharpness, and the bias the logarithm of the shares."""
    found = localized_rule(RULE, drawn([0.6, 0.3, 0.1], 20_000), Targets())
    assert found.temperature == pytest.approx(1.6, rel=0.05)
    assert found.bias is not None
    assert found.bias - found.bias[0] == pytest.approx(np.log([1, 0.5, 1 / 6]), abs=0.1)
    assert found.abstain_below == 0.8 and found.answer_from is None


def test_ten_times_rarer_stays_calibrated():
    everyone = drawn([0.04, 0.48, 0.48], 40_000, 1)
    errors = []
    for seed in range(5):
        found = localized_rule(RULE, drawn([0.4, 0.3, 0.3], 150, seed), Targets(prevalence={"A": 0.04}))
        errors.append(error(found, everyone))
    assert np.mean(errors) <= 0.03
    assert error(RULE, everyone) > 0.03


def test_the_sensitivity_of_everyone_lies_inside_the_interval():
    everyone = drawn([0.3, 0.4, 0.3], 20_000, 99)
    ill = everyone.truth == 0
    inside = []
    for seed in range(60):
        images = drawn([0.3, 0.4, 0.3], 150, seed)
        found = localized_rule(RULE, images, Targets.parse(["sensitivity=0.9:A"], LABELS))
        probabilities = found.probabilities(everyone.scores[ill])
        chosen = found.chosen(probabilities)
        assert found.sure(probabilities, chosen)[chosen[:, 0]].all()
        patients = int((images.truth == 0).sum())
        low, high = sensitivity_interval(rank_for(0.9, patients), patients)
        inside.append(low <= chosen[:, 0].mean() <= high)
    assert np.mean(inside) >= 0.9


def test_a_patient_counts_by_the_hardest_image():
    images = drawn([0.3, 0.4, 0.3], 200)
    pairs = Labelled(images.scores, images.truth, np.arange(200) // 2, images.shares)
    targets = Targets.parse(["sensitivity=0.8:A"], LABELS)
    single, paired = localized_rule(RULE, images, targets), localized_rule(RULE, pairs, targets)
    assert single.answer_from is not None and paired.answer_from is not None
    assert paired.answer_from[0] < single.answer_from[0]


def test_the_risk_is_kept_with_one_more_wrong():
    images = drawn([0.3, 0.4, 0.3], 300)
    found = localized_rule(RULE, images, Targets.parse(["risk=0.05"], LABELS))
    probabilities = found.probabilities(images.scores)
    sure = found.sure(probabilities, found.chosen(probabilities))
    wrong = (probabilities.argmax(1) != images.truth) & sure
    assert (wrong.sum() + 1) / (sure.sum() + 1) <= 0.05
    assert sure.mean() > 0.5


@pytest.mark.parametrize(
    ("images", "target", "said"),
    [
        (drawn([0.05, 0.5, 0.45], 60), "sensitivity=0.95:A", r"At least 19 patients with A.*Got: \d; label \d+ more patients, or ask for at most 0\.\d+"),
        (drawn([0.3, 0.4, 0.3], 30), "risk=0.02", r"At least 49 sure and right answers.*Got: 30 answers"),
        (drawn([0, 0.5, 0.5], 60), "prevalence=A:0.1", "Got: none of A"),
        (drawn([0, 0, 1], 60), "risk=0.1", "Images of two classes"),
        (drawn([0.5, 0.5, 0], 60), "prevalence=A:0.3,B:0.5", "Got: 0.2 left for 0%"),
        (drawn([0, 0.5, 0.5], 60), "sensitivity=0.9:A", r"Got: 0; label 9 more patients\.$"),
        (replace(drawn([0.3, 0.4, 0.3], 60), scores=np.eye(3)[(drawn([0.3, 0.4, 0.3], 60).truth + 1) % 3]), "risk=0.2", r"label more images\.$"),
    ],
)  # fmt: skip
def test_too_few_images_give_a_sentence(images, target, said):
    with pytest.raises(DataError, match=said):
        localized_rule(RULE, images, Targets.parse([target], LABELS))


def test_other_priors_by_hand():
    """Saerens et al., equation 2.4: the ratio of the priors; what is not named keeps its proportions."""
    assert prior_shift(LABELS, np.array([0.5, 0.25, 0.25]), {"A": 0.1}) == pytest.approx(np.log([0.2, 1.8, 1.8]))


@pytest.mark.parametrize("own", [None, np.array([0.7, 0.8, 0.6])])
def test_a_sensitivity_of_before_leaves_nothing_behind(own):
    """The rule of a file that was localized for a class is, without that target, the one of a file that was not."""
    images, rule = drawn([0.3, 0.4, 0.3], 200), replace(RULE, class_abstain_below=own)
    once = localized_rule(rule, images, Targets.parse(["sensitivity=0.8:B"], LABELS))
    assert once.class_abstain_below is not None and once.class_abstain_below[1] == 0
    for again in ([], ["sensitivity=0.8:A"], ["risk=0.1"]):
        targets = Targets.parse(again, LABELS)
        found, expected = localized_rule(once, images, targets), localized_rule(rule, images, targets)
        np.testing.assert_array_equal(found.answer_from, expected.answer_from)
        np.testing.assert_array_equal(found.class_abstain_below, expected.class_abstain_below)
