"""The cost of operators: as many rows as the file has operators, costs that sum up to the whole, a picture."""

from __future__ import annotations

import json

import cv2
import pytest

from freezenet.benchmarks.devices import profile
from freezenet.benchmarks.devices.profile import operator_profile
from freezenet.convert.float.flatbuffer import read_tree, write_tree
from freezenet.edge_runtime.errors import ModelError
from freezenet.edge_runtime.interpreter import Interpreter


def test_every_operator_has_a_cost_and_they_sum_up(models):
    found = operator_profile(models / "int8.tflite", turns=3)
    listed = [one["op_name"] for one in Interpreter(models / "int8.tflite").operators()]
    own = [name for name in listed if not name.startswith("DELEGATE") and "Delegate" not in name]
    assert [one["operator"] for one in found["operators"]] == own
    assert sum(one["ms"] for one in found["operators"]) == pytest.approx(found["total_ms"], rel=0.01)
    assert sum(one["count"] for one in found["by_operator"].values()) == len(own)
    assert all(one["ms"] >= 0 for one in found["operators"])
    costs = [one["ms"] for one in found["by_operator"].values()]
    assert costs == sorted(costs, reverse=True)


def test_the_verb_draws_it_and_refuses_more_than_one_model(models, command, tmp_path):
    arguments = ("benchmark", models / "int8.tflite", "--runs", 20, "--profile", tmp_path / "profile.png")
    code, out, err = command(*arguments, "--json")
    assert code == 0, err
    assert json.loads(out)[0]["profile"]["operators"][0]["number"] == 1
    assert cv2.imread(str(tmp_path / "profile.png")).shape[1] >= 800
    code, _, err = command(*arguments, models / "float32.tflite")
    assert code == 1 and "One model on this machine is required by --profile" in err


def _without_operators(graph):
    graph.operators = []


def _without_output(graph):
    graph.operators[3].outputs = []


def _two_inputs(graph):
    graph.inputs = [*graph.inputs, graph.inputs[0]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_without_operators, "with no operator"),
        (_without_output, "with one that has none"),
        (_two_inputs, "A network with one input is required by --profile. Got: odd.tflite with 2"),
    ],
)
def test_a_network_that_cannot_be_cut_is_one_sentence(models, tmp_path, change, said):
    tree = read_tree((models / "int8.tflite").read_bytes())
    change(tree.subgraphs[0])
    (tmp_path / "odd.tflite").write_bytes(write_tree(tree))
    with pytest.raises(ModelError, match=said):
        operator_profile(tmp_path / "odd.tflite", turns=1)


def test_copies_that_would_fill_the_memory_are_refused(models, monkeypatch):
    content = (models / "int8.tflite").read_bytes()
    operators = len(read_tree(content).subgraphs[0].operators)
    monkeypatch.setattr(profile, "_MOST_BYTES", len(content) * operators - 1)
    with pytest.raises(
        ModelError, match=f"holds a copy for each operator. Got: int8.tflite, .* with {operators} operators"
    ):
        operator_profile(models / "int8.tflite", turns=1)
