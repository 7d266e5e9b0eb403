"""The ways from a file to an answer, side by side on few files and in few rounds."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from click.testing import CliRunner
from sklearn.metrics import f1_score

from freezenet.convert.ptq.calibration import choose_calibration
from freezenet.edge_runtime.card import ModelCard
from freezenet.edge_runtime.classifier import Classifier
from studies.peers import __main__ as command
from studies.peers.files import SIDES, write_files
from studies.peers.folder import folder_throughput
from studies.peers.measure import _paired_ratio, measure
from studies.peers.networks import Networks
from studies.peers.process import WayProcess, usable_cores
from studies.peers.ways import FLOAT, OURS, Setting, Start, ways
from studies.peers.weight import installed_megabytes, required
from studies.tables.peers_table import peers_table
from studies.tables.results_page import results_part
from studies.tools import MissingToolError

PLAIN, BY_HAND, MEDIAPIPE = "Pillow + numpy + Interpreter", "decode and invoke by hand", "MediaPipe Tasks 0.10.31"
LITERT, KERAS = "LiteRT, int8 by ai-edge-quantizer, freezenet", "Keras, float32, freezenet"
PICTURES = [name for name in SIDES if not name.endswith(".dcm")]


@pytest.fixture(scope="module")
def result(models, tools, run):
    return measure(models / "int8.tflite", tools, run=run, rounds=2, times=2, starts=1, folder_images=5)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_files(tmp_path_factory.mktemp("files"))


def test_every_way_has_figures_or_a_reason(result):
    for name, way in result["ways"].items():
        if way["skipped"]:
            assert len(way["skipped"]) > 20, name
            continue
        assert set(way["files"]) == set(SIDES), name
        for file in PICTURES:
            one = way["files"][file]
            assert 0 < one["p50_ms"] <= one["p95_ms"], (name, file)
            assert one["ours_to_this"] > 0, (name, file)
        assert way["start"]["first_answer_ms"] > 0
        assert way["start"]["peak_memory_bytes"] > 10e6
        assert way["weight"]["megabytes"] > 20
    json.dumps(result, allow_nan=False)


def test_what_needs_nothing_more_was_measured(result):
    for name in (OURS, FLOAT, PLAIN, BY_HAND, LITERT, KERAS):
        assert result["ways"][name]["skipped"] is None, result["ways"][name]


def test_mediapipe_was_measured_where_it_must_be(result):
    reason = result["ways"][MEDIAPIPE]["skipped"]
    prepared = os.environ.get("FREEZENET_CI") and os.geteuid() == 0 and shutil.which("apt-get")
    if reason and not prepared:
        pytest.skip(reason)
    assert reason is None


@pytest.mark.parametrize(("label", "package"), [("ONNX Runtime", "onnxruntime"), ("OpenVINO", "openvino")])
def test_a_package_that_is_missing_is_a_reason_and_float32_runs_where_it_is_there(result, label, package):
    there = find_spec(package) and (package != "onnxruntime" or find_spec("tf2onnx"))
    for pixels in ("Pillow", "freezenet"):
        reason = result["ways"][f"{label}, float32, {pixels}"]["skipped"]
        assert reason is None if there else "pip install" in reason


def test_ours_is_compared_with_itself_as_equal(result):
    for file in PICTURES:
        one = result["ways"][OURS]["files"][file]
        assert (one["ours_to_this"], one["same_class"], one["largest_difference"]) == (1, True, 0)


def test_the_same_pixels_and_file_give_the_same_class(result):
    for name, way in result["ways"].items():
        if way["skipped"] or way["pixels"] != "freezenet":
            continue
        for file in PICTURES:
            assert way["files"][file]["same_class"], (name, file)
            assert way["files"][file]["largest_difference"] <= (0 if name == OURS else 0.1), (name, file)


def test_what_is_no_answer_is_not_judged(result):
    assert {one["same_class"] for file, one in result["ways"][BY_HAND]["files"].items() if file in PICTURES} == {None}


def test_the_folder_was_answered_on_one_core_and_on_two(result):
    if result["folder"]["skipped"]:
        assert len(usable_cores()) < 2 or not hasattr(os, "sched_setaffinity")
        return
    assert result["folder"]["images"] == 10
    assert min(result["folder"]["images_per_second"].values()) > 0


def test_the_paired_ratio_is_the_median_over_the_rounds():
    # Rounds of 2 / 4, 2 / 8 and 3 / 3: the median of .5, .25 and 1.
    assert _paired_ratio([[1, 2, 9], [2, 2, 2], [3]], [[4, 4, 4], [8, 8, 8], [3]]) == 0.5


def test_the_table_holds_every_way_and_reason(result):
    text = peers_table(result)
    for name, way in result["ways"].items():
        assert f"| {name} |" in text
        assert way["skipped"] is None or " ".join(way["skipped"].split()) in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({row.count("|") for row in rows}) == 1


def test_the_page_s_table_is_made_from_the_result_file(result, tmp_path):
    (tmp_path / "peers-int8-somewhere.json").write_text(json.dumps(result))
    assert peers_table(result) in results_part(tmp_path)
    assert results_part(tmp_path / "nowhere") == ""


def test_accuracy_is_that_of_the_test_images_of_the_run(result, models, run):
    labels = list(run.labels)
    rows = run.paths("test")
    truth = [row["class"] for _, row in rows]
    for way, file in ((OURS, "int8.tflite"), (FLOAT, "float32.tflite")):
        classifier = Classifier(models / file)
        probabilities = [list(classifier.predict(path).probabilities.values()) for path, _ in rows]
        answers = [labels[number] for number in np.argmax(probabilities, 1)]
        expected = f1_score(truth, answers, average="macro", labels=sorted(set(truth)), zero_division=0)
        assert result["ways"][way]["accuracy"]["macro_f1"]["value"] == pytest.approx(expected, abs=1e-6)
    assert result["test_images"] == len(rows)
    assert result["ways"][FLOAT]["accuracy"]["other_answers"] == 0
    # The same network on the same pixels; an answer may hang on the last bit.
    assert result["ways"][KERAS]["accuracy"]["other_answers"] <= 1
    assert "before the answer" in result["ways"][BY_HAND]["accuracy"]["cannot"]


@pytest.mark.parametrize(
    ("way", "packages"),
    [
        ("ONNX Runtime, int8 by quantize_static, freezenet", ("onnxruntime", "tf2onnx")),
        ("OpenVINO, int8 by NNCF, freezenet", ("openvino", "nncf")),
    ],
)
def test_other_makers_integers_are_made_of_the_float_network(result, way, packages):
    found = result["ways"][way]
    if not all(map(find_spec, packages)):
        assert "pip install" in found["skipped"]
        return
    assert found["skipped"] is None
    # Integers: other numbers than those of the float network, and answers that are mostly the same.
    assert found["files"]["png-2048.png"]["largest_difference"] > 0
    assert found["accuracy"]["other_answers"] <= result["test_images"] / 4


def test_ranges_are_those_of_the_images_that_the_model_was_calibrated_with(models, run, tmp_path):
    card = ModelCard.read(models / "int8.tflite")
    networks = Networks(models / "int8.tflite", card, tmp_path, run)
    tensors = np.load(networks._calibration)
    chosen = choose_calibration(run, 100)
    spec = run.recipe.preprocess
    expected = (chosen.pixels[..., None].repeat(3, -1).astype(np.float32) - spec.mean) / spec.std
    np.testing.assert_allclose(tensors, expected, atol=1e-6)
    # Another choice of images, as by another number of them.
    other = replace(card, content={**card.content, "calibration": {"images": 1, "sha256": "0" * 64}})
    with pytest.raises(MissingToolError, match=r"a fair comparison\. Got"):
        Networks(models / "int8.tflite", other, tmp_path, run)._calibration  # noqa: B018


def test_what_a_package_requires_is_weighed_with_it():
    found = required(["scikit-learn"])
    assert {"scikit-learn", "numpy", "scipy", "joblib", "threadpoolctl"} <= set(found)
    assert "pytest" not in found, "what is optional is left out"
    files = Path(find_spec("PIL").origin).parent
    on_disk = sum(file.stat().st_size for file in files.rglob("*") if file.is_file()) / 2**20
    # Its libraries lie beside it; blocks on the disk are a little more than bytes.
    start = Start(Path(sys.executable), {})
    assert on_disk < installed_megabytes(start, ["pillow"]) < 4 * on_disk + 20
    assert installed_megabytes(start, ["pillow", "numpy"]) > installed_megabytes(start, ["numpy"])
    with pytest.raises(MissingToolError, match="no-such-package is required"):
        installed_megabytes(start, ["no-such-package"])


# ---- the files


def test_the_files_are_of_the_named_sizes_and_show_the_same(files):
    small = {}
    for name, path in files.items():
        pixels = pydicom.dcmread(path).pixel_array / 4095 * 255 if name.endswith(".dcm") else cv2.imread(str(path), 0)
        assert pixels.shape == (SIDES[name], SIDES[name])
        small[name] = cv2.resize(np.asarray(pixels, np.float32), (128, 128), interpolation=cv2.INTER_AREA)
    for one in small.values():
        assert np.abs(one - small["png-2048.png"]).mean() < 1


def test_the_dicom_file_is_a_16_bit_radiograph_of_the_chest(files):
    data = pydicom.dcmread(files["dicom-2000.dcm"])
    assert (data.Modality, data.BodyPartExamined, data.PhotometricInterpretation) == ("DX", "CHEST", "MONOCHROME2")
    assert (data.BitsAllocated, data.BitsStored, data.Rows, data.Columns) == (16, 12, 2000, 2000)
    assert data.pixel_array.max() > 255


def test_the_files_can_be_made_from_an_image(phantoms, tmp_path):
    image = next(phantoms.parent.rglob("*.png"))
    written = write_files(tmp_path, image)
    given, made = cv2.imread(str(image), 0), cv2.imread(str(written["jpeg-2048.jpg"]), 0)
    back = cv2.resize(made, given.shape[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(back.astype(int) - given).mean() < 2


# ---- the processes


def test_a_process_answers_as_the_classifier_does(models, files):
    start = Start(Path(sys.executable), {"way": "freezenet", "model": str(models / "int8.tflite")})
    with WayProcess(start, usable_cores()) as process:
        reply = process.ask(files["jpeg-512.jpg"], 3)
        assert len(reply["ms"]) == 3
        expected = Classifier(models / "int8.tflite").predict(files["jpeg-512.jpg"])
        assert reply["scores"] == list(expected.probabilities.values())
        # A file that cannot be used does not end the process.
        assert "no such file" in process.ask(Path("none.jpg"), 1)["cannot"]
        assert process.ask(files["jpeg-512.jpg"], 0) == {"ms": [], "scores": reply["scores"]}


def test_a_process_that_cannot_start_says_why(files, tmp_path):
    missing = Start(Path(sys.executable), {"way": "freezenet", "model": str(tmp_path / "none.tflite")})
    with WayProcess(missing, usable_cores()) as process:
        assert "does not exist" in process.ask(files["jpeg-512.jpg"], 1)["cannot"]


def test_a_process_that_dies_says_how(files, tmp_path):
    (tmp_path / "python").write_text("#!/bin/sh\necho last words >&2\nexit 7\n")
    (tmp_path / "python").chmod(0o755)
    with WayProcess(Start(tmp_path / "python", {}), usable_cores()) as process:
        assert process.ask(files["jpeg-512.jpg"], 1)["cannot"] == "the process ended with code 7: last words"
        assert process.ask(files["jpeg-512.jpg"], 1)["cannot"] == "the process ended with code 7: last words"


def test_a_model_without_its_folder_leaves_out_what_needs_the_folder(models, tools, tmp_path):
    model = tmp_path / "int8.tflite"
    shutil.copyfile(models / "int8.tflite", model)
    card = ModelCard.read(model)
    chosen = {way.name: way for way in ways(card)}
    setting = Setting(Networks(model, card, tmp_path), tools)
    assert chosen[OURS].start(setting).request["model"] == str(model)
    with pytest.raises(MissingToolError, match=r"conversion.json is required\. Got: int8.tflite alone"):
        chosen[MEDIAPIPE].start(setting)
    with pytest.raises(MissingToolError, match=r"name it with --run\. Got: none"):
        chosen["Keras, float32, Pillow"].start(setting)


def test_one_core_is_a_reason_for_no_throughput(models, files, monkeypatch):
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system binds no process to a core")
    monkeypatch.setattr("studies.peers.folder.usable_cores", lambda: [0])
    found = folder_throughput(models / "int8.tflite", [files["jpeg-512.jpg"]], 2)
    assert found == {"skipped": "Two CPU cores are required. Got: one."}


# ---- the command


def test_the_command_prints_json_or_a_table_and_writes_the_result_file(result, models, tmp_path, monkeypatch):
    monkeypatch.setattr("studies.peers.measure.measure", lambda *arguments, **options: result)
    model = str(models / "int8.tflite")
    assert json.loads(CliRunner().invoke(command.main, [model, "--json"]).stdout) == result
    done = CliRunner().invoke(command.main, [model, "--out", str(tmp_path)])
    assert done.stdout == peers_table(result)
    (written,) = tmp_path.glob("peers-int8-*.json")
    assert json.loads(written.read_text()) == result


def test_a_model_that_is_none_is_one_sentence(tmp_path):
    done = CliRunner().invoke(command.main, [str(tmp_path / "none.tflite")])
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1].startswith("Error: A model file is required. Got: ")
