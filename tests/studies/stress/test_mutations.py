"""Damaged models: seeded, of every kind, and none that the command does not say a sentence about."""

from __future__ import annotations

import pytest

from freezenet.edge_runtime.integrity.model_file import ModelFile
from studies.stress.mutations.__main__ import table
from studies.stress.mutations.damage import DAMAGES, mutated
from studies.stress.mutations.run import broken, run


def test_a_number_is_the_same_damage_every_time_and_never_none(models):
    whole = (models / "int8.tflite").read_bytes()
    for number in range(4 * len(DAMAGES)):
        kind, data = mutated(whole, 3, number)
        assert kind == list(DAMAGES)[number % len(DAMAGES)]
        assert data != whole
        assert (kind, data) == mutated(whole, 3, number)
    assert mutated(whole, 3, 0) != mutated(whole, 4, 0)


def test_card_damage_keeps_the_network_and_network_damage_takes_the_digest(models, tmp_path):
    import json

    whole = (models / "int8.tflite").read_bytes()
    kinds = list(DAMAGES)
    size = json.loads(ModelFile(tmp_path, whole).associated("card.json"))["network"]["bytes"]
    for turn in range(5):
        _, card = mutated(whole, 0, turn * len(kinds) + kinds.index("card values"))
        assert card[:size] == whole[:size]
        _, earlier = mutated(whole, 0, turn * len(kinds) + kinds.index("network, no digest"))
        assert earlier[:size] != whole[:size]
        assert "network" not in json.loads(ModelFile(tmp_path, earlier).associated("card.json"))


def test_damaged_models_get_a_sentence_and_no_answer_beside_conversion_json(models, phantoms):
    image = next(phantoms.parent.rglob("*.png"))
    result = run(models / "int8.tflite", image, numbers=range(64), seed=7)
    assert result["findings"] == []
    assert result["files"] == 64
    assert all(count["files"] == 8 and count["beside_answered"] == 0 for count in result["kinds"].values())
    assert sum(count["refused"] for count in result["kinds"].values()) > 30
    assert "findings: 0" in table(result)


@pytest.mark.parametrize(
    ("reply", "kept"),
    [
        ({"code": 0, "err": ""}, True),
        ({"code": 3, "err": "Error: A model is required. Got: none.\n"}, True),
        ({"code": 1, "err": "Error: An unexpected failure, KeyError: 'x'; please report it. Got: x.\n"}, False),
        ({"code": 1, "err": "Traceback (most recent call last):\n"}, False),
        ({"code": 1, "err": "Error: A model is required. Got: none.\nError: two.\n"}, False),
        ({"code": 2, "err": ""}, False),
        ({"code": "KeyError: x", "err": ""}, False),
        ({"died": "the process ended with code -11"}, False),
    ],
)
def test_what_counts_as_a_broken_promise(reply, kept):
    assert (broken(reply) is None) == kept
