"""The cost of operators: as many rows as the file has operators, costs that sum up to the whole, a picture."""

from __future__ import annotations

import json

import cv2
import pytest

from freezenet.benchmarks.devices import profile
from freezenet.benchmarks.devices.profile import CutNetwork, operator_profile
from freezenet.convert.float.flatbuffer import read_tree, write_tree
from freezenet.edge_runtime.errors import ModelError
from freezenet.edge_runtime.interpreter import Interpreter


def test_every_operator_has_a_cost_and_they_sum_up(models):
    found = operator_profile(CutNetwork.read(models / "int8.tflite"), turns=3)
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
    assert code == 1 and "One model is required by --profile. Got: 2" in err


def _open(graph, *sides):
    tensor = graph.tensors[graph.inputs[0]]
    tensor.shapeSignature = [-1 if side in sides else int(length) for side, length in enumerate(tensor.shape)]
    tensor.shape = [1 if side in sides else int(length) for side, length in enumerate(tensor.shape)]


def test_an_open_batch_is_one_and_an_open_size_is_asked_for(models, tmp_path):
    """A file that leaves sides open is cut into the same operators, for the same size, as the one that does not."""
    whole = CutNetwork.read(models / "float32.tflite")
    for name, sides in (("batch", (0,)), ("size", (0, 1, 2))):
        tree = read_tree((models / "float32.tflite").read_bytes())
        _open(tree.subgraphs[0], *sides)
        (tmp_path / f"{name}.tflite").write_bytes(write_tree(tree))
    batch = CutNetwork.read(tmp_path / "batch.tflite")
    assert batch.shape == whole.shape and batch.shape[0] == 1
    found = operator_profile(batch, turns=1)
    assert [one["operator"] for one in found["operators"]] == [one["operator"] for one in whole.operators]
    with pytest.raises(ModelError, match=r"leaves it open \(\? x \? x \? x 3\); pass --input-size HxW"):
        CutNetwork.read(tmp_path / "size.tflite")
    assert CutNetwork.read(tmp_path / "size.tflite", whole.shape[1:3]).shape == whole.shape


def test_what_cannot_be_profiled_or_drawn_is_said_before_anything_is_measured(models, command, tmp_path, monkeypatch):
    monkeypatch.setattr("freezenet.benchmarks.latency.benchmark", lambda *arguments, **others: pytest.fail("measured"))
    int8 = models / "int8.tflite"
    for option in ("--picture", "--profile"):
        for name, said in (
            ("a.xyz", "ends in .png, .svg or .pdf is required. Got: "),
            ("a", "ends in .png, .svg or .pdf is required. Got: "),
            ("missing/a.png", "A file in a folder that exists is required. Got: "),
        ):
            code, out, err = command("benchmark", int8, option, tmp_path / name)
            assert (code, out) == (1, "") and f"{said}{tmp_path / name}" in err
    tree = read_tree(int8.read_bytes())
    _two_inputs(tree.subgraphs[0])
    (tmp_path / "odd.tflite").write_bytes(write_tree(tree))
    code, _, err = command("benchmark", tmp_path / "odd.tflite", "--profile", tmp_path / "a.png")
    assert code == 1 and "A network with one input is required by --profile" in err


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
        CutNetwork.read(tmp_path / "odd.tflite")


def test_copies_that_would_fill_the_memory_are_refused(models, monkeypatch):
    content = (models / "int8.tflite").read_bytes()
    operators = len(read_tree(content).subgraphs[0].operators)
    monkeypatch.setattr(profile, "_MOST_BYTES", len(content) * operators - 1)
    with pytest.raises(
        ModelError, match=f"holds a copy for each operator. Got: int8.tflite, .* with {operators} operators"
    ):
        CutNetwork.read(models / "int8.tflite")
