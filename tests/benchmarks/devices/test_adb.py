"""`--adb` against a recorded stand-in for adb: which commands it is given, and what becomes of what benchmark_model prints.

The recording has the wording of real outputs of the program on Android phones; no phone took part in these tests.
"""

from __future__ import annotations

import json
import os
import sys

import pytest

from freezenet.benchmarks.devices.adb import measure_by_adb, parsed
from freezenet.benchmarks.devices.merge import HEADINGS, read_rows, table
from freezenet.edge_runtime.errors import DeviceError, MissingExtraError, SettingError

OUTPUT = """INFO: STARTING!
INFO: Log parameter values verbosely: [0]
INFO: Num threads: [4]
INFO: Loaded model 0.tflite
INFO: Initialized TensorFlow Lite runtime.
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
VERBOSE: Replacing 69 out of 71 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 2 partitions for subgraph 0.
INFO: The input model file size (MB): 2.6
INFO: Initialized session in 12.5ms.
INFO: Running benchmark for at least 10 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
INFO: count=48 first=15200 curr=9900 min=9700 max=15200 avg=10300.5 std=900 p5=9750 median=10100 p95=12000

INFO: Running benchmark for at least 200 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
INFO: count=200 first=9950 curr=9800 min=9600 max=1.35e+04 avg=9912.25 std=240 p5=9650 median=9870 p95=10400

INFO: Inference timings in us: Init: 12500, First inference: 15200, Warmup (avg): 10300.5, Inference (avg): 9912.25
INFO: Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE to the actual memory footprint.
INFO: Memory footprint delta from the start of the tool (MB): init=6.5 overall=8.25
"""
ANSWERS = {
    "getprop ro.product.manufacturer": "Google",
    "getprop ro.product.model": "Pixel 7",
    "getprop ro.soc.model": "GS201",
    "getprop ro.product.cpu.abi": "arm64-v8a",
    "getprop ro.build.version.release": "14",
    "scaling_governor": "sched_pixel\nsched_pixel",
    "scaling_cur_freq": "1803000\n2850000",
    "/proc/loadavg": "1.20 1.10 1.05 1/900 1234",
    "--graph=": OUTPUT,
}
FAKE = """#!{python}
import json, os, sys
with open({log!r}, "a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
text = sys.argv[-1]
if sys.argv[1] == "get-serialno":
    print("SERIAL1")
if "thermal" in text:  # hotter each time
    print(30000 + 4000 * sum("thermal" in line for line in open({log!r})))
for key, answer in json.load(open({answers!r})).items():
    if sys.argv[1] == "shell" and key in text:
        print(answer)
if "--graph=" in text and os.path.exists({broken!r}):
    print("ERROR: Failed to load model")
    sys.exit(1)
"""


@pytest.fixture
def phone(tmp_path, monkeypatch):
    """A folder with the stand-in on the PATH, its log, a program and a model."""
    (tmp_path / "answers.json").write_text(json.dumps(ANSWERS))
    names = {
        "python": sys.executable,
        "log": str(tmp_path / "log"),
        "answers": str(tmp_path / "answers.json"),
        "broken": str(tmp_path / "broken"),
    }
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin" / "adb"
    fake.write_text(FAKE.format(**names))
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    for name in ("benchmark_model", "int8.tflite"):
        (tmp_path / name).write_bytes(b"x" * 10)
    return tmp_path


