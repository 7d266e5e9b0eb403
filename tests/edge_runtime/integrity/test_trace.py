"""The record of an answer against the card, the files and the clock."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta, timezone

import pytest

from freezenet.edge_runtime.classifier import Classifier
from freezenet.edge_runtime.integrity.trace import Tracer


@pytest.fixture
def classifier(models) -> Classifier:
    return Classifier(models / "int8.tflite", trust_tags=False)


def digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def test_a_record_says_who_what_how_and_when(classifier, models):
    before = datetime.now(timezone.utc) - timedelta(seconds=1)
    found = json.loads(json.dumps(Tracer(classifier, "dicom-node WARD3")(input_sha256="12" * 32)))
    assert found["service"] == "dicom-node WARD3"
    assert found["software"].startswith("freezenet ")
    assert found["installation"]
    assert found["model_sha256"] == hashlib.sha256((models / "int8.tflite").read_bytes()).hexdigest()
    assert found["input_sha256"] == "12" * 32
    assert found["rule_sha256"] == digest(found["rule"])
    assert found["rule"]["dicom_tags"] == "ignored"
    told = datetime.fromisoformat(found["time"])
    assert told.utcoffset() == timedelta(0)
    assert before <= told <= datetime.now(timezone.utc)


def test_the_rule_is_the_cards(with_card, models):
    features = int(Classifier(models / "int8.tflite").interpreter.outputs[-1]["shape"][-1])
    gate = {"kind": "logistic", "weights": [0.0] * features, "bias": -9, "threshold": 0.5}

    def change(card):
        card.update(confidence={"temperature": 1.5, "abstain_below": 0.25}, gate=gate)

    rule = Tracer(Classifier(with_card(models / "int8.tflite", change)), "predict")()["rule"]
    assert (rule["task"], rule["temperature"], rule["abstain_below"]) == ("multi-class", 1.5, 0.25)
    assert (rule["thresholds"], rule["abstain_below_class"], rule["dicom_tags"]) == (None, None, "checked")
    assert rule["ood"] == {"kinds": ["logistic"], "thresholds": [0.5], "sha256": digest(gate)}


def test_another_rule_has_another_digest(with_card, models):
    def warmer(card):
        card["confidence"] = {"temperature": 9.0, "abstain_below": 0.0}

    plain, warm = models / "int8.tflite", with_card(models / "int8.tflite", warmer)
    assert Tracer(Classifier(plain), "a")()["rule_sha256"] == Tracer(Classifier(plain), "b")()["rule_sha256"]
    assert Tracer(Classifier(plain), "a")()["rule_sha256"] != Tracer(Classifier(warm), "a")()["rule_sha256"]


def test_a_threshold_of_a_class_is_told(with_card, models):
    def by_class(card):
        card["confidence"] = {"abstain_below": 0.25, "abstain_below_class": {card["labels"][1]: 0.75}}

    classifier = Classifier(with_card(models / "int8.tflite", by_class))
    told = Tracer(classifier, "predict")()["rule"]["abstain_below_class"]
    first, second, *rest = classifier.card.labels
    assert told == {first: 0.25, second: 0.75, **dict.fromkeys(rest, 0.25)}


def test_an_installation_can_be_named(classifier, monkeypatch):
    monkeypatch.setenv("FREEZENET_INSTALLATION", "ward 3")
    assert Tracer(classifier, "watch")()["installation"] == "ward 3"
