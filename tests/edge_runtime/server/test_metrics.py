"""Metrics, read by the client library's own parser."""

from __future__ import annotations

import cv2
import numpy as np
from prometheus_client.parser import text_string_to_metric_families

PREDICT = "/v1/predict"


def figures(client) -> dict[tuple, float]:
    text = client.get("/metrics").text
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_everything_is_counted(start, xray):
    client = start().client
    flat = cv2.imencode(".png", np.full((64, 64), 90, np.uint8))[1].tobytes()
    (label,) = {client.post(PREDICT, content=xray).json()["label"] for _ in range(3)}
    client.post(PREDICT, content=flat)
    client.post(PREDICT, content=b"text")
    found = figures(client)
    predict = (("method", "POST"), ("path", PREDICT))
    assert found[("freezenet_requests_total", *predict, ("status", "200"))] == 4
    assert found[("freezenet_requests_total", *predict, ("status", "422"))] == 1
    assert found["freezenet_answers_total", ("label", label)] == 3
    assert found["freezenet_abstentions_total", ("reason", "not a chest X-ray")] == 1
    for stage in ("queue", "decode", "preprocess", "invoke"):
        assert found["freezenet_stage_seconds_count", ("stage", stage)] == 4
    assert found["freezenet_request_seconds_count", ("path", PREDICT)] == 5
    assert (found["freezenet_ready",], found["freezenet_workers",]) == (1, 1)
    assert found["freezenet_queue_length",] == found["freezenet_in_flight",] == found["freezenet_held_bytes",] == 0
    assert found["process_resident_memory_bytes",] > 1e6


def test_the_model_is_named(start, models):
    client = start().client
    identity = client.get("/v1/model").json()
    found = [name for name in figures(client) if name[0] == "freezenet_model_info"]
    assert dict(found[0][1:]) == {
        **{key: identity[key] for key in ("model", "model_sha256", "card_sha256", "runtime")}, "variant": "int8",
    }  # fmt: skip


def test_two_servers_count_apart(start, xray):
    one, other = start(), start()
    one.client.post(PREDICT, content=xray)
    key = ("freezenet_requests_total", ("method", "POST"), ("path", PREDICT), ("status", "200"))
    assert figures(one.client)[key] == 1
    assert key not in figures(other.client)


def test_the_classes_of_a_multi_label_answer_count_apart(start, with_card, models, xray):
    def several(card):
        card.update(task="multi-label", thresholds=dict.fromkeys(card["labels"], 0.0))

    client = start(with_card(models / "int8.tflite", several)).client
    labels = client.post(PREDICT, content=xray).json()["label"].split(";")
    assert len(labels) == 4
    assert [figures(client)["freezenet_answers_total", ("label", label)] for label in labels] == [1, 1, 1, 1]
