from __future__ import annotations

import copy
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from freezenet.benchmarks.latency import benchmark
from freezenet.cli import cli
from freezenet.convert.float.flatbuffer import read_tree, write_tree
from freezenet.edge_runtime.errors import DeviceError, FreezenetError
from freezenet.edge_runtime.interpreter import Interpreter

FIELDS = {
    "model", "bytes", "runtime", "threads", "runs", "init_ms", "warmup_first_ms", "avg_ms", "median_ms",
    "min_ms", "p5_ms", "p50_ms", "p95_ms", "p99_ms", "peak_memory_bytes", "model_memory_bytes", "environment",
    "input_shape", "conditions", "notes", "device", "soc", "machine", "max_ms", "p90_ms", "samples_ms", "warmup", "energy_mj",
    "delegates", "conditions_after",
}  # fmt: skip


@pytest.fixture(scope="module")
def result(models):
    return benchmark(models / "int8.tflite", runs=60)


def test_fields(result, models):
    assert set(result) == FIELDS
    assert result["model"] == "int8.tflite"
    assert result["bytes"] == (models / "int8.tflite").stat().st_size
    assert result["runtime"].startswith("ai-edge-litert ")
    assert (result["threads"], result["runs"]) == (1, 60)
    assert result["environment"]["cores"] >= 1
    json.dumps(result, allow_nan=False)


def test_percentiles_are_in_order(result):
    order = [result[key] for key in ("min_ms", "p5_ms", "p50_ms", "p90_ms", "p95_ms", "p99_ms", "max_ms")]
    assert order == sorted(order)
    assert 0 < result["min_ms"] <= result["avg_ms"]
    assert result["median_ms"] == result["p50_ms"]
    assert result["init_ms"] > 0 and result["warmup_first_ms"] > 0


def test_raw_samples_are_kept(result):
    assert len(result["samples_ms"]) == 60
    assert np.percentile(result["samples_ms"], 90) == pytest.approx(result["p90_ms"], rel=1e-3)
    assert (min(result["samples_ms"]), max(result["samples_ms"])) == (result["min_ms"], result["max_ms"])


def test_state_of_the_machine_before_and_after(result):
    assert result["conditions"].keys() == result["conditions_after"].keys()
    assert {"affinity", "busy_cores", "clock_mhz", "temperature_c", "governor", "load_average"} <= result[
        "conditions"
    ].keys()
    assert result["warmup"]["inferences"] >= 30 and "within 3%" in result["warmup"]["rule"]
    assert result["delegates"]["delegate"] == "XNNPACK"
    assert 0 < result["delegates"]["delegated"] <= result["delegates"]["nodes"]
    assert result["delegates"]["delegated"] + sum(result["delegates"]["left"].values()) == result["delegates"]["nodes"]


def test_strict_refuses_a_busy_machine(models):
    """More threads than cores, beside which any work of others is too much."""
    burner = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        with pytest.raises(DeviceError, match=r"An idle machine is required by --strict\. Got: .*; measure when"):
            benchmark(models / "int8.tflite", runs=20, threads=(os.cpu_count() or 1) + 1, strict=True)
    finally:
        burner.kill()
        burner.wait()


def test_peak_memory_is_that_of_a_device_although_the_parent_holds_tensorflow(result):
    assert "tensorflow" in sys.modules  # the fixtures have trained and converted in this process
    assert 10e6 < result["peak_memory_bytes"] < 300e6
    assert result["model_memory_bytes"] < result["peak_memory_bytes"]


def test_memory_of_the_parent_does_not_count(models):
    """The child is measured while the parent holds 1 GB."""
    ballast = bytearray(b"x") * 1_000_000_000
    found = benchmark(models / "float32.tflite", runs=20)
    assert len(ballast) == 1_000_000_000
    assert found["peak_memory_bytes"] < 1e9


def test_a_damaged_model_is_one_sentence(models, tmp_path):
    file = tmp_path / "broken.tflite"
    file.write_bytes(b"\x20\0\0\0TFL3" + bytes(range(256)) * 4)
    with pytest.raises(FreezenetError) as caught:
        benchmark(file, runs=20)
    assert "\n" not in str(caught.value) and "Traceback" not in str(caught.value)
    assert len(str(caught.value)) > 20


