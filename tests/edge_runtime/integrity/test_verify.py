"""Golden vectors hold for what was shipped and not for what was changed."""

from __future__ import annotations

import json
import platform

import pytest

from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.errors import RefusedError
from freezenet.edge_runtime.integrity.verify import FLOAT_TOLERANCE, INTEGER_TOLERANCE, Verification, verify


def first(card: dict) -> dict:
    return card["golden"]["vectors"][0]


def scores_only(card: dict) -> None:
    """Make it a card of an earlier version, which holds no answers: what is changed then is the network's part alone."""
    card["golden"].pop("rule_sha256")
    for vector in card["golden"]["vectors"]:
        vector.pop("answer")


def shift(card: dict, by: float) -> None:
    """Move the best score of one vector up, so that its label stays."""
    scores_only(card)
    scores = first(card)["scores"]
    scores[max(scores, key=scores.get)] += by


def swap(card: dict) -> None:
    scores = first(card)["scores"]
    best, worst = max(scores, key=scores.get), min(scores, key=scores.get)
    scores[best], scores[worst] = scores[worst], scores[best]


def test_every_variant_gives_its_numbers(models):
    files = sorted(models.glob("*.tflite"))
    assert {file.stem for file in files} >= {"float32", "float16", "dynamic", "int8"}
    for file in files:
        result = verify(Classifier(file))
        assert result.passed, result
        assert result.vectors == result.inputs_equal == result.labels_equal > 0
        assert result.largest_difference <= result.tolerance
        assert result.model == file.name
        assert result.runtime == result.recorded_with
        assert result.runtime.endswith(platform.machine())
        assert json.loads(json.dumps(result.to_dict()))["passed"] is True


def test_a_rewritten_archive_alone_changes_nothing(models, with_card):
    assert verify(Classifier(with_card(models / "int8.tflite", lambda card: None))).passed


@pytest.mark.parametrize(("variant", "tolerance"), [("float32", FLOAT_TOLERANCE), ("int8", INTEGER_TOLERANCE)])
def test_a_score_off_by_more_than_the_tolerance_fails(models, with_card, variant, tolerance):
    off = verify(Classifier(with_card(models / f"{variant}.tflite", lambda card: shift(card, 1.5 * tolerance))))
    assert off.tolerance == tolerance
    assert not off.passed
    assert off.largest_difference == pytest.approx(1.5 * tolerance, rel=0.05)
    assert off.labels_equal == off.inputs_equal == off.vectors
    near = verify(Classifier(with_card(models / f"{variant}.tflite", lambda card: shift(card, 0.5 * tolerance))))
    assert near.passed


def test_another_label_fails(models, with_card):
    result = verify(Classifier(with_card(models / "int8.tflite", swap)))
    assert not result.passed
    assert result.labels_equal == result.vectors - 1


def test_another_input_hash_fails(models, with_card):
    def change(card):
        first(card)["pixels_sha256"] = "0" * 64

    result = verify(Classifier(with_card(models / "float32.tflite", change)))
    assert not result.passed
    assert result.inputs_equal == result.vectors - 1
    assert result.labels_equal == result.vectors


def test_other_preprocessing_fails_on_the_scores(models, with_card):
    model = with_card(models / "float32.tflite", lambda card: card["preprocess"].update(std=60.0))
    assert not verify(Classifier(model)).passed


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_fails(models, with_card, score):
    def change(card):
        worst = min(first(card)["scores"], key=first(card)["scores"].get)
        first(card)["scores"][worst] = score

    result = verify(Classifier(with_card(models / "float32.tflite", change)))
    assert not result.passed
    assert result.largest_difference > 1


def test_integers_of_another_runtime_need_only_inputs_and_labels(models, with_card):
    def change(card):
        shift(card, 0.2)
        card["golden"]["runtime"] = "tflite-runtime 2.14.0 armv7l"

    result = verify(Classifier(with_card(models / "int8.tflite", change)))
    assert result.tolerance is None
    assert result.passed

    floats = verify(Classifier(with_card(models / "float32.tflite", change)))
    assert floats.tolerance == FLOAT_TOLERANCE
    assert not floats.passed


@pytest.mark.parametrize("change", [lambda card: card.pop("golden"), lambda card: card["golden"]["vectors"].clear()])
def test_a_model_without_vectors_is_refused(models, with_card, change):
    with pytest.raises(RefusedError, match="golden vectors is required") as caught:
        verify(Classifier(with_card(models / "int8.tflite", change)))
    assert caught.value.exit_code == 3


def test_a_model_without_its_golden_image_is_refused(models, with_card):
    with pytest.raises(RefusedError, match=r"without golden-half\.png"):
        verify(Classifier(with_card(models / "int8.tflite", lambda card: None, leave_out="golden-half.png")))


def test_the_verdict_needs_all_of_it():
    good = {"model": "m", "runtime": "r", "recorded_with": "r", "vectors": 2, "inputs_equal": 2, "labels_equal": 2,
            "largest_difference": 0.001, "tolerance": 0.001}  # fmt: skip
    assert Verification(**good).passed
    for bad in (
        {"inputs_equal": 1},
        {"labels_equal": 1},
        {"largest_difference": 0.0011},
        {"vectors": 0, "inputs_equal": 0, "labels_equal": 0},
    ):
        assert not Verification(**{**good, **bad}).passed
    assert Verification(**{**good, "largest_difference": 0.9, "tolerance": None}).passed


@pytest.mark.parametrize("below", [True, False])
def test_a_golden_answer_of_labels_is_compared_at_the_thresholds(models, with_card, below):
    """The recorded score of one label moves by less than the tolerance, over the threshold or not."""

    def change(card):
        scores_only(card)
        label, score = max(first(card)["scores"].items(), key=lambda one: -abs(one[1] - 0.4))
        card["task"] = "multi-label"
        card["thresholds"] = {label: score + 0.0003}
        first(card)["scores"][label] += 0.0002 if below else 0.0005

    result = verify(Classifier(with_card(models / "float32.tflite", change)))
    assert result.largest_difference <= result.tolerance
    assert result.labels_equal == result.vectors - (not below)
    assert result.passed == below
