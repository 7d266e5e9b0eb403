from __future__ import annotations

import json

import cv2
import pytest

from freezenet.benchmarks.devices.merge import HEADINGS, draw, read_rows, table
from freezenet.edge_runtime.errors import DataError

PI = {
    "model": "int8.tflite", "device": "Raspberry Pi 4", "runtime": "ai-edge-litert 2.3.0", "threads": 4, "init_ms": 10.0,
    "warmup_first_ms": 20.0, "p5_ms": 16.0, "p50_ms": 17.04, "p90_ms": 18.0, "p95_ms": 19.0, "p99_ms": 21.0, "max_ms": 30.0,
    "peak_memory_bytes": 60e6, "delegates": {"delegated": 69, "nodes": 71}, "notes": ["governor ondemand: ..."],
    "accuracy": {"accuracy": {"value": 0.945}, "images": 182},
}  # fmt: skip
#: Of an earlier version.
OLD = {"model": "int8.tflite", "environment": {"cpu": "AMD EPYC"}, "p50_ms": 1.5}


@pytest.fixture
def files(tmp_path):
    for name, row in (("pi", PI), ("pc", OLD)):
        (tmp_path / f"{name}.json").write_text(json.dumps([row]))
    return [tmp_path / "pi.json", tmp_path / "pc.json"]


def test_one_table_over_devices(files):
    first, second = (dict(zip(HEADINGS, row, strict=True)) for row in table(read_rows(files)))
    assert (first["device"], first["p50"], first["delegated"], first["accuracy"]) == (
        "Raspberry Pi 4",
        "17.0",
        "69 of 71",
        "0.9450 of 182",
    )
    assert (second["device"], second["p50"], second["max"], second["delegated"]) == ("AMD EPYC", "1.50", "-", "-")


def test_the_verb_draws_them(files, command, tmp_path):
    code, out, err = command("benchmark", "--merge", *files, "--picture", tmp_path / "devices.png")
    assert code == 0 and "Raspberry Pi 4" in out and "governor ondemand" in err
    assert cv2.imread(str(tmp_path / "devices.png")).shape[1] >= 800


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"p50_ms": "fast"}, 'p50_ms "fast"'),
        ({"p50_ms": None}, "p50_ms null"),
        ({"p50_ms": True}, "p50_ms true"),
        ({"p95_ms": float("nan")}, "p95_ms NaN"),
        ({"p95_ms": 1}, "p5, p50 and p95 of 16, 17.04 and 1"),
        ({"model": 7}, "model 7"),
        ({"notes": "hot"}, 'notes "hot"'),
        ({"delegates": {"nodes": 1}}, "delegates "),
        ({"accuracy": {"images": 3}}, "accuracy "),
        ({"environment": "PC"}, 'environment "PC"'),
    ],
)
def test_values_that_no_benchmark_writes_are_named(tmp_path, change, said):
    (tmp_path / "rows.json").write_text(json.dumps([PI, PI | change]))
    with pytest.raises(DataError, match=r"rows\.json with ") as caught:
        read_rows([tmp_path / "rows.json"])
    assert said in str(caught.value)


def test_what_a_device_did_not_tell_may_be_null_or_missing(tmp_path):
    silent = {key: None for key in PI if key not in ("model", "p50_ms")}
    (tmp_path / "rows.json").write_text(json.dumps([PI | silent, {"model": "a", "p50_ms": 1}]))
    rows = read_rows([tmp_path / "rows.json"])
    assert [row[-2:] for row in table(rows)] == [["-", "0"]] * 2
    draw(rows, tmp_path / "rows.svg")
    assert (tmp_path / "rows.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (("--merge", "--runs", 500), "--runs beside --merge, which measures nothing"),
        (("--merge", "--threads", 2, "--strict"), "--threads, --strict beside --merge, which measures nothing"),
        (("--merge", "--profile", "p.png"), "--profile beside --merge"),
        (("--adb", "binary", "--runtime", "tensorflow"), "--runtime beside --adb"),
        (("--ssh", "host", "--profile", "p.png"), "--profile beside --ssh, which measures on another machine"),
        (("--device-python", "python3"), "--device-python without --ssh"),
        (("--all", "--run", "run"), "--run, --all without --ssh"),
    ],
)
def test_an_option_that_does_not_apply_is_named(files, command, given, named):
    code, out, err = command("benchmark", files[0], *given)
    assert (code, out) == (1, "") and f"Got: {named}" in err


def test_other_files(tmp_path, command):
    for content in ("{}", "null", "[]", "[1]", '[{"a": 1}]'):
        (tmp_path / "rows.json").write_text(content)
        with pytest.raises(DataError, match="Rows of"):
            read_rows([tmp_path / "rows.json"])
    assert command("benchmark", "--all", tmp_path / "rows.json")[0] == 1