def test_a_row_has_the_names_of_every_other_and_nothing_stays_on_the_phone(phone):
    (row,) = measure_by_adb(phone / "benchmark_model", [phone / "int8.tflite"], runs=200, threads=4)
    assert (row["device"], row["soc"], row["machine"], row["runtime"]) == (
        "Google Pixel 7",
        "GS201",
        "arm64-v8a",
        "benchmark_model",
    )
    assert (row["init_ms"], row["warmup_first_ms"], row["avg_ms"]) == (12.5, 15.2, 9.91225)
    assert (row["min_ms"], row["p5_ms"], row["p50_ms"], row["p95_ms"], row["max_ms"]) == (9.6, 9.65, 9.87, 10.4, 13.5)
    assert (row["p90_ms"], row["p99_ms"], row["samples_ms"], row["runs"], row["warmup"]["inferences"]) == (
        None,
        None,
        [],
        200,
        48,
    )
    assert row["delegates"] == {"delegate": "TfLiteXNNPackDelegate", "delegated": 69, "nodes": 71, "partitions": 2}
    assert row["model_memory_bytes"] == 8.25 * 2**20
    assert row["conditions"] == {
        "load_average": 1.2,
        "governor": "sched_pixel",
        "clock_mhz": 2850.0,
        "temperature_c": 34.0,
    }
    assert [note.partition(",")[0].partition(":")[0] for note in row["notes"]][1:] == ["governor sched_pixel"]
    given = [json.loads(line) for line in (phone / "log").read_text().splitlines()]
    folder = next(one[-1].split()[1] for one in given if one[-1].startswith("mkdir"))
    assert [one[1:] for one in given if one[0] == "push"] == [
        [str(phone / "benchmark_model"), f"{folder}/benchmark_model"],
        [str(phone / "int8.tflite"), f"{folder}/0.tflite"],
    ]
    (started,) = [one[-1] for one in given if "--graph=" in one[-1]]
    assert started.split()[0] == f"{folder}/benchmark_model"
    assert {"--num_runs=200", "--num_threads=4", f"--graph={folder}/0.tflite"} <= set(started.split())
    assert given[-1][-1] == f"rm -rf {folder} 2>&1"


def test_the_verb_writes_rows_that_merge_beside_others(phone, command):
    code, out, err = command(
        "benchmark", "--adb", phone / "benchmark_model", phone / "int8.tflite", "--threads", 4, "--json"
    )
    assert code == 0, err
    (phone / "rows.json").write_text(out)
    (shown,) = table(read_rows([phone / "rows.json"]))
    found = dict(zip(HEADINGS, shown, strict=True))
    assert (found["device"], found["p50"], found["p90"], found["delegated"]) == (
        "Google Pixel 7",
        "9.87",
        "-",
        "69 of 71",
    )
    code, out, err = command("benchmark", "--adb", phone / "benchmark_model", phone / "int8.tflite", "--strict")
    assert code == 1 and "Got: --strict beside --adb, which runs a program that does not know it" in err
    for option in ("--adb", "--ssh"):
        code, out, err = command("benchmark", "--merge", option, phone / "benchmark_model", phone / "int8.tflite")
        assert code == 1 and f"Got: {option} beside --merge, which measures nothing; leave out one." in err


def test_a_failure_is_one_sentence_and_is_cleaned_up(phone):
    (phone / "broken").touch()
    with pytest.raises(DeviceError, match=r"A device that adb reaches.*Failed to load model"):
        measure_by_adb(phone / "benchmark_model", [phone / "int8.tflite"], runs=20, threads=1)
    assert "rm -rf" in (phone / "log").read_text().splitlines()[-1]
    with pytest.raises(SettingError, match="Files that exist are required"):
        measure_by_adb(phone / "missing", [phone / "int8.tflite"], runs=20, threads=1)


def test_without_adb(phone, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingExtraError, match="The program adb is required"):
        measure_by_adb(phone / "benchmark_model", [phone / "int8.tflite"], runs=20, threads=1)


def test_an_output_without_times_and_one_of_a_single_inference():
    with pytest.raises(DeviceError, match=r"Times of int8\.tflite by benchmark_model are required\. Got: Killed"):
        parsed("INFO: STARTING!\nKilled", "int8.tflite")
    one = parsed(
        "count=1 curr=670083\nInference timings in us: Init: 1, First inference: 2, Warmup (avg): 3, Inference (avg): 670083",
        "x",
    )
    assert (one["p50_ms"], one["min_ms"], one["delegates"], one["model_memory_bytes"]) == (670.083, 670.083, None, None)
