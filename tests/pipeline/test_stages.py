"""The pipeline as a user runs it: one process, killed twice, started again."""

from __future__ import annotations

import csv
import html
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from sklearn.metrics import accuracy_score

ROOT = Path(__file__).resolve().parents[2]
SEED = 1 + int(os.environ.get("FREEZENET_TEST_SEED") or 0)
RECIPE = (
    "--recipe",
    "phantoms",
    "--set",
    "epochs=10",
    "--set",
    "batch_size=16",
    "--set",
    "patience=10",
    "--set",
    f"seed={SEED}",
    "--weights",
    "none",
)


def arguments(phantoms, out):
    return [str(phantoms), "--out", str(out), *RECIPE, "--variants", "float32,int8"]


def start(phantoms, out) -> subprocess.Popen:
    command = [sys.executable, "-m", "freezenet", "pipeline", *arguments(phantoms, out), "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def kill_when(process: subprocess.Popen, file: Path) -> None:
    """SIGKILL as soon as a file appears."""
    deadline = time.monotonic() + 900
    while not file.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def times(folder: Path) -> dict[str, int]:
    """Time of every file that holds results."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".freezenet"]
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in files}


@pytest.fixture(scope="module")
def done(phantoms, tmp_path_factory):
    """(folder, stdout, times after each kill) of a pipeline killed after training and amid converting."""
    out = tmp_path_factory.mktemp("pipeline") / "out"
    kill_when(start(phantoms, out), out / "run" / "metrics.json")
    first = times(out)
    kill_when(start(phantoms, out), out / "models" / "float32.tflite")
    second = times(out)
    process = start(phantoms, out)
    stdout, stderr = process.communicate(timeout=900)
    assert process.returncode == 0, stderr
    assert "Traceback" not in stderr
    return out, stdout, first, second


def test_a_kill_left_the_later_stages_undone(done):
    _, _, first, second = done
    assert "run/metrics.json" in first and not [
        name for name in first if name.startswith("models/") and ".tflite" in name
    ]
    assert "models/float32.tflite" in second
    assert not {"models/int8.tflite", "models/conversion.json", "results.json", "report.html"} & set(second)


def test_finished_stages_are_not_done_again(done):
    out, _, first, second = done
    after = times(out)
    trained = [name for name in first if name.startswith("run/") and "checkpoint" not in name]
    assert {"run/model.keras", "run/metrics.json", "run/splits.csv"} <= set(trained)
    assert {name: after[name] for name in trained} == {name: first[name] for name in trained}
    assert "run/audit.json" not in first
    assert [after[name] for name in ("run/audit.json", "models/float32.tflite")] == [
        second[name] for name in ("run/audit.json", "models/float32.tflite")
    ]


def test_everything_is_there_and_nothing_half_written(done):
    out, *_ = done
    assert {path.name for path in out.iterdir()} == {
        ".freezenet",
        "run",
        "models",
        "results.json",
        "report.html",
    }
    assert {path.name for path in (out / "models").iterdir()} == {
        ".freezenet", "conversion.json", "scores",
        "float32.tflite", "float32-app.tflite", "int8.tflite", "int8-app.tflite",
    }  # fmt: skip
    assert not list(out.rglob("*partial*"))


def test_stdout_is_results_json(done):
    out, stdout, *_ = done
    results = json.loads(stdout)
    assert results == json.loads((out / "results.json").read_text())
    assert list(results["comparison"]["variants"]) == ["float32", "int8"]
    assert [one["model"] for one in results["latency"]] == ["float32.tflite", "int8.tflite"]
    assert results["has_patients"] is True
    assert results["command"].startswith("freezenet pipeline ")


def test_the_verdict_of_the_audit_stands_in_report_results_card_and_inspect(done, command):
    out, stdout, *_ = done
    audit = json.loads((out / "run" / "audit.json").read_text())
    assert json.loads(stdout)["audit"] == audit["headline"]
    page = (out / "report.html").read_text()
    # On the first screen: before the first table, the picture beside it.
    first_screen = page[: page.index("<table>")]
    assert audit["headline"] in html.unescape(first_screen)
    assert first_screen.count("<img") == 1
    assert all(sentence in html.unescape(first_screen) for sentence in audit["verdict"])
    with zipfile.ZipFile(out / "models" / "int8.tflite") as archive:
        card = json.loads(archive.read("card.json"))
    assert card["audit"] == {"images": audit["images"], "verdict": audit["headline"], "flags": audit["flags"]}
    code, told, err = command("inspect", out / "models" / "int8.tflite")
    assert code == 0, err
    assert f"audit       {audit['headline']}" in told


def test_figures_agree_from_stage_to_stage(done):
    out, *_ = done
    results = json.loads((out / "results.json").read_text())
    with (out / "run" / "predictions.csv").open(newline="", encoding="utf-8") as file:
        test = [row for row in csv.DictReader(file) if row["split"] == "test"]
    keras = accuracy_score([row["class"] for row in test], [row["answer"] for row in test])
    assert results["keras"]["accuracy"]["value"] == pytest.approx(keras, abs=1e-6)
    # The cache holds float16, so one image in a tie may differ.
    compared = results["comparison"]["variants"]["float32"]["accuracy"]["value"]
    assert compared == pytest.approx(keras, abs=1.01 / len(test))
    with zipfile.ZipFile(out / "models" / "float32.tflite") as archive:
        assert json.loads(archive.read("card.json"))["accuracy"]["accuracy"]["value"] == compared


def test_finished_results_stay_without_overwrite(done, phantoms, command):
    out, *_ = done
    before = times(out)
    code, stdout, err = command("pipeline", *arguments(phantoms, out))
    assert (code, stdout) == (1, "")
    assert err.count("Error:") == 1 and "finished (it holds report.html); pass --overwrite" in err
    assert times(out) == before


@pytest.mark.parametrize("changed", [("--set", f"seed={SEED + 4}"), ("--weights", "imagenet")])
def test_another_recipe_or_other_weights_do_not_go_on(done, phantoms, command, tmp_path, changed):
    out = shutil.copytree(done[0], tmp_path / "out")
    (out / "report.html").unlink()
    before = times(out)
    code, stdout, err = command("pipeline", *arguments(phantoms, out), *changed)
    assert (code, stdout) == (1, "")
    (line,) = [line for line in err.splitlines() if line.startswith("Error:")]
    assert line.startswith("Error: The same recipe, weights and data are required to go on with a pipeline. Got: ")
    assert times(out) == before


def test_a_lost_report_is_written_again_from_the_results(done, phantoms, command, tmp_path):
    out = shutil.copytree(done[0], tmp_path / "out")
    (out / "report.html").unlink()
    before = times(out)
    code, stdout, _ = command("pipeline", *arguments(phantoms, out))
    assert code == 0
    assert stdout.splitlines()[0].startswith("model\tMB\t") and stdout.splitlines()[-1] == str(out / "report.html")
    assert {name: time for name, time in times(out).items() if name != "report.html"} == before
    assert (out / "report.html").read_text() == (done[0] / "report.html").read_text()


def test_results_survive_overwrite_with_data_that_cannot_be_used(done, command, tmp_path):
    out = shutil.copytree(done[0], tmp_path / "out")
    before = times(out)
    os.mkdir(tmp_path / "empty")
    code, _, err = command("pipeline", *arguments(tmp_path / "empty", out), "--overwrite")
    assert code == 1
    assert "without images" in err
    assert times(out) == before


def test_pipeline_without_float32_says_so(done, phantoms, command, tmp_path):
    out = shutil.copytree(done[0], tmp_path / "out")
    for file in (out / "report.html", out / "results.json"):
        file.unlink()
    conversion = json.loads((out / "models" / "conversion.json").read_text())
    del conversion["variants"]["float32"]
    (out / "models" / "conversion.json").write_text(json.dumps(conversion))
    code, _, err = command("pipeline", *arguments(phantoms, out))
    assert code == 1
    assert "The variant float32 is required, to compare with" in err
    assert not (out / "report.html").exists()


def test_what_acceptance_allows_is_set_for_the_pipeline_too(done, phantoms, command, tmp_path):
    """On the trained run of the others: first nothing may differ from Keras, then acceptance is off."""

    def out(name, *options):
        folder = tmp_path / name
        shutil.copytree(done[0] / "run", folder / "run")
        (folder / ".freezenet").touch()
        return command("pipeline", *arguments(phantoms, folder), "--calibration-images", "20", *options)

    strict = ("--acceptance", "strict=true", "--acceptance", "agreement=1", "--acceptance", "f1_kept=1")
    code, _, err = out("strict", *strict, "--acceptance", "float32_difference=0")
    assert (code, "float32: scores differ by more than 0 " in err) == (3, True)
    assert not (tmp_path / "strict" / "models" / "float32.tflite").exists()
    code, _, _ = out("open", *strict, "--acceptance", "float32_difference=0", "--no-acceptance")
    assert code == 0
    conversion = json.loads((tmp_path / "open" / "models" / "conversion.json").read_text())
    assert conversion["variants"].keys() == {"float32", "int8"}
    assert conversion["variants"]["float32"]["against_keras"]["refused"].startswith("scores differ by more than 0 ")
    assert conversion["variants"]["int8"]["against_keras"]["limits"]["strict"] is True
    assert conversion["calibration_images"] <= 24
