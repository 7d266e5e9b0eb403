"""Golden answers: what is recorded, and what a device that decides otherwise looks like."""

from __future__ import annotations

import json

import numpy as np
import pytest

from freezenet.convert.models import convert
from freezenet.convert.options import ConvertOptions
from freezenet.edge_runtime.card import ModelCard
from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.decision import DecisionRule
from freezenet.edge_runtime.integrity.answers import compare, golden_answer
from freezenet.edge_runtime.integrity.model_file import ModelFile
from freezenet.edge_runtime.integrity.verify import verify
from freezenet.edge_runtime.ood import BothGates, LogisticGate, OneClassGate

GATES = BothGates((OneClassGate(np.zeros(2), np.eye(2), 5.0), LogisticGate(np.ones(2), 0.0, 0.5)))
RULE = DecisionRule(("a", "b"), temperature=2.0, abstain_below=0.6, gate=GATES)
SCORES = np.array([0.9, 0.1])


@pytest.fixture(scope="module")
def deciding(run, tmp_path_factory):
    """MODELS of a run with temperature, abstention and OOD gate."""
    import shutil

    from freezenet.train.run import Run

    folder = tmp_path_factory.mktemp("deciding")
    own = Run.open(shutil.copytree(run.folder, folder / "run"))
    shutil.copyfile(run.folder.parent / own.decision_file.name, own.decision_file)
    options = ConvertOptions(variants=("float32", "int8"), profiles=("edge", "app"), acceptance=False)
    convert(own, folder / "models", options=options)
    return folder / "models"


def test_an_answer_is_recorded_by_hand():
    recorded = golden_answer(RULE.decide(SCORES, np.array([3.0, 1.0])), RULE)
    assert recorded == {
        "label": "a",
        "reason": None,
        # .9^(1/2) : .1^(1/2) = 3 : 1
        "probabilities": {"a": 0.75, "b": 0.25},
        "ood": [{"score": 3.16228, "threshold": 5.0}, {"score": 0.982014, "threshold": 0.5}],
    }
    assert golden_answer(RULE.decide(SCORES, np.array([6.0, 0.0])), RULE)["reason"] == "not a chest X-ray"
    assert golden_answer(RULE.decide(np.array([0.5, 0.5]), np.zeros(2)), RULE)["reason"] == "uncertain"


def test_each_difference_is_seen_in_its_place():
    features = np.array([3.0, 1.0])
    decision = RULE.decide(SCORES, features)
    recorded = golden_answer(decision, RULE)
    same = compare(decision, RULE, recorded, SCORES)
    assert (same.equal, same.ood) == (True, pytest.approx(0, abs=1e-5))
    assert same.probability <= 5e-7
    assert not compare(decision, RULE, {**recorded, "label": "b"}, SCORES).equal
    assert not compare(decision, RULE, {**recorded, "reason": "uncertain"}, SCORES).equal
    assert not compare(decision, RULE, {**recorded, "ood": recorded["ood"][:1]}, SCORES).equal
    off = compare(decision, RULE, {**recorded, "probabilities": {"a": 0.7, "b": 0.3}}, SCORES)
    assert off.probability == pytest.approx(0.05)
    assert compare(decision, RULE, {**recorded, "probabilities": {}}, SCORES).probability > 1
    far = {**recorded, "ood": [{"score": 3.66228, "threshold": 5.0}, recorded["ood"][1]]}
    assert compare(decision, RULE, far, SCORES).ood == pytest.approx(0.1, abs=1e-5)


def test_with_other_kernels_a_label_and_uncertain_are_no_difference_but_another_label_and_the_ood_gate_are():
    label, other, uncertain, refused = (
        golden_answer(RULE.decide(np.array(scores), np.array(features)), RULE)
        for scores, features in (([0.9, 0.1], [0, 0]), ([0.1, 0.9], [0, 0]), ([0.5, 0.5], [0, 0]), ([0.9, 0.1], [9, 0]))
    )
    decision = RULE.decide(SCORES, np.zeros(2))
    found = [
        [compare(decision, RULE, one, SCORES, other_kernels=loose).equal for one in (label, other, uncertain, refused)]
        for loose in (False, True)
    ]
    assert found == [[True, False, False, False], [True, False, True, False]]


def test_every_file_holds_its_own_answers_and_gives_them(deciding):
    for path in deciding.glob("*.tflite"):
        classifier = Classifier(path)
        result = verify(classifier)
        assert result.passed, result
        assert result.answers == result.answers_equal == result.vectors == 9
        assert result.rule_equal is True
        for vector in classifier.card.golden:
            answer = vector["answer"]
            # Through another door: the image file, as a user gives it.
            given = classifier.predict(classifier.file.associated(vector["image"]))
            assert (given.label, given.reason) == (answer["label"], answer["reason"])
            assert given.probabilities == pytest.approx(answer["probabilities"], abs=1e-6)
            assert len(answer["ood"]) == ("app" not in path.stem)


def test_the_card_stays_small(deciding):
    golden = ModelCard.read(deciding / "int8.tflite").content["golden"]
    assert len(json.dumps(golden)) < 16_000


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda card: card["confidence"].update(temperature=card["confidence"]["temperature"] * 1.1), "probability"),
        (lambda card: card["confidence"].update(abstain_below=0.123), "rule"),
        (lambda card: card["gate"].update(threshold=card["gate"]["threshold"] * 1.001), "answers"),
        (lambda card: card.pop("gate"), "answers"),
        (lambda card: card["labels"].reverse(), "labels"),
    ],
)
def test_a_card_that_decides_otherwise_does_not_verify(deciding, with_card, change, said):
    result = verify(Classifier(with_card(deciding / "float32.tflite", change)))
    assert not result.passed
    assert result.largest_difference < 1e-3 or said == "labels"
    assert {
        "probability": result.largest_probability_difference > 1e-3,
        "rule": result.rule_equal is False,
        "answers": result.answers_equal < result.answers,
        "labels": result.labels_equal < result.vectors,
    }[said]


def test_a_file_of_an_earlier_version_is_verified_on_scores_and_says_so(deciding, with_card, command):
    def earlier(card):
        card["golden"].pop("rule_sha256")
        for vector in card["golden"]["vectors"]:
            vector.pop("answer")
        card.pop("network")

    file = with_card(deciding / "int8.tflite", earlier)
    assert verify(Classifier(ModelFile.read(file))).passed
    code, out, _ = command("verify", file)
    assert code == 0
    assert "answers not covered: this file was made before they were recorded" in out
    assert "9 of 9 answers equal" in command("verify", deciding / "int8.tflite")[1]