@pytest.mark.parametrize("content", [None, b"", b"no model at all"])
def test_no_model_is_one_sentence(tmp_path, content):
    file = tmp_path / "model.tflite"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(FreezenetError, match=r"required.* Got: ") as caught:
        benchmark(file, runs=20)
    assert "\n" not in str(caught.value)


def test_the_verb_measures_each_model(models):
    files = [str(models / f"{name}.tflite") for name in ("float32", "int8")]
    done = CliRunner().invoke(cli, ["benchmark", *files, "--runs", "20", "--json"])
    assert done.exit_code == 0, done.output
    assert [one["model"] for one in json.loads(done.stdout)] == ["float32.tflite", "int8.tflite"]


def test_a_file_that_leaves_its_size_open_is_measured_at_a_stated_size(shared):
    """At 1 x 1, which the interpreter takes for open sides, it would take no time."""
    file = shared / "cases" / "models" / "dynamic-shape.tflite"
    with pytest.raises(FreezenetError, match=r"leaves it open \(1 x \? x \? x 3\); pass --input-size HxW"):
        benchmark(file, runs=20)
    small, large = (benchmark(file, runs=20, input_size=size) for size in ((32, 32), (224, 192)))
    assert (small["input_shape"], large["input_shape"]) == ([1, 32, 32, 3], [1, 224, 192, 3])
    assert 0 < small["min_ms"] < large["min_ms"]
    done = CliRunner().invoke(cli, ["benchmark", str(file), "--runs", "20", "--input-size", "224x192"])
    assert done.exit_code == 0 and "1x224x192x3" in done.stdout


def test_a_size_that_the_network_cannot_take_is_one_sentence(models):
    with pytest.raises(FreezenetError, match="leave the option out"):
        benchmark(models / "int8.tflite", runs=20, input_size=(32, 32))
    for text in ("0x5", "224", "axb", "-1x4"):
        done = CliRunner().invoke(cli, ["benchmark", str(models / "int8.tflite"), f"--input-size={text}"])
        assert done.exit_code == 2 and "224x224" in done.output


def test_more_threads_than_cores_are_said(models, caplog):
    threads = 2 * (os.cpu_count() or 1)
    done = CliRunner().invoke(
        cli, ["benchmark", str(models / "int8.tflite"), "--runs", "20", "--threads", str(threads)]
    )
    assert done.exit_code == 0
    assert any(f"int8.tflite: {threads} threads on " in one for one in caplog.messages)
    assert "load average" in done.stdout and "governor" in done.stdout


def test_figures_have_three_significant_digits(models):
    """However short an inference is."""
    done = CliRunner().invoke(cli, ["benchmark", str(models / "int8.tflite"), "--runs", "20"])
    row = next(line for line in done.stdout.splitlines() if line.startswith("int8.tflite"))
    figures = row.split("\t")[2:-1]
    assert len(figures) == 6
    for one in figures:
        assert len(one.replace(".", "").lstrip("0")) == 3 or float(one) >= 1000


def test_the_verb_refuses_too_few_runs(models):
    done = CliRunner().invoke(cli, ["benchmark", str(models / "int8.tflite"), "--runs", "3"])
    assert done.exit_code == 2


def test_a_further_input_is_named(models, tmp_path):
    tree = read_tree((models / "int8.tflite").read_bytes())
    graph = tree.subgraphs[0]
    age = copy.deepcopy(graph.tensors[graph.inputs[0]])
    age.name, age.shape, age.shapeSignature = b"age", [1, 3], None
    graph.tensors.append(age)
    graph.inputs = [*graph.inputs, len(graph.tensors) - 1]
    (tmp_path / "two.tflite").write_bytes(write_tree(tree))
    found = benchmark(tmp_path / "two.tflite", runs=20)
    kind = np.dtype(Interpreter(models / "int8.tflite").inputs[0]["dtype"])
    assert f"beside the image the network takes age (1 x 3 {kind}), which was given zeros" in found["notes"]
