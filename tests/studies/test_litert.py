"""The comparison with litert-benchmark, against a stand-in that writes the program's own JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from studies.litert import FIELDS, by_litert, measure
from studies.tools import MissingToolError


def test_the_program_is_asked_and_its_fields_are_ours(tmp_path, monkeypatch):
    program = tmp_path / "litert-benchmark"
    latency = {**dict.fromkeys(FIELDS, 2.0), "num_runs": 100}
    program.write_text(
        f"#!{sys.executable}\nimport json, sys\nassert sys.argv[sys.argv.index('--num_runs') + 1] == '100'\n"
        f"json.dump({{'latency': {latency!r}}}, open(sys.argv[sys.argv.index('--result_json') + 1], 'w'))\n"
    )
    program.chmod(0o755)
    assert by_litert(str(program), Path("int8.tflite")) == latency
    ours = iter([1.9, 2.2, 2.1, 9.0])
    monkeypatch.setattr(
        "freezenet.benchmarks.latency.benchmark",
        lambda model, runs: {
            **dict.fromkeys(FIELDS, 2.1),
            "median_ms": (p50 := next(ours)),
            "p50_ms": p50,
            "runtime": "x",
            "notes": [],
        },
    )
    found = measure([Path("int8.tflite")], str(program), 4)
    (row,) = found["rows"]
    # The last turn was not quiet.
    assert (row["turns"], row["quiet_turns"], row["p5_ratio"]) == (4, 3, 1.05)
    assert row["p50_ratio"] == pytest.approx(1.05) and row["p50_ratios"] == [0.95, 1.1, 1.05]
    assert set(row["ours"]) == set(row["litert_benchmark"]) == set(FIELDS)
    json.dumps(found)


def test_without_the_program():
    with pytest.raises(MissingToolError, match="The program litert-nowhere is required"):
        measure([], "litert-nowhere", 1)
